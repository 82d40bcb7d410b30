"""The socket calls that differ between event loops and threads."""
