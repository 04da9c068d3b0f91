"""Exports that can be resumed, for the command line: chunks of a window gathered in a folder, then one file."""
