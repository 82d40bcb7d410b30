"""What the source says of a public name: signatures, docstrings, members.

Signatures are taken as they are written: the name of a type says more than what it stands for.
"""

import ast
import dataclasses
import enum
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any, is_typeddict

from sphinx.pycode import ModuleAnalyzer

__all__ = [
    "fields_of",
    "find",
    "is_async",
    "kind_of",
    "member",
    "members_of",
    "module_of",
    "result_of",
    "signature_of",
    "text_of",
]

_SECTIONS = {
    "Args": "param",
    "Attributes": "ivar",
    "Raises": "raises",
    "Returns": "returns",
    "Yields": "yields",
}


@cache
def find(name: str) -> Any:  # noqa: ANN401 - whatever has the name
    """Return what has a full name: a module, or something in one."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        owner, _, last = name.rpartition(".")
        if not owner:
            raise
        return getattr(find(owner), last)


def kind_of(name: str) -> str:
    """Return what has a name: class, exception, method, property, function or data."""
    found, (owner, _, last) = find(name), name.rpartition(".")
    if isinstance(find(owner), type):
        static = inspect.getattr_static(find(owner), last)
        return "property" if isinstance(static, property) or not callable(found) else "method"
    if isinstance(found, type):
        return "exception" if issubclass(found, BaseException) else "class"
    return "function" if inspect.isfunction(found) else "data"


def is_async(name: str) -> bool:
    """Return whether what has a name is awaited when it is called."""
    return inspect.iscoroutinefunction(inspect.unwrap(find(name)))


def text_of(name: str) -> list[str]:
    """Return the parts of what is written about a name."""
    found, (owner, _, last) = find(name), name.rpartition(".")
    docs = inspect.getdoc(found) or ""
    match kind_of(name):
        case "class" | "exception":
            init = vars(found).get("__init__")
            parts = [*_bases_of(found), docs, _names_of_enum(found), inspect.getdoc(init) or ""]
            if init is None or not init.__doc__:
                parts.pop()
        case "data":
            parts = [_variable_docs(owner, last)]
        case "property":
            parts = [docs or _attribute_docs(find(owner)).get(last, "")]
        case _:
            parts = [docs]
    return [part for part in parts if part]


def member(cls: str, name: str) -> str:
    """Return the full name of a method, which in a sync class may have one of its own."""
    names = (name, name.removeprefix("a"), name.replace("_async", ""))
    return f"{cls}.{next(each for each in names if hasattr(find(cls), each))}"


def module_of(name: str) -> str:
    """Return the module in a full name."""
    module = name
    while not inspect.ismodule(find(module)):
        module = module.rpartition(".")[0]
    return module


def members_of(cls: type) -> list[str]:
    """Return the public methods and described attributes of a class, in the order of its source."""
    found: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] != "storekit":
            continue
        docs = _attribute_docs(base)
        for name, value in vars(base).items():
            is_method = inspect.isroutine(value) or isinstance(
                value, property | classmethod | staticmethod
            )
            if not name.startswith("_") and ((is_method and _has_doc(cls, name)) or name in docs):
                found[name] = None
    return [] if issubclass(cls, enum.Enum) else [*found]


def _has_doc(cls: type, name: str) -> bool:
    return bool(inspect.getdoc(getattr(cls, name)))


@cache
def _attribute_docs(owner: str | type) -> dict[str, str]:
    """Return what stands below the assignments in a module or a class, by name."""
    module = owner if isinstance(owner, str) else owner.__module__
    inside = "" if isinstance(owner, str) else owner.__qualname__
    docs = ModuleAnalyzer.for_module(module).find_attr_docs()
    return {
        name: "\n".join(lines).strip() for (place, name), lines in docs.items() if place == inside
    }


def _variable_docs(module: str, name: str) -> str:
    """Return what stands below a variable of a module, also where that has it from another one."""
    own = _attribute_docs(module).get(name, "")
    origin = _imports(module).get(name)
    return own or (_variable_docs(origin, name) if origin else "")


@cache
def _imports(module: str) -> dict[str, str]:
    """Return from which modules of ours a module takes names."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("storekit.")
        for alias in node.names
        if node.module is not None
    }


def _bases_of(cls: type) -> list[str]:
    """Return a line with the public bases of an exception, in a list, or an empty list."""
    named = [
        base.__name__
        for base in cls.__bases__
        if not base.__name__.startswith("_") and base not in (object, enum.Enum, enum.IntEnum)
    ]
    if not issubclass(cls, BaseException) or not named:
        return []
    return ["Bases: " + ", ".join(f"`{name}`" for name in named)]


def _names_of_enum(cls: type) -> str:
    """Return a line with the members of an enumeration; "" for other classes."""
    if not issubclass(cls, enum.Enum):
        return ""
    return "Members: " + ", ".join(f"`{name}`" for name in cls.__members__)


# Docstrings


def fields_of(docstring: str) -> str:
    """Turn the sections of a docstring (Args, Returns, Raises) into field lists of Markdown."""
    lines, made, section = docstring.splitlines(), [], ""
    for line in lines:
        heading = re.fullmatch(r"(Args|Attributes|Raises|Returns|Yields):", line)
        if heading:
            section = _SECTIONS[heading[1]]
        elif section and line and not line.startswith(" "):
            section = ""
            made += ["", line]
        elif not section:
            made.append(line)
        else:
            item = re.fullmatch(r" {4}(?! )([\w*, .]+?): (.*)", line)
            if section in ("returns", "yields") and re.match(r" {4}\S", line):
                made.append(f":{section}: {line.strip()}")
            elif item:
                made.append(f":{section} {item[1]}: {item[2]}")
            else:
                made.append(line[4:] if line.strip() else line)
    return "\n".join(made)


# Signatures, as they are written: names of types say more than what they stand for.


def signature_of(name: str) -> str:
    """Return the arguments and the result of a function or class as its source has them."""
    found = find(name)
    if kind_of(name) in ("data", "property"):
        return ""
    if not isinstance(found, type):
        return _signature(inspect.unwrap(found), drop_first=_is_bound(name))
    if issubclass(found, enum.Enum):
        return ""
    if is_typeddict(found):
        written = _written_annotations(found)
        return f"(*, {', '.join(f'{name}: {text}' for name, text in written.items())})"
    if dataclasses.is_dataclass(found):
        return f"({', '.join(_dataclass_arguments(found))})"
    init = inspect.unwrap(found.__init__)
    if not inspect.isfunction(init) or found.__module__.startswith("typing"):
        return ""
    if init.__module__.partition(".")[0] != "storekit":
        return ""
    return _signature(init, drop_first=True, is_class=True)


def _is_bound(name: str) -> bool:
    owner, _, last = name.rpartition(".")
    cls = find(owner)
    return isinstance(cls, type) and not isinstance(inspect.getattr_static(cls, last), staticmethod)


def _signature(found: Any, *, drop_first: bool, is_class: bool = False) -> str:  # noqa: ANN401
    if inspect.ismethod(found):
        found = found.__func__
    if not inspect.isfunction(found):
        return "()"
    node = _function_definition(found)
    arguments = node.args
    first = [*arguments.posonlyargs, *arguments.args][:1]
    for each in ast.walk(arguments):
        if isinstance(each, ast.arg):
            each.annotation = _readable(each.annotation)
    text = ast.unparse(arguments)
    if drop_first and first:
        text = re.sub(rf"^{first[0].arg}(: [^,]+)?(, /)?(, |$)", "", text)
    returns = None if is_class else _readable(_first_result(found) or node.returns)
    return f"({text})" + (f" -> {ast.unparse(returns)}" if returns else "")


def _first_result(found: Any) -> ast.expr | None:  # noqa: ANN401 - a function
    """Return what the first overload of a function gives; the implementation says less."""
    tree = _module_tree(found.__module__)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.Module):
            for each in node.body:
                if (
                    isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                    and each.name == found.__name__
                    and any(ast.unparse(mark) == "overload" for mark in each.decorator_list)
                ):
                    return each.returns
    return None


def result_of(name: str) -> str:
    """Return what type a property has, as its source says; "" for other attributes."""
    found = find(name)
    if not isinstance(found, property):
        return ""
    returns = _readable(_function_definition(found.fget).returns)
    return ast.unparse(returns) if returns else ""


def _function_definition(found: Any) -> ast.FunctionDef | ast.AsyncFunctionDef:  # noqa: ANN401
    node = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        raise TypeError(f"{found!r} is not written as a function")
    return node


@cache
def _module_tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(module)))


def _readable(annotation: ast.expr | None) -> ast.expr | None:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def _written_annotations(cls: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    return {
        each.target.id: ast.unparse(_readable(each.annotation) or each)
        for each in ast.walk(tree)
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }


def _dataclass_arguments(cls: type) -> Iterator[str]:
    written: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            written |= _written_annotations(base)
    star = False
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        if field.kw_only and not star:
            star = True
            yield "*"
        default = ""
        if field.default is not dataclasses.MISSING:
            default = f" = {field.default!r}"
        elif field.default_factory is not dataclasses.MISSING:
            default = f" = {getattr(field.default_factory, '__name__', '...')}()"
        yield f"{field.name}: {written[field.name]}{default}"
