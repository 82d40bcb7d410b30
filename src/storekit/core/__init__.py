"""What both stores stand on: pool, retries, HTTP transport, and the seam to the event loops."""
