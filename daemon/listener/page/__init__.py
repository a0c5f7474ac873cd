"""The operators' web page, at `/` of the listener: see every connection, look into one, act on it.

    routes -> page (handlers) -> operations of the admin service -> views (values for templates) -> rendering

It does nothing itself: it shows the answers of the admin operations, and asks for the same actions as the commands. It
is rendered by the server, and works without JavaScript. Its templates and Jinja2 are loaded when a browser first asks
for a page.
"""
