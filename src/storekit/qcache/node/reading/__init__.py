"""Parses uploads to tables."""

from storekit.qcache.node.reading.csv import read_csv
from storekit.qcache.node.reading.json import read_json

__all__ = ["read_csv", "read_json"]
