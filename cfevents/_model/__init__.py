"""What the other packages pass around: plain attrs classes, no I/O, no parsing."""
