"""HTTP access to a node: an ASGI application, and a server for it."""
