"""Programs that show what storekit is for. Each says how to run it."""
