"""Products with their variations, stock and prices."""
