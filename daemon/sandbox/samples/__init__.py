"""Sample stores: a real company with its customers and orders, and any number of made-up products."""

from daemon.sandbox.samples.company import adventureworks
from daemon.sandbox.samples.synthetic import synthetic

__all__ = ["adventureworks", "synthetic"]
