"""Python: the unchanged text, with a section for each class, function and method by Python's own parser."""

import ast
import warnings

from semsearch.sources.document import Document, Section
from semsearch.sources.lines import LineStarts, line_starts_of
from semsearch.sources.readers import code
from semsearch.sources.readers.text import decode

_Symbol = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def read(data: bytes, type_name: str, grammar: bool = True) -> Document:
    """The text of `data`; read as other source code (`code`) where Python cannot parse it, and `grammar` as there."""
    text, metadata = decode(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about the code of the file
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code.read(data, type_name, grammar)  # the syntax of another version, or a draft
    docstring = ast.get_docstring(tree)
    title = docstring.split("\n", 1)[0][:120] if docstring else ""
    starts = line_starts_of(text)
    parsed = code.parse(text, type_name, grammar, lambda: _sections(tree, text, starts))
    metadata = {**metadata, **({"summary": title} if title else {}), **parsed.metadata}
    return Document(text, type_name, parsed.sections, starts, "", metadata, wholes=parsed.wholes)


def _sections(tree: ast.AST, text: str, starts: LineStarts) -> tuple[Section, ...]:
    # (line, heading path) from which on a heading path holds
    cuts: list[tuple[int, tuple[str, ...]]] = []
    _collect(tree, (), cuts)
    end = len(text)  # behind a last line without its end
    in_order = sorted(cuts, key=lambda cut: cut[0])
    return code.cut_at(text, [(starts[line - 1][0] if line <= len(starts) else end, name) for line, name in in_order])


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
