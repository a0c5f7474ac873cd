"""Products with their variants, stock, prices and B2B attributes."""
