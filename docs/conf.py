"""How the site is made of these pages: `nox -s docs`.

The pages are Markdown that GitHub shows as well. Sphinx has been chosen for what it checks (each
reference, each anchor, each page without a place is a warning, and warnings are errors), for its
inventory, by which other projects link to ours, and because it, MyST and Furo are kept.
"""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for tools/site_reference.py
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

project = PROJECT["name"]
author = "The storekit maintainers"
copyright = author  # noqa: A001 - the name that Sphinx wants
release = version = PROJECT["version"]

extensions = ["myst_parser", "sphinx_copybutton", "tools.site_reference"]
exclude_patterns = ["_templates"]
nitpicky = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80

myst_heading_anchors = 4  # the anchors that GitHub makes, so that one link serves both
myst_enable_extensions = ["attrs_inline", "colon_fence", "fieldlist"]

html_theme = "furo"
html_title = f"storekit {release}"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_js_files = [("versions.js", {"defer": "defer"})]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/versions.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_show_sphinx = False
pygments_style = "default"
pygments_dark_style = "monokai"
copybutton_exclude = ".linenos, .gp, .go"
