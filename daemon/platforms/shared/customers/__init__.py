"""Parts of customers that adapters share."""
