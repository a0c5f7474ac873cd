"""Sample companies: a real one, made from Microsoft's AdventureWorks data, and made-up ones of any size."""

from daemon.sandbox.samples.sample import adventureworks, excerpt
from daemon.sandbox.samples.synthetic import synthetic

__all__ = ["adventureworks", "excerpt", "synthetic"]
