"""List the versions of the site that stand beside each other in one folder.

    python tools/site_versions.py SITE

Each version is a folder of its own that `nox -s docs` has built. This writes what belongs to all of
them: `versions.json`, which the pages make their choice of versions from, and `index.html`, which
leads to the newest release.
"""

import argparse
import json
import re
import sys
from pathlib import Path

__all__ = ["newest_first", "write"]

_PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<title>storekit</title>
<meta http-equiv="refresh" content="0; url={version}/">
<link rel="canonical" href="{version}/">
<p><a href="{version}/">storekit {version}</a></p>
"""


def newest_first(versions: list[str]) -> list[str]:
    """Sort versions, releases before what is not released (`0.2.dev1`, `0.2rc1`)."""

    def place(version: str) -> tuple[bool, list[int]]:
        return re.fullmatch(r"[\d.]+", version) is not None, [
            *map(int, re.findall(r"\d+", version))
        ]

    return sorted(versions, key=place, reverse=True)


def write(site: Path) -> list[str]:
    """Write the files that belong to all versions in `site`, and return these, newest first."""
    versions = newest_first([page.parents[0].name for page in site.glob("*/objects.inv")])
    if not versions:
        raise FileNotFoundError(f"no version of the site is in {site}: build one by `nox -s docs`")
    (site / "versions.json").write_text(json.dumps(versions) + "\n")
    (site / "index.html").write_text(_PAGE.format(version=versions[0]))
    return versions


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("site", type=Path, help="the folder with a folder of each version")
    try:
        print(*write(parser.parse_args().site))
    except FileNotFoundError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
