"""Following: new events of connectors as they come, and late ones, once each."""
