"""Orders that were placed through SparkLayer."""
