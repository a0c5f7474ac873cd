"""Sample stores: a real company's catalogue, and any number of made-up products."""

from daemon.sandbox.samples.adventureworks import adventureworks
from daemon.sandbox.samples.synthetic import synthetic

__all__ = ["adventureworks", "synthetic"]
