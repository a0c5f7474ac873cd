"""One writer per entity kind: diff, push and outcome."""
