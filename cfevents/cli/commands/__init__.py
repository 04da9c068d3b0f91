"""The commands, each of which `cfevents.cli.app` imports when it runs."""
