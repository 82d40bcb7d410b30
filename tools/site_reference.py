"""The reference of the site: a directive `api`, and links to what it describes.

    ```{api} storekit.recipes
    lock
    AsyncCounter = Counter
    ```

Each line is a public name of the module, or, where the argument is a class, of the class. What
comes twice is described once, with two signatures: `ASYNC = SYNC`, and the methods of such a pair
likewise. A class brings all its public methods, unless the option `:without-methods:` says that
other blocks have them. Docstrings are Markdown, as the pages are; a name in backticks that is
described anywhere becomes a link to that, here and on all other pages.
"""

import re
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.directives import ObjectDescription
from sphinx.domains import python as domain
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from tools.site_source import (
    fields_of,
    find,
    is_async,
    kind_of,
    member,
    members_of,
    module_of,
    result_of,
    signature_of,
    text_of,
)

__all__ = ["setup"]


class Api(SphinxDirective):
    """Describe public names of a module or of a class, one a line."""

    required_arguments = 1
    optional_arguments = 2  # `= SYNC`
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"without-methods": directives.flag}

    def run(self) -> list[nodes.Node]:
        owner, *twin = (each for each in self.arguments if each != "=")
        described: list[nodes.Node] = []
        for line in self.content:
            name, *other = (each.strip() for each in line.split("="))
            if not name:
                continue
            if isinstance(find(owner), type):
                names = [member(each, name) for each in (owner, *twin)]
            else:
                names = [f"{owner}.{each}" for each in (name, *other)]
            described += self._describe(names)
        return described

    def _describe(self, names: list[str]) -> list[nodes.Node]:
        """Describe what has these names: one, or the async and the sync one."""
        kind = kind_of(names[0])
        content = StringList()
        for part in text_of(names[0]):
            for line in [*fields_of(part).splitlines(), ""]:
                content.append(line, names[0])
        module = module_of(names[0])
        options: dict[str, Any] = {"module": module}
        if kind == "property":
            options["type"] = result_of(names[0])
        arguments = [signature_of(name) for name in names]
        if len({each.replace("Async", "") for each in arguments}) == 1 and len(arguments[0]) > 2:
            arguments[1:] = ["(...)" for _ in arguments[1:]]
        signatures = [
            name.removeprefix(f"{module}.") + each
            for name, each in zip(names, arguments, strict=True)
        ]
        directive: ObjectDescription[tuple[str, str]] = _DIRECTIVES[kind](
            name=f"py:{kind}",
            arguments=["\n".join(signatures)],
            options=options,
            content=content,
            lineno=self.lineno,
            content_offset=self.content_offset,
            block_text=self.block_text,
            state=self.state,
            state_machine=self.state_machine,
        )
        around = self.env.ref_context.get("py:module")
        # Where the names in signatures come from: the store, whatever room of it this is.
        self.env.ref_context["py:module"] = ".".join(module.split(".")[:2])
        try:
            made: list[nodes.Node] = directive.run()
        finally:
            self.env.ref_context["py:module"] = around
        if kind in ("class", "exception") and "without-methods" not in self.options:
            body = next(iter(made[-1].findall(addnodes.desc_content)))
            for name in members_of(find(names[0])):
                body += self._describe([member(each, name) for each in names])
        return made


class _Signatures:
    """Which of the signatures of a description is async, its own name says."""

    options: dict[str, Any]

    def get_signature_prefix(self, sig: str) -> list[nodes.Node]:
        name = f"{self.options['module']}.{sig.partition('(')[0]}"
        kind = kind_of(name)
        word = kind if kind in ("class", "exception") else "async" if is_async(name) else ""
        if not word:
            return []
        space: nodes.Node = addnodes.desc_sig_space()
        return [addnodes.desc_sig_keyword("", word), space]


class _Class(_Signatures, domain.PyClasslike):
    pass


class _Method(_Signatures, domain.PyMethod):
    pass


class _Function(_Signatures, domain.PyFunction):
    pass


_DIRECTIVES: dict[str, type[ObjectDescription[tuple[str, str]]]] = {
    "class": _Class,
    "exception": _Class,
    "method": _Method,
    "function": _Function,
    "property": domain.PyProperty,
    "data": domain.PyVariable,
}


# Links


def _known(env: BuildEnvironment) -> dict[str, str]:
    """Return the names by which what is described may be called, each with its full name."""
    full = env.domains.python_domain.objects
    known: dict[str, set[str]] = {}
    for name, entry in full.items():
        parts = name.split(".")
        start = 1 if entry.objtype in ("method", "property") else 0
        for length in range(1 + start, len(parts) + 1):
            known.setdefault(".".join(parts[-length:]), set()).add(name)
    return {short: names.pop() for short, names in known.items() if len(names) == 1}


def _link_names(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make links of what stands in backticks and is described in the reference."""
    known = _known(app.env)
    objects = app.env.domains.python_domain.objects
    for literal in [*doctree.findall(nodes.literal)]:
        if isinstance(literal.parent, nodes.reference) or literal.get("classes"):
            continue
        short = literal.astext().removesuffix("()").removeprefix("await ")
        name = known.get(short) or known.get(_sibling(literal, short))
        if name is None or _is_inside(literal, name):
            continue
        entry = objects[name]
        reference = nodes.reference(
            "",
            "",
            internal=True,
            refuri=app.builder.get_relative_uri(docname, entry.docname) + f"#{entry.node_id}",
            reftitle=name,
        )
        literal.replace_self(reference)
        reference += literal


def _sibling(literal: nodes.literal, short: str) -> str:
    """Return the name of a method that a docstring of the same class speaks of."""
    place: nodes.Node | None = literal
    while place is not None:
        if isinstance(place, addnodes.desc):
            signature = next(iter(place.findall(addnodes.desc_signature)))
            owner = signature.get("class") or signature["fullname"]
            return f"{owner}.{short}"
        place = place.parent
    return ""


def _is_inside(literal: nodes.literal, name: str) -> bool:
    place: nodes.Node | None = literal
    while place is not None:
        if isinstance(place, addnodes.desc_signature):
            return True
        if isinstance(place, addnodes.desc):
            return name in next(iter(place.findall(addnodes.desc_signature)))["ids"]
        place = place.parent
    return False


def _not_described(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, contnode: nodes.Element
) -> nodes.Node | None:
    """Take a type in a signature for a word where it is none of ours."""
    if node.get("refdomain") != "py" or node.get("reftype") not in ("class", "exc", "obj"):
        return None
    name = _known(env).get(node["reftarget"])
    if name is None:
        return None if node["reftarget"].startswith("storekit.") else contnode
    entry = env.domains.python_domain.objects[name]
    target = app.builder.get_relative_uri(node["refdoc"], entry.docname) + f"#{entry.node_id}"
    reference = nodes.reference("", "", internal=True, refuri=target, reftitle=name)
    reference += contnode
    return reference


class Pictures(SphinxTransform):
    """Show the light or the dark one of a `<picture>`, as the reader has set the theme."""

    default_priority = 10  # before the files of images are collected

    def apply(self, **_: object) -> None:
        """Put two images in the place of the HTML, each of which the theme shows in one mode."""
        for raw in [*self.document.findall(nodes.raw)]:
            found = re.fullmatch(_PICTURE, raw.astext().strip(), re.DOTALL)
            if found:
                light, dark = (
                    nodes.image(uri=found[name], alt=found["alt"], classes=[f"only-{name}"])
                    for name in ("light", "dark")
                )
                raw.replace_self([light, dark])


_PICTURE = (
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\s*'
    r'<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)">\s*</picture>'
)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Tell Sphinx of the directive, the links and the pictures."""
    app.add_directive("api", Api)
    app.add_transform(Pictures)
    app.connect("doctree-resolved", _link_names)
    app.connect("missing-reference", _not_described)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
