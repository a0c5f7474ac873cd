"""Customers with a B2B role."""
