"""The only way in: an HTTP/1.1 server on trio, and the routes it serves.

    bytes -> parser -> connection -> routes -> webhooks, admin, ... -> routes -> connection -> bytes

`server` accepts and limits, `connection` talks on one stream, `parser` knows HTTP and no I/O, `routes` finds the
handler and is the edge where its failures become answers. TLS is the reverse proxy's.
"""
