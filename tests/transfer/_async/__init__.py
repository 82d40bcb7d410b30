"""Tests that run async and sync; the other tree of the same layout is generated from this one."""
