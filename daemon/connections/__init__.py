"""Connections: the registry, and their life from connect to wipe."""
