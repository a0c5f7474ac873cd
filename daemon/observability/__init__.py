"""Metrics (`metrics`), log lines (`logging`) and traces (`tracing`) for operators.

All are sinks: they decide nothing, and neither a secret nor an entity's data ever passes through them.
"""
