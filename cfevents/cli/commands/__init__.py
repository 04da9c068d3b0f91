"""The subcommands, one file for each group of them."""
