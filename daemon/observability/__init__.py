"""What the daemon tells the people who run it: numbers (`metrics`) and lines (`logging`).

Both are sinks: they decide nothing, and neither a secret nor an entity's data ever passes through them.
"""
