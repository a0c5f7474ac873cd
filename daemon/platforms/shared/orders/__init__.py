"""Parts of orders that adapters share."""
