"""The tables of a node on disk, from its end to its next start.

A snapshot is a directory with a file for each table and a manifest that names them. What holds:

- The manifest is replaced in one step. After a crash, whenever it came, the next start finds the
  former snapshot or the new one, each file of it whole.
- No table comes back that was replaced or removed. Its file is removed before the change is
  answered for, so the snapshot that is left after a crash is the former one without it. If the
  whole machine went down, it may not have kept that; then there is no snapshot.
- What is damaged, or was never written by a node, is refused with a line in the log: one table, or
  all of them if it is the manifest. Each file has a checksum there. The directory must be this
  user's own, so that nobody else can write files with checksums that are right.
- Tables come back as they were: types of columns, order of use, time of their upload.
"""
