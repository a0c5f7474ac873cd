"""The SparkLayer stand-in: a site's state and the strict routes of its API."""

from daemon.sandbox.sparklayer.api import SparkLayer, SparkLayerOptions

__all__ = ["SparkLayer", "SparkLayerOptions"]
