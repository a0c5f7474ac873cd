"""The unit in config/ on a real systemd: `make systemd`."""
