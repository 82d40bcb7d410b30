"""What differs between event loops and plain threads in the use of sockets."""
