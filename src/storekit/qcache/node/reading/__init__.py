"""What is uploaded, as tables."""

from storekit.qcache.embedded.csv_reading import read_csv
from storekit.qcache.embedded.json_reading import read_json

__all__ = ["read_csv", "read_json"]
