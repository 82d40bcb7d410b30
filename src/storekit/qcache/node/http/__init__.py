"""What brings requests to a node over HTTP: an ASGI application, and a server for it."""
