"""The most entities in one call (contract section 3)."""

LARGEST = 250
