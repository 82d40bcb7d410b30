"""Operation of a node: metrics, logs, checks at the start, the service manager."""
