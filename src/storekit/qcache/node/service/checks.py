"""Warnings at the start of a node, about options that are unsafe or probably not intended."""

import os
import socket
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from storekit.qcache.node.options import ServeOptions

__all__ = ["warnings"]

_READ_BY_OTHERS = 0o004


def warnings(options: ServeOptions, listener: socket.socket) -> Iterator[str]:
    """Yield warnings, each a sentence."""
    address = listener.getsockname()[0]
    has_password = options.auth is not None or options.auth_file is not None
    if not has_password and options.ca_file is None and not _is_loopback(address):
        yield (
            f"everybody who can reach {address} can read and replace all tables: set "
            "--auth-file or --ca-file, or --host 127.0.0.1"
        )
    if not has_password and "*" in (*options.allow_host, *options.allow_origin):
        yield (
            "any web page that is open in a browser which reaches this node can use it: name the "
            "hosts and origins that are meant instead of *, or set --auth-file"
        )
    yield from _of_files(options)
    memory = _memory()
    if memory is not None and options.size > memory:
        yield (
            f"--size is {options.size} bytes, and there are {memory}: the system will end this "
            "process before the cache is full"
        )


def _of_files(options: ServeOptions) -> Iterator[str]:
    if options.cert_file is not None:
        key = options.key_file or options.cert_file
        if _mode(key) & _READ_BY_OTHERS:
            yield f"all users of this machine can read the key in {key}: chmod o-rwx it"
    if options.auth_file is not None and _mode(options.auth_file) & _READ_BY_OTHERS:
        yield f"all users of this machine can read {options.auth_file}: chmod o-rwx it"
    config = options.config
    if config is not None and _mode(config) & _READ_BY_OTHERS and _has_password(config):
        yield f"all users of this machine can read the password in {config}: chmod o-rwx it"


def _has_password(config: str) -> bool:
    return "auth" in tomllib.loads(Path(config).read_text("utf-8"))


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _mode(path: str) -> int:
    try:
        return Path(path).stat().st_mode
    except OSError:  # reported where the file is used
        return 0


def _memory() -> int | None:
    """Return the memory limit of this process in bytes: of the machine, or of its control group."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return found
    return min(found, int(limit)) if limit.isdecimal() else found
