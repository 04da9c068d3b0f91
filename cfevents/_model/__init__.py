"""The plain attrs classes that the other packages pass around; no I/O, no parsing."""
