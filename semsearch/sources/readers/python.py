"""Python: the unchanged text, with a section for each class, function and method by Python's own parser."""

import ast
import warnings

from semsearch.sources.document import Document, Section
from semsearch.sources.lines import line_starts_of
from semsearch.sources.readers import code
from semsearch.sources.readers.text import decode

_Symbol = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`; read as other source code (`code`) where Python cannot parse it."""
    text, metadata = decode(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about the code of the file
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code.read(data, type_name)  # the syntax of another version, or a draft
    starts = line_starts_of(text)
    # (line, heading path) from which on a heading path holds
    cuts: list[tuple[int, tuple[str, ...]]] = []
    _collect(tree, (), cuts)
    sections, begin, heading = [], 0, tuple[str, ...]()
    for line, name in sorted(cuts, key=lambda cut: cut[0]):
        start = starts[line - 1][0] if line <= len(starts) else len(text)  # behind a last line without its end
        if start > begin:
            sections.append(Section(begin, start, heading))
            begin = start
        heading = name
    sections.append(Section(begin, len(text), heading))
    docstring = ast.get_docstring(tree)
    title = docstring.split("\n", 1)[0][:120] if docstring else ""
    return Document(text, type_name, tuple(sections), starts, "", {**metadata, **({"summary": title} if title else {})})


def _collect(node: ast.AST, path: tuple[str, ...], cuts: list[tuple[int, tuple[str, ...]]]) -> None:
    """Adds to `cuts` where the definitions below `node` begin, and where after them `path` holds again."""
    for child in getattr(node, "body", ()):
        if isinstance(child, _Symbol):
            name = (*path, child.name)
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            cuts.append((first, name))
            if isinstance(child, ast.ClassDef):
                _collect(child, name, cuts)
            cuts.append(((child.end_lineno or child.lineno) + 1, path))
