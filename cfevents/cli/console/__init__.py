"""What a terminal or a pipe gets to see: tables, records, progress, errors, logs."""
