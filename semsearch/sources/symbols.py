"""The functions, methods and classes of source code: where each begins and ends, and how it is called.

tree-sitter parses the code, by the grammars of the extra `code` (`grammars.py`). Its trees say where a text has syntax
errors; what it makes of the rest is used.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from semsearch.sources.grammars import GRAMMARS, parser_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tree_sitter import Node, Parser, Tree, TreeCursor

# A longer text is generated or minified, and its parse may take gigabytes.
_MOST_BYTES = 1_000_000
# A million bytes of Python or C take half a second. What takes longer was made to, or is another language.
_MOST_SECONDS, _MOST_SECONDS_A_BYTE = 0.01, 1e-6
_READ_BYTES = 1 << 16
_CLASS_CHARACTERS = 80
_FUNCTION_CHARACTERS = 120
# Of a declaration, and of the line before it, so much is looked at.
_SIGNATURE_CHARACTERS = 2_000
# Of a signature in one line, so much.
_LONGEST = 300
# Symbols within so many others have no heading of their own.
_DEEPEST = 6


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_FUNCTION, _CLASS, _TYPEDEF, _VALUE, _TEMPLATE, _LEAD = "function", "class", "typedef", "value", "template", "lead"
_FUNCTIONS = _names(
    "function_definition function_declaration function_item function_signature_item function_signature"
    " generator_function_declaration method_definition method_declaration method_signature abstract_method_signature"
    " method singleton_method constructor_declaration compact_constructor_declaration destructor_declaration"
    " annotation_type_element_declaration operator_declaration conversion_operator_declaration indexer_declaration"
    " local_function_statement secondary_constructor init_declaration deinit_declaration subscript_declaration"
    " protocol_function_declaration macro_definition"
)
_CLASSES = _names(
    "class_definition class_declaration abstract_class_declaration interface_declaration enum_declaration"
    " record_declaration annotation_type_declaration struct_declaration class_specifier struct_specifier"
    " union_specifier enum_specifier type_spec struct_item union_item enum_item trait_item impl_item mod_item"
    " internal_module class module singleton_class trait_declaration object_declaration companion_object"
    " protocol_declaration object_definition trait_definition enum_definition given_definition"
    " extension_definition"
)
# Which have a heading only with what is in them, as `struct s *next;` declares no structure.
_WITH_BODY = _names("class_specifier struct_specifier union_specifier enum_specifier type_spec class module")
# Of nodes to which a function or a class may be assigned, the field that it stands in.
_VALUES = {
    "variable_declarator": "value",
    "assignment_expression": "right",
    "pair": "value",
    "field_definition": "value",
    "public_field_definition": "value",
}
_FUNCTION_VALUES = _names("arrow_function function_expression generator_function function anonymous_function")
# What stands before a definition and belongs to it.
_LEADS = _names("comment line_comment block_comment multiline_comment decorator attribute_item")
_BODIES = _names(
    "function_body class_body enum_class_body template_body enum_body with_template_body declaration_list"
    " field_declaration_list enumerator_list enum_member_declaration_list body_statement block compound_statement"
    " field_initializer_list method_elem macro_rule"
)
_COMMENTS = _names("comment line_comment block_comment multiline_comment")

# Annotations before a signature, which may hold parentheses within parentheses.
_ANNOTATIONS = re.compile(
    r"(?:(?:@(?!interface\b)[\w.:]{1,200}(?:\((?:[^()]|\([^()]*\)){0,500}\))?|\#?\[[^\[\]]{0,500}\])\s*)+"
)
_OPENING = re.compile(r"(?:=>|[\s={:;,]|\bwith)+$")
_PREFIX = re.compile(r"[\w \t]*")
_SPACE = re.compile(r"\s+")
# What closes the blocks around a symbol, up to the end of the line, with a comment behind it, and lines of no more.
_COMMENT = r"[ \t]*(?:(?://|\#(?!\[))[^\n]*|/\*[^\n*]*\*/[ \t]*)?"
_CLOSERS = re.compile(
    rf"(?:[ \t)}}\];,]{{0,200}}|[ \t]*end){_COMMENT}(?:\n|\Z)"
    rf"(?:[ \t]*(?:(?:[)}}\]][)}}\];, \t]{{0,200}}|end\b){_COMMENT})?\n){{0,50}}"
)


@dataclass
class Symbol:
    """Characters `start` to `end` of a text are a function or a class, with the comment above it.

    `path`: its signature, with those of the symbols around it before, outermost first. `named_at`: where it begins
    without the comment. `is_function`: it is to be read as a whole.
    """

    start: int
    end: int
    path: tuple[str, ...]
    named_at: int
    is_function: bool


@dataclass
class Symbols:
    """The symbols of a text in order of their starts; each stands beside or within the one before.

    `unclear`: (start, end) in characters of what is no correct code, in order.
    """

    found: list[Symbol] = field(default_factory=list)
    unclear: list[tuple[int, int]] = field(default_factory=list)


def symbols_of(text: str, type_name: str) -> Symbols | None:
    """The symbols of `text`, code of the document type `type_name`.

    None where there is no grammar for it, the text is too long, or the parser gave up.
    """
    if type_name not in GRAMMARS or len(text) > _MOST_BYTES:
        return None
    source = text.encode("utf-8", "surrogatepass")
    if len(source) > _MOST_BYTES:
        return None
    best: Tree | None = None
    least, end = 0, 0.0
    for package, function in GRAMMARS[type_name]:
        try:
            parser = _parser(package, function)
            end = end or time.process_time() + _MOST_SECONDS + _MOST_SECONDS_A_BYTE * len(source)
            tree = _parsed(parser, source, end)
        except (ImportError, ValueError, MemoryError):  # not installed, not of this version; gave up; too large
            continue
        errors = _error_bytes(tree)
        if best is None or errors < least:
            best, least = tree, errors
        if not errors:
            break
    return None if best is None else _Collection(text, source).of(best)


@cache
def _parser(package: str, function: str) -> "Parser":
    return parser_of(package, function)


def _parsed(parser: "Parser", source: bytes, end: float) -> "Tree":
    """The tree of `source`. Raises `ValueError` where that takes longer than until `end`, by `time.process_time`."""
    try:
        return parser.parse(
            lambda offset, _: source[offset : offset + _READ_BYTES],
            progress_callback=lambda _, __: time.process_time() > end,
        )
    finally:
        parser.reset()  # else it would go on with this text where it gave up


def _error_bytes(tree: "Tree") -> int:
    """How many bytes are no correct code; 0: all of it is."""
    if not tree.root_node.has_error:
        return 0
    cursor, total = tree.walk(), 1
    while True:
        node = _node(cursor)
        if node.is_error:
            total += node.end_byte - node.start_byte
        if not (node.has_error and not node.is_error and cursor.goto_first_child()):
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return total


def _node(cursor: "TreeCursor") -> "Node":
    node = cursor.node
    assert node is not None
    return node


@dataclass
class _Open:
    """A symbol that the walk is in; `depth`: that of its node, `column` where it begins, `is_broken`: with errors."""

    symbol: Symbol
    depth: int
    column: int
    is_broken: bool
    kind: str


class _Collection:
    """Walks a tree in the order of the text, and notes its symbols. Takes time linear in the tree."""

    def __init__(self, text: str, source: bytes) -> None:
        self._text = text
        self._at = _offsets(text, source)
        self._result = Symbols()
        self._open: list[_Open] = []
        # (start in characters, last row) of the comments and attributes that stand above what comes next.
        self._lead: tuple[int, int] | None = None
        # No symbol begins before.
        self._bound = 0

    def of(self, tree: "Tree") -> Symbols:
        """The symbols of `tree`, made of the source."""
        cursor, depth = tree.walk(), 0
        while True:
            node = _node(cursor)
            self._enter(node, depth)
            if cursor.goto_first_child():
                depth += 1
                continue
            self._leave(depth)
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return self._result
                depth -= 1
                self._leave(depth)

    def _enter(self, node: "Node", depth: int) -> None:
        if node.is_error:
            self._note_error(node)
        if not node.is_named:
            return
        kind = self._kind(node) if depth else ""  # the whole text is no symbol
        if kind in (_LEAD, _TEMPLATE):
            self._note_lead(node, kind)
        elif kind and not (self._open and self._open[-1].kind == _TYPEDEF and self._open[-1].depth == depth - 1):
            self._begin(node, depth, kind)

    def _leave(self, depth: int) -> None:
        while self._open and self._open[-1].depth >= depth:
            self._bound = max(self._bound, self._open.pop().symbol.end)
            self._lead = None

    def _kind(self, node: "Node") -> str:
        """What the walk makes of `node`; "": nothing."""
        name = node.type
        if name in _LEADS:
            return _LEAD
        if name == "template_declaration":
            return _TEMPLATE
        if name in _FUNCTIONS:
            return _FUNCTION
        if name in _CLASSES:
            return _CLASS if name not in _WITH_BODY or _body(node) is not None else ""
        if name == "type_definition":
            inner = node.child_by_field_name("type")
            return _TYPEDEF if inner is not None and inner.child_by_field_name("body") is not None else ""
        if name in _VALUES:
            value = node.child_by_field_name(_VALUES[name])
            return _VALUE if value is not None and value.type in _FUNCTION_VALUES else ""
        return ""

    def _note_error(self, node: "Node") -> None:
        start, end = int(self._at[node.start_byte]), int(self._at[node.end_byte])
        unclear = self._result.unclear
        if not unclear or start >= unclear[-1][1]:
            unclear.append((start, end))

    def _note_lead(self, node: "Node", kind: str) -> None:
        row = node.start_point.row
        if kind == _TEMPLATE:
            parameters = node.child_by_field_name("parameters")
            last = row if parameters is None else parameters.end_point.row
        else:
            end = node.end_point
            # A comment may take the end of its line with it.
            last = end.row - 1 if end.column == 0 and end.row > row else end.row
        start = self._line_start(int(self._at[node.start_byte]), lambda before: not before.strip())
        if self._lead is not None and row <= self._lead[1] + (start is not None):
            self._lead = self._lead[0], last
        else:
            # Behind other code, it is about that.
            self._lead = None if start is None else (start, last)

    def _line_start(self, position: int, is_prefix: Callable[[str], bool]) -> int | None:
        """Where the line of `position` begins, or what is left of it beside the symbol before; None where it is long,
        or the text there up to `position` is no prefix."""
        low = max(self._bound, position - _SIGNATURE_CHARACTERS)
        line = self._text.rfind("\n", low, position)
        if line < 0 and low > self._bound:
            return None
        start = low if line < 0 else line + 1
        return start if is_prefix(self._text[start:position]) else None

    def _begin(self, node: "Node", depth: int, kind: str) -> None:
        own, column = int(self._at[node.start_byte]), node.start_point.column
        named_from = self._line_start(own, lambda before: _PREFIX.fullmatch(before) is not None)
        start = self._line_start(own, lambda _: True)
        if self._lead is not None and node.start_point.row <= self._lead[1] + 1 and self._lead[0] >= self._bound:
            start = self._lead[0]
        self._lead = None
        # A function that is not closed seems to hold all that follows.
        while self._open and self._open[-1].is_broken and column <= self._open[-1].column:
            broken = self._open.pop().symbol
            broken.end, broken.is_function = min(broken.end, own if start is None else start), False
        if len(self._open) >= _DEEPEST:
            return
        around = self._open[-1].symbol if self._open else None
        if start is None or (around is not None and start <= around.named_at):
            start = own
        match = _CLOSERS.match(self._text, end := int(self._at[node.end_byte]))
        end = match.end() if match is not None else end
        if around is not None:
            end = min(end, around.end)
        body = self._body_of(node, kind)
        name = self._signature(node, body, own if named_from is None else named_from, kind)
        if not name or start >= end:
            return
        symbol = Symbol(start, end, (*(around.path if around else ()), name), own, kind in (_FUNCTION, _VALUE))
        self._result.found.append(symbol)
        self._open.append(_Open(symbol, depth, column, symbol.is_function and node.has_error, kind))
        self._bound = max(self._bound, own if body is None else int(self._at[body.start_byte]))

    def _body_of(self, node: "Node", kind: str) -> "Node | None":
        inner = {_VALUE: _VALUES.get(node.type, ""), _TYPEDEF: "type"}.get(kind)
        return _body(node if inner is None else node.child_by_field_name(inner) or node)

    def _signature(self, node: "Node", body: "Node | None", start: int, kind: str) -> str:
        """What `node` says before its `body`, in one line; `start`: where in the text it begins to."""
        end = int(self._at[node.end_byte if body is None else body.start_byte])
        said = self._text[start : min(end, start + _SIGNATURE_CHARACTERS)].lstrip()
        annotations = _ANNOTATIONS.match(said)
        said = said[annotations.end() if annotations else 0 :]
        if body is None:
            said = re.split(r"[\n;{]", said, maxsplit=1)[0]
        said = _OPENING.sub("", _SPACE.sub(" ", said)[:_LONGEST]).strip()
        if kind == _TYPEDEF and (name := node.child_by_field_name("declarator")) is not None and name.text:
            said = f"{said} {name.text[:_CLASS_CHARACTERS].decode(errors='replace')}"
        most = _FUNCTION_CHARACTERS if kind in (_FUNCTION, _VALUE) else _CLASS_CHARACTERS
        said = said.replace("; ", ";")  # it stands between headings
        return said if len(said) <= most else said[: most - 1].rstrip() + "…"


def _body(node: "Node") -> "Node | None":
    """The first of what `node` consists of that is no part of its signature."""
    if node.type == "type_spec":  # of Go
        inner = node.child_by_field_name("type")
        is_type = inner is not None and inner.type in ("struct_type", "interface_type")
        parts = inner.children if is_type and inner is not None else []
        return next((part for part in parts if part.type in ("{", "field_declaration_list")), None)
    body = node.child_by_field_name("body")
    for number, part in enumerate(node.children):
        is_comment = number > 0 and part.type in _COMMENTS
        if is_comment or part.type in _BODIES or (body is not None and part.id == body.id):
            return part
    return body


def _offsets(text: str, source: bytes) -> "Sequence[int] | NDArray[np.int64]":
    """Byte of `source` -> character of `text` that it belongs to."""
    if len(text) == len(source):
        return range(len(source) + 1)
    import numpy as np

    begins = (np.frombuffer(source, np.uint8) & 0xC0) != 0x80
    return np.concatenate([[0], np.cumsum(begins)])
