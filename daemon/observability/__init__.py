"""Metrics (`metrics`) and log lines (`logging`) for operators.

Both are sinks: they decide nothing, and neither a secret nor an entity's data ever passes through them.
"""
