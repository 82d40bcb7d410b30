"""What there is to do with a checkout: `nox -l` lists it, `nox -s NAME` does it."""

import os
import pathlib

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "types", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")


def _install(session: nox.Session, group: str, *packages: str) -> None:
    session.install(*packages, *nox.project.dependency_groups(PROJECT, group))


@nox.session
def quickstart(session: nox.Session) -> None:
    """Query a table on asyncio, on trio and in sync: in process, or `-- URL` on a server."""
    session.install(".[trio,lz4,node]")
    session.run("python", "-m", "examples.quickstart", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, with real servers where a Python 2.7 can be found."""
    _install(session, "test", ".[all]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, imports between layers, and that the generated trees are up to date."""
    _install(session, "lint", ".")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")
    session.run("python", "tools/generate_sync.py", "--check")
    session.run("python", "tools/generate_qdb_bindings.py", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types: the sources strictly, and the public interface for completeness."""
    _install(session, "types", ".[all]")
    session.run("mypy")
    session.run("pyright", "--verifytypes", "storekit", "--ignoreexternal")
    session.run("pyright", "tests/typing")


@nox.session
def generate(session: nox.Session) -> None:
    """Write the sync trees anew."""
    _install(session, "lint")
    session.run("python", "tools/generate_sync.py", *session.posargs)


@nox.session
def features(session: nox.Session) -> None:
    """Write the table of what works where into the README, from what the tests call."""
    _install(session, "test", ".[all]")
    session.run("python", "-m", "tools.feature_table", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure clients and node against others, side by side; `-- --readme` updates README."""
    _install(session, "bench", ".[trio,quasardb,serve]")
    session.run("python", "-m", "benchmarks.qcache", *session.posargs)
    session.run("python", "-m", "benchmarks.qdb", *session.posargs)
    session.run("python", "-m", "benchmarks.codecs", *session.posargs)
    session.run("python", "-m", "benchmarks.documents", *session.posargs)
    session.run("python", "-m", "benchmarks.node", *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13"])
def all_pythons(session: nox.Session) -> None:
    """Run the tests on every Python that is supported and installed."""
    _install(session, "test", ".[all]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the distribution and check that a wheel has all that it needs."""
    session.install("build")
    out = pathlib.Path(session.create_tmp())
    session.run("python", "-m", "build", "--outdir", os.fspath(out))
    wheel = max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    session.install("--force-reinstall", os.fspath(wheel))
    session.run(
        "python",
        "-c",
        "import storekit.qcache as q, storekit.qdb as d; q.QClient, q.AsyncQClient, d.Client",
    )
