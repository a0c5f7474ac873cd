"""The admin operations: what a person may ask of a running daemon, or of its database."""
