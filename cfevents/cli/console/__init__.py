"""The terminal: tables, records, the status line, failures, signals."""
