"""Documents: contents of any size in slices, with a manifest that says what belongs together."""
