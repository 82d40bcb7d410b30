"""What a node has for those who run it: figures, logs, the service manager, snapshots of tables."""
