"""What there is to do with a checkout: `nox -l` lists it, `nox -s NAME` does it."""

import contextlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "types", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
OLDEST = PYTHONS[0]

# Versions that are known to work together. What a dependency releases tomorrow breaks the
# session `newest`, which says so, and not everybody's work.
LOCKED = "requirements/locked.txt"
LOWEST = "requirements/lowest.txt"

# The versions of `quasardb` before the one that is tested with, each on our C library.
VENDOR_CLIENTS = ("3.13.7", "3.14.0", "3.14.1", "3.14.2")

# One worker a core; a test that takes the whole machine is marked `slow`.
PARALLEL = ("-n", "auto", "--max-worker-restart", "0")
# The sync twins are made of the same source, and trio and uvloop are for the whole run.
QUICK = (
    *("-m", "not slow and not soak", "--hypothesis-profile", "quick", "--loops", "asyncio"),
    *("--ignore-glob", "*/_sync/*"),
)


def _install(
    session: nox.Session, group: str, *packages: str, constraints: str | None = LOCKED
) -> None:
    bounds = ["-c", constraints] if constraints else ["--upgrade", "--upgrade-strategy", "eager"]
    session.install(*bounds, *packages, *nox.project.dependency_groups(PROJECT, group))


def _test(session: nox.Session, *arguments: str) -> None:
    session.run("python", "-m", "pytest", *PARALLEL, *arguments, *session.posargs)


def _test_all(session: nox.Session, *arguments: str) -> None:
    """Run all tests, those with the vendor's earlier clients included."""
    # Not by `create_tmp`, which has the tests make their temporary files inside the checkout.
    found = pathlib.Path(session.cache_dir, f"clients-{session.name}").resolve()
    found.mkdir(parents=True, exist_ok=True)
    for version in VENDOR_CLIENTS:
        session.run(
            "python", "-m", "pip", "install", "-q", "--no-deps", "--target",
            os.fspath(found / version), f"quasardb=={version}",
            success_codes=[0, 1],  # not every version is there for every Python
        )  # fmt: skip
    session.run(
        *("python", "-m", "pytest", *PARALLEL, *arguments),
        env={"STOREKIT_QDB_CLIENTS": os.fspath(found)},
    )


@nox.session
def quickstart(session: nox.Session) -> None:
    """Query a table on asyncio, on trio and in sync: in process, or `-- URL` on a server."""
    session.install("-c", LOCKED, ".[trio,lz4,node]")
    session.run("python", "-m", "examples.quickstart", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, with real servers where a Python 2.7 can be found: about ten minutes."""
    _install(session, "test", ".[all]")
    session.log("all tests: about ten minutes on two cores; `nox -s quick` takes one")
    _test_all(session, *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """Run what is not slow, on asyncio alone: about a minute, for the inner loop."""
    _install(session, "test", ".[all]")
    _test(session, *QUICK)


@nox.session
def soak(session: nox.Session) -> None:
    """Repeat by the thousand what shorter tests show: kills, cancellations, interrupts. An hour."""
    _install(session, "test", ".[all]")
    _test(session, "-m", "soak")


@nox.session(python=PYTHONS)
def pythons(session: nox.Session) -> None:
    """Run the quick tests on each Python that is supported, or `-- all` of the tests."""
    _install(session, "test", ".[all]")
    if session.posargs == ["all"]:
        _test_all(session)
    else:
        _test(session, *QUICK)


@nox.session
def newest(session: nox.Session) -> None:
    """Run the quick tests with today's newest versions of all dependencies."""
    _install(session, "test", ".[all]", constraints=None)
    _test(session, *QUICK)


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """Run the quick tests with the lowest versions that `pyproject.toml` allows."""
    _install(session, "test", ".[all]", constraints=LOWEST)
    _test(session, *QUICK)


@nox.session
def again(session: nox.Session) -> None:
    """Run all tests N times (`-- N`, 10 by default) in random order, half on busy cores."""
    _install(session, "test", ".[all]")
    count = int(session.posargs[0]) if session.posargs else 10
    for number in range(count):
        seed = int(time.time()) + number
        session.log(f"run {number + 1} of {count}, order {seed}")
        with _busy() if number % 2 else contextlib.nullcontext():
            _test_all(session, "-q", "-p", "randomly", f"--randomly-seed={seed}")


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """Keep every core busy with something else."""
    spin = "import os\nwhile os.getppid() != 1: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@nox.session
def faults(session: nox.Session) -> None:
    """Run programs that each show one fault (`-- DIRECTORY`); each must find it mended."""
    _install(session, "test", ".[all]")
    session.run("python", "tools/run_faults.py", *session.posargs)


@nox.session
def served(session: nox.Session) -> None:
    """Test a served node that has what its extra installs, and nothing that tests bring along."""
    _install(session, "test", ".[all]")
    alone = pathlib.Path(session.create_tmp(), "alone").resolve()
    python = alone / ("Scripts" if os.name == "nt" else "bin") / "python"
    session.run("python", "-m", "venv", "--clear", os.fspath(alone))
    install = (os.fspath(python), "-m", "pip", "install", "-q", "-c", LOCKED, ".[serve]")
    session.run(*install, external=True)
    node = "tests/node/test_serve.py"
    session.run("python", "-m", "pytest", node, env={"STOREKIT_PYTHON_OF_NODE": os.fspath(python)})


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
    session.run("python", "-m", "tools.pages")  # what pages show that run as a whole
    session.run("python", "-m", "tools.snippets")  # and snippets that run by themselves
    session.run("pyright", "--verifytypes", "storekit", "--ignoreexternal")
    session.run("pyright", "tests/typing")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site of this version, strictly; `-- serve` it, or put it `-- into DIR`."""
    _install(session, "docs", ".[all]")
    what, *where = session.posargs or ["build"]
    site = pathlib.Path(*where) if what == "into" else pathlib.Path("build", "site")
    out = site / PROJECT["project"]["version"]
    session.run(
        *("python", "-m", "sphinx", "-b", "html", "-W", "--keep-going"),
        *("-d", session.create_tmp(), "docs", os.fspath(out)),
    )
    session.run("python", "tools/site_versions.py", os.fspath(site))
    if what == "serve":
        session.log("serving on http://127.0.0.1:8000/ until you interrupt it")
        session.run("python", "-m", "http.server", "-b", "127.0.0.1", "-d", os.fspath(site), "8000")


@nox.session
def generate(session: nox.Session) -> None:
    """Write the sync trees anew."""
    _install(session, "lint")
    session.run("python", "tools/generate_sync.py", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Write the locked and the lowest versions of all dependencies anew."""
    session.install("uv")
    compile_ = ("uv", "pip", "compile", "--quiet", "--no-header", "--universal", "--all-extras")
    groups = [part for group in ("dev", "bench", "docs") for part in ("--group", group)]
    common = (*compile_, "--python-version", OLDEST, "pyproject.toml")
    session.run(*common, *groups, "--upgrade", "--output-file", LOCKED)
    lowest = ("--group", "test", "--resolution", "lowest-direct", "--upgrade")
    session.run(*common, *lowest, "--output-file", LOWEST)


@nox.session
def features(session: nox.Session) -> None:
    """Write the table of what works where into docs/features.md, from what the tests call."""
    _install(session, "test", ".[all]")
    session.run("python", "-m", "tools.feature_table", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure clients and node against others, side by side; `-- --readme` updates the docs."""
    _install(session, "bench", ".[trio,quasardb,serve,sql,arrow]")
    session.run("python", "-m", "benchmarks.qcache", *session.posargs)
    session.run("python", "-m", "benchmarks.qdb", *session.posargs)
    session.run("python", "-m", "benchmarks.codecs", *session.posargs)
    session.run("python", "-m", "benchmarks.documents", *session.posargs)
    session.run("python", "-m", "benchmarks.everyday", *session.posargs)
    session.run("python", "-m", "benchmarks.node", *session.posargs)
    if "--readme" in session.posargs:
        session.run("python", "-m", "benchmarks.plots")


@nox.session
def build(session: nox.Session) -> None:
    """Build the distribution, and run the quick tests on the wheel, without `src`."""
    session.install("-c", LOCKED, "build")
    out = pathlib.Path(session.create_tmp())
    session.run("python", "-m", "build", "--outdir", os.fspath(out))
    wheel = max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    _install(session, "test", f"storekit[all] @ {wheel.resolve().as_uri()}")
    where = "import storekit; assert 'site-packages' in storekit.__file__, storekit.__file__"
    session.run("python", "-c", where)
    _test(session, *QUICK)
