"""Requests to either API: the HTTP client, the throttle in front of it, and answers worth a second look."""
