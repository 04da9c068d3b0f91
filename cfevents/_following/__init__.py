"""New events of connectors as they come, and late ones, once each. Loaded when it is first asked for."""
