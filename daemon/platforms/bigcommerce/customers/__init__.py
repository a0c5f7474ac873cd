"""Customers with their addresses and B2B attributes."""
