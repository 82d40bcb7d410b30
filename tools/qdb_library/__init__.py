"""A C library for development: the C API of QuasarDB, implemented by the embedded engine."""
