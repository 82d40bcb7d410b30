"""Saves the tables of a node when it stops, and restores them when it starts.

A snapshot is a directory with a file for each table and a manifest that lists them. Guarantees:

- The manifest is replaced atomically. After a crash at any time, the next start finds the former
  snapshot or the new one, with complete files.
- No table is restored that was replaced or removed. Its file is removed before the change is
  acknowledged, so the snapshot that is left after a crash is the former one without it. After a
  crash of the machine, which may have lost such a removal, the snapshot is not used.
- Damaged and foreign files are refused with a log message: one table, or all if it is the
  manifest, which has a checksum of each file. The directory must be owned by this user, so that
  nobody else can write files with valid checksums.
- Tables are restored with their column types, order of use, and upload times.
"""
