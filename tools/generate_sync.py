"""Write the generated ``_sync`` trees from the hand-written ``_async`` ones.

    python tools/generate_sync.py            write what changed
    python tools/generate_sync.py --check    write nothing; exit 1 if anything would change

The work is done on tokens, so layout and comments survive: ``async`` and ``await`` go,
names are mapped by one table and one rule, and ``Awaitable[X]`` becomes ``X``. In prose, which
is comments and strings of more than one word, words are translated as well: ``async`` becomes
``sync``. The code that comes out is searched for anything asynchronous that is left. A
finding is an error, and nothing is written then: the author renames. Prose is never refused.
"""

import argparse
import ast
import io
import itertools
import json
import re
import subprocess
import sys
import tempfile
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOTS = ("src", "tests")
"""Where trees are looked for: each directory `_async` below has a `_sync` beside it."""

TREE_NAMES = frozenset({"_async", "_sync"})
HEADER = "# Generated from {} by tools/generate_sync.py; do not edit."
GENERATED = re.compile(re.escape(HEADER).replace(r"\{\}", "[^\n]+").encode() + rb"(?:\n|$)")
RUFF = (sys.executable, "-m", "ruff")
# New names change the order of imports and `__all__`; `X | Awaitable[X]` becomes `X | X`.
SETTLE = ["check", "--fix", "--select", "I,RUF022,PYI016", "--output-format", "concise"]
FORMAT = ["format"]

# What the rule for the prefix "Async" (see translate_word) does not cover.
RENAMES = {
    "_async": "_sync",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "AbstractAsyncContextManager": "AbstractContextManager",
    "AsyncByteStream": "SyncByteStream",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
    "aclosing": "closing",
    "aiter": "iter",
    "aiter_bytes": "iter_bytes",
    "aiter_lines": "iter_lines",
    "aiter_raw": "iter_raw",
    "aiter_text": "iter_text",
    "anext": "next",
    "aread": "read",
    "asend": "send",
    "asynccontextmanager": "contextmanager",
    "athrow": "throw",
    "enter_async_context": "enter_context",
    "handle_async_request": "handle_request",
    "push_async_callback": "callback",
    "push_async_exit": "push",
}
ASYNC_PREFIX = re.compile(r"^(_?)Async(?=[A-Z])")

# Names that are never renamed, and what their author should do instead.
REFUSED = {
    "AsyncGenerator": "only ever write AsyncGenerator[X, None], which becomes Generator",
    "Awaitable": "import it by name from collections.abc, and only ever write Awaitable[X]",
    "Coroutine": "annotate with Awaitable[X], which becomes X",
}
LEFTOVER = re.compile(
    r"\w*(?:async|await|coroutine)\w*"
    r"|__a(?:enter|exit|iter|next)__|(?<![a-z])(?:anyio|trio|uvloop)(?![a-z])"
    rf"|(?<![a-z0-9])(?:{'|'.join(RENAMES)})(?![a-z0-9])",
    re.IGNORECASE,
)
# Words of prose. Where async and sync are named side by side, both names stay.
PROSE = {
    "async": "sync",
    "asynchronous": "synchronous",
    "asynchronously": "synchronously",
    "await": "wait for",
    "awaited": "waited for",
    "awaiting": "waiting for",
    "awaits": "waits for",
    "coroutine": "call",
    "coroutine function": "function",
    "coroutine functions": "functions",
    "coroutines": "calls",
}
PROSE_WORD = re.compile(
    r"(?<![\w`./-])(?:"
    r"(?P<both>(?:async|sync)(?:,? (?:and|or|nor) |/)(?:async|sync))"
    rf"|(?P<word>{'|'.join(sorted(PROSE, key=len, reverse=True))}))(?![\w`[(]|\.\w)",
    re.IGNORECASE,
)
ASYNC_NODES = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)

WORD = re.compile(r"[^\W\d]\w*")
TEXT_ASYNC = re.compile(r"\basync[ \t]+(?=(?:def|for|with)\b)")
# Prose must not lose a word, so `await` goes only where it is code: at a prompt, after an
# opening backtick or brace, after `=` or `return`, or before a call, subscript or attribute.
TEXT_AWAIT = re.compile(
    r"(^[ \t]*(?:>>>|\.\.\.) |[`{]|= |\breturn )?\bawait[ \t]+"
    r"(?(1)|(?=[^\W\d][\w.]*(?:[(\[]|\.\w)))",
    re.MULTILINE,
)
# The group in `(await x.y(z)).attribute` has no use any more, and no formatter removes it.
AWAIT_GROUP = re.compile(
    r"(?<![\w)\]}'\"])"
    r"\(await (?P<inner>[\w.]+(?:\((?:[^()]|\([^()]*\))*\)|\[[^][]*\])?)\)"
    r"(?=[.\[(])"
)
AWAITABLE = re.compile(r"(?<![\w.])Awaitable\[")
# A generator has a third parameter in its sync form, the type of what it returns.
GENERATOR = re.compile(r"(?<![\w.])AsyncGenerator\[((?:[^][]|\[[^][]*\])+),\s*None\]")
TYPES_IMPORT = re.compile(r"\bfrom (?:collections\.abc|typing) import (?:\([^)]*\)|[\w, \t]+)")
AWAITABLE_IMPORTED = re.compile(r"(?:,\s*Awaitable\b|\bAwaitable\b,?)(?!\s+as\b)")
TEXT_ARTICLE = re.compile(r"\b([Aa])n(\s+[`*\"']*)(async[ \t]+(?:def|for|with)|\w+)\b")
SOUNDS_LIKE_VOWEL = re.compile(r"[AEIOUaeiou]|[FHLMNRSX](?=[A-Z])")
ASYNC_LINT_CODES = re.compile(r"#\s*noqa:\s*([A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*)")


class Token(NamedTuple):
    """A name, operator, number, comment or whole string, by its place in the source."""

    kind: int
    start: int
    end: int
    text: str


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Generate the _sync trees from the _async ones.")
    parser.add_argument("--check", action="store_true", help="compare only, exit 1 on differences")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(__file__).resolve().parent.parent,
        help="the repository to work on",
    )
    options = parser.parse_args(arguments)
    root = options.root.resolve()

    problems: list[str] = []
    trees = find_trees(root)
    sources = find_sources(root, trees, problems)
    outputs = generate(root, sources, problems)
    existing = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for _, output_tree in trees
        for path in files_below(root / output_tree)
    }
    orphans = sorted(existing.keys() - sources.keys())
    if options.check:
        problems += find_differences(sources, outputs, existing)
    else:
        foreign = [name for name in orphans if not GENERATED.match(existing[name])]
        problems += [f"{name}: has no source and was not generated; move it" for name in foreign]
    if problems:
        print(*problems, sep="\n", file=sys.stderr)
        return 1
    if not options.check:
        for name in outputs:
            if existing.get(name) != outputs[name]:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(outputs[name])
                print(f"wrote {name}")
        for name in orphans:
            (root / name).unlink()
            print(f"removed {name}")
    print(f"{len(outputs)} generated files are up to date")
    return 0


def find_differences(
    sources: dict[str, str], outputs: dict[str, bytes], existing: dict[str, bytes]
) -> list[str]:
    """List what is missing, orphaned or different in any byte, and the command to run."""
    differences = [f"missing: {name}" for name in sorted(sources.keys() - existing.keys())]
    differences += [f"orphan: {name}" for name in sorted(existing.keys() - sources.keys())]
    for name in sorted(outputs.keys() & existing.keys()):
        if outputs[name] != existing[name]:
            lines = itertools.zip_longest(*(f[name].split(b"\n") for f in (outputs, existing)))
            number = next(n for n, (new, old) in enumerate(lines, 1) if new != old)
            differences.append(f"differs: {name}, from line {number}")
    return differences and [*differences, "To write them, run: python tools/generate_sync.py"]


def files_below(tree: Path) -> list[Path]:
    """List all files of a tree, of whatever type, but not the interpreter's caches."""
    return sorted(
        path
        for path in tree.rglob("*")
        if not path.is_dir() and "__pycache__" not in path.relative_to(tree).parts
    )


def find_trees(root: Path) -> list[tuple[str, str]]:
    """List all pairs of source and output tree, of which one may be missing."""
    rooms = set()
    for base in ROOTS:
        for tree in (root / base).rglob("_*sync"):
            room = tree.parent.relative_to(root)
            is_tree = tree.name in TREE_NAMES and TREE_NAMES.isdisjoint(room.parts)
            if is_tree and tree.is_dir() and files_below(tree):
                rooms.add(room.as_posix())
    return [(f"{room}/_async", f"{room}/_sync") for room in sorted(rooms)]


def find_sources(root: Path, trees: list[tuple[str, str]], problems: list[str]) -> dict[str, str]:
    """Map each output path to the path of its source."""
    sources: dict[str, str] = {}
    if not trees:
        problems.append(f"there are no source trees below {root}")
    for source_tree, output_tree in trees:
        paths = files_below(root / source_tree)
        if not any(path.suffix == ".py" for path in paths):
            # An empty tree is as suspect as none: going on would remove all its outputs.
            problems.append(f"{source_tree}: this source tree is missing or has no Python files")
        for path in paths:
            source = path.relative_to(root).as_posix()
            if path.suffix != ".py":
                problems.append(f"{source}: only Python files belong in a source tree")
                continue
            parts = path.relative_to(root / source_tree).with_suffix("").parts
            output = f"{PurePosixPath(output_tree, *map(translate_word, parts))}.py"
            if leftover := LEFTOVER.search(output):
                problems.append(f"{source}: rename the file, {leftover[0]!r} is left over in it")
            if output in sources:
                problems.append(f"{source}: makes the same file as {sources[output]}: {output}")
            sources[output] = source
    return sources


def generate(root: Path, sources: dict[str, str], problems: list[str]) -> dict[str, bytes]:
    """Return the contents of all outputs, without those that have problems."""
    drafts: dict[str, str] = {}
    for output, source in sorted(sources.items()):
        draft, found = translate_file(root / source, source)
        problems += found
        if not found:
            drafts[output] = f"{HEADER.format(source)}\n\n" + draft.lstrip("\n")
    outputs: dict[str, bytes] = {}
    for output, text in settle_layout(root, drafts, problems).items():
        header, _, body = text.partition("\n")
        # Everything was looked at in the draft, where line numbers are those of the source.
        # Here it is looked at once more, since this is what people get.
        found = find_remains(f"\n{body}", output)
        if header != HEADER.format(sources[output]):
            found.append(f"{output}:1: the header is not the first line")
        problems += found
        if not found:
            outputs[output] = text.encode()
    return outputs


def settle_layout(root: Path, drafts: dict[str, str], problems: list[str]) -> dict[str, str]:
    """Let ruff sort, merge and format what translation left in disorder."""
    outputs: dict[str, str] = {}
    if not drafts:
        return outputs  # without file names, ruff would take the whole repository
    with tempfile.TemporaryDirectory() as directory:
        copies = {name: Path(directory, name) for name in drafts}
        for name, copy in copies.items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(drafts[name].encode())
        try:
            # To tell our modules from foreign ones, ruff looks for their files. It finds the
            # generated ones here, whether the repository has them already or not.
            settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
            folders = settings.get("tool", {}).get("ruff", {}).get("src", [".", "src"])
            places = [str(Path(base, folder)) for base in (root, directory) for folder in folders]
            options = ["--config", "pyproject.toml", "--config", f"src = {json.dumps(places)}"]
            options += ["--no-cache", "--no-force-exclude", "--quiet", "--"]
            for step in SETTLE, FORMAT:
                command = [*RUFF, *step, *options, *map(str, copies.values())]
                subprocess.run(command, cwd=root, check=True, capture_output=True, encoding="utf-8")
            outputs = {name: copy.read_bytes().decode() for name, copy in copies.items()}
        except subprocess.CalledProcessError as error:
            report = f"{error.stdout}{error.stderr}".strip().replace(f"{directory}/", "")
            problems.append(f"ruff {error.cmd[len(RUFF)]} exited with {error.returncode}: {report}")
        except (OSError, ValueError) as error:
            problems.append(f"ruff could not be run: {error}")
    return outputs


def translate_file(path: Path, name: str) -> tuple[str, list[str]]:
    """Return the translation of one source, line for line, and what is wrong with it."""
    try:
        source = io.TextIOWrapper(io.BytesIO(path.read_bytes()), encoding="utf-8").read()
        tree = ast.parse(source)
        draft = translate_source(source)
    except (SyntaxError, ValueError) as error:
        return "", [f"{name}:{getattr(error, 'lineno', None) or 1}: cannot be parsed: {error}"]
    return draft, find_collisions(tree, name) + find_remains(draft, name)


def find_remains(text: str, name: str) -> list[str]:
    """List what is asynchronous in the code of an output, or keeps it from compiling."""
    try:
        tree = ast.parse(text)
        compile(text, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        return [f"{name}:{line}: the output does not compile: {error}"]
    problems = [
        f"{name}:{line}: {match[0]!r} is left over; " + REFUSED.get(match[0], "rename it")
        for line, word in sorted(words_of_code(tree))
        for match in LEFTOVER.finditer(word)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ASYNC_NODES):
            problems.append(f"{name}:{node.lineno}: {type(node).__name__} is left over")
        elif isinstance(node, ast.comprehension) and node.is_async:
            problems.append(f"{name}:{node.target.lineno}: an async comprehension is left over")
    return problems


def words_of_code(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of all names, and of the strings that are no prose."""
    prose = {id(node) for node in ast.walk(tree) if is_prose(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and any(map(is_prose, node.values)):
            prose |= set(map(id, node.values))
        annotation = getattr(node, "returns", None) or getattr(node, "annotation", None)
        if annotation is not None:
            prose -= set(map(id, ast.walk(annotation)))
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str | bytes) and id(node) not in prose:
                text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
                yield line, text
            continue
        for _, value in ast.iter_fields(node):
            for word in value if isinstance(value, list) else [value]:
                if isinstance(word, str):
                    yield line, word


def is_prose(node: ast.AST) -> bool:
    """Whether this is text of more than one word."""
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and len(text.split()) > 1


def find_collisions(tree: ast.Module, name: str) -> list[str]:
    """List names of one scope that differ in the source and become the same in the output.

    The later would silently replace the earlier, as with ``aclose`` beside ``close``. Two
    imports of what becomes the same object, such as Iterator and AsyncIterator, are fine.
    """
    problems = []
    for scope in ast.walk(tree):
        if not isinstance(
            scope, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            continue
        seen: dict[str, tuple[str, str]] = {}
        for line, bound, origin in sorted(bindings(scope)):
            first, first_origin = seen.setdefault(translate_word(bound), (bound, origin))
            if first != bound and first_origin != origin:
                problems.append(f"{name}:{line}: {bound!r} and {first!r} become the same name")
    return problems


def bindings(scope: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and translated origin of what a scope binds, not its inner scopes."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id, node.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                origin = WORD.sub(lambda word: translate_word(word[0]), module + alias.name)
                yield node.lineno, alias.asname or alias.name, f"import {origin}"
        elif not isinstance(node, ast.Lambda):
            yield from bindings(node)


def translate_word(word: str) -> str:
    """Return the synchronous name for a name."""
    if word in REFUSED:
        return word
    return RENAMES.get(word) or ASYNC_PREFIX.sub(r"\1", word)


def translate_text(text: str) -> str:
    """Translate the text of a string or comment: prose, examples and annotations."""
    prose = len(text.split()) > 1
    text = TEXT_ARTICLE.sub(translate_article, text)
    text = TYPES_IMPORT.sub(drop_awaitable, text)
    text = TYPES_IMPORT.sub(lambda match: match[0].replace("AsyncGenerator", "Generator"), text)
    text = GENERATOR.sub(r"Generator[\1, None, None]", text)
    text = AWAIT_GROUP.sub(r"\g<inner>", text)
    text = TEXT_AWAIT.sub(r"\1", text)
    text = TEXT_ASYNC.sub("", text)
    text = unwrap_awaitables(text)
    if prose:
        text = PROSE_WORD.sub(translate_prose, text)
    return WORD.sub(lambda match: translate_word(match[0]), text)


def translate_prose(match: re.Match[str]) -> str:
    """Translate a word of prose, with its capital letter if it has one."""
    if match["both"]:
        return match[0]
    word = PROSE[match["word"].lower()]
    return word[0].upper() + word[1:] if match["word"][0].isupper() else word


def translate_article(match: re.Match[str]) -> str:
    """Keep "an AsyncPool" from becoming "an Pool"."""
    word = TEXT_ASYNC.sub("", match[3] + " ").rstrip()
    word = PROSE.get(word) or translate_word(word)
    if word == match[3] or SOUNDS_LIKE_VOWEL.match(word):
        return match[0]
    return f"{match[1]}{match[2]}{match[3]}"


def unwrap_awaitables(text: str) -> str:
    """Replace Awaitable[X] with X in an annotation that is written as a string."""
    for match in reversed(list(AWAITABLE.finditer(text))):
        depth = 1
        for place in range(match.end(), len(text)):
            depth += {"[": 1, "]": -1}.get(text[place], 0)
            if depth == 0:
                text = text[: match.start()] + text[match.end() : place] + text[place + 1 :]
                break
    return text


def drop_awaitable(match: re.Match[str]) -> str:
    """Import Awaitable no more, now that it is unused, and nothing if that was all."""

    def line_breaks(removed: re.Match[str]) -> str:
        return "\n" * removed[0].count("\n")

    statement = AWAITABLE_IMPORTED.sub(line_breaks, match[0])
    return statement if re.search(r" import\W+\w", statement) else line_breaks(match)


def translate_comment(text: str) -> str:
    """Translate a comment, without the codes of lint rules that only look at async code."""

    def other_codes(match: re.Match[str]) -> str:
        codes = [code for code in re.split(r"[\s,]+", match[1]) if not code.startswith("ASYNC")]
        return f"# noqa: {', '.join(codes)}" if codes else "#"

    stripped = ASYNC_LINT_CODES.sub(other_codes, text)
    return translate_text(text if stripped == text else stripped.rstrip(" #"))


def scan(source: str) -> list[Token]:
    """Tokenise, leaving out layout and making each f-string one token on every Python."""
    line_starts = [0, *itertools.accumulate(len(line) + 1 for line in source.split("\n"))]
    tokens: list[Token] = []
    depth = f_string_start = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind, kind_name = token.type, tokenize.tok_name[token.type]
        if kind_name in {"NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER", "FSTRING_MIDDLE"}:
            continue
        start = line_starts[token.start[0] - 1] + token.start[1]
        end = line_starts[token.end[0] - 1] + token.end[1]
        if source[start:end] != token.string:  # seen with Python 3.12.1, after long strings
            raise SyntaxError(f"{token.string!r} is misplaced by this Python's tokenize module")
        if kind_name == "FSTRING_START":
            depth += 1
            f_string_start = start if depth == 1 else f_string_start
        elif kind_name == "FSTRING_END":
            depth -= 1
            kind, start = tokenize.STRING, f_string_start
        if depth == 0:
            tokens.append(Token(kind, start, end, source[start:end]))
    return tokens


def match_brackets(tokens: list[Token]) -> dict[int, int]:
    """Map the index of each opening bracket to that of its closing one."""
    pairs: dict[int, int] = {}
    open_ones: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind == tokenize.OP and token.text in "([{":
            open_ones.append(index)
        elif token.kind == tokenize.OP and token.text in ")]}":
            pairs[open_ones.pop()] = index
    return pairs


def ends_with_none(tokens: list[Token], pairs: dict[int, int], index: int) -> bool:
    """Whether the name at `index` has parameters, of which the last is None."""
    closing = pairs.get(index + 1, 0)
    return [token.text for token in tokens[max(0, closing - 2) : closing]] == [",", "None"]


def end_of_blanks(source: str, start: int) -> int:
    """Return where the blanks end, if there are any, on this line."""
    while source.startswith((" ", "\t"), start):
        start += 1
    return start


def translate_source(source: str) -> str:
    """Translate a module. No line is added, dropped or joined."""
    tokens = scan(source)
    pairs = match_brackets(tokens)
    edits: dict[int, tuple[int, str]] = {}
    done = 0
    for index, token in enumerate(tokens):
        if token.start < done:
            continue
        if token.kind == tokenize.COMMENT:
            edits[token.start] = token.end, translate_comment(token.text)
        elif token.kind == tokenize.STRING:
            if "b" not in re.split("['\"]", token.text)[0].lower():
                edits[token.start] = token.end, translate_text(token.text)
        elif token.text == "(":
            group = AWAIT_GROUP.match(source, token.start)
            if group and group.end() == tokens[pairs[index]].end:
                edits[token.start] = token.end, ""
                edits[group.end() - 1] = group.end(), ""
        elif token.text in {"async", "await"}:
            edits[token.start] = end_of_blanks(source, token.end), ""
        elif token.text == "from" and (statement := TYPES_IMPORT.match(source, token.start)):
            done = statement.end()
            edits[token.start] = done, translate_text(statement[0])
        elif token.text == "AsyncGenerator" and ends_with_none(tokens, pairs, index):
            closing = tokens[pairs[index + 1]]
            edits[token.start] = token.end, "Generator"
            edits[closing.start] = closing.end, ", None]"
        elif AWAITABLE.match(source, token.start) and tokens[pairs[index + 1] - 1].text != ",":
            opening, closing = tokens[index + 1], tokens[pairs[index + 1]]
            # What spans lines stays in brackets, or it would no longer be one expression.
            spans_lines = "\n" in source[opening.end : closing.start]
            edits[token.start] = opening.end, "(" if spans_lines else ""
            edits[closing.start] = closing.end, ")" if spans_lines else ""
        elif token.kind == tokenize.NAME:
            edits[token.start] = token.end, translate_word(token.text)

    pieces: list[str] = []
    done = 0
    for start, (end, replacement) in sorted(edits.items()):
        pieces += source[done:start], replacement
        done = end
    return "".join(pieces) + source[done:]


if __name__ == "__main__":
    sys.exit(main())
