"""A C library with QuasarDB's interface and the embedded engine inside, for development."""
