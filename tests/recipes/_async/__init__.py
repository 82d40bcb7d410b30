"""Tests of both worlds; the other tree of the same layout is generated from this one."""
