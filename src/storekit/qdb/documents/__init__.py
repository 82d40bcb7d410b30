"""Documents: content of any size, stored in slices, with a manifest of their digests."""
