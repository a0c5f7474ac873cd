"""Requests to both APIs: the HTTP client, the throttle in front of it, and the confirmation of an answer."""
