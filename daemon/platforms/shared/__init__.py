"""Parts that adapters share."""
