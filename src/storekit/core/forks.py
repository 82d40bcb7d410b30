"""Detects that this process was forked since an object was made."""

import os

__all__ = ["fork_count"]

_count = 0


def fork_count() -> int:
    """Return how many forks lie between the first process and this one.

    `os.getpid()` would serve as well, but it is a system call, and this is called for each
    request.
    """
    return _count


def _note_fork() -> None:
    global _count  # noqa: PLW0603 - a process has just one
    _count += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
