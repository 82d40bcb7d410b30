"""Client for QuasarDB: a distributed key-value store."""
