"""Source code: the unchanged text, with a section for each function, method and class where its grammar is installed,
else for each top-level definition.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

from semsearch.sources.document import Document, Section
from semsearch.sources.encoded_data import without_data_addresses
from semsearch.sources.grammars import GRAMMARS, SYMBOLS, are_installed
from semsearch.sources.lines import line_starts_of
from semsearch.sources.readers.text import decode

# A line without indentation that begins a definition, in any of the languages. If it misses one, a heading is missing,
# but the text is indexed all the same.
_DEFINITION = re.compile(
    r"^(?:(?:export|default|public|private|protected|static|final|abstract|async|pub(?:\([^)]*\))?|unsafe)[ \t]+)*"
    r"(?:def|class|func|function|fn|interface|struct|enum|trait|impl|module|object|namespace"
    r"|create\s+(?:or\s+replace\s+)?(?:table|view|function|procedure|index))[ \t]+"
    r"(?:if\s+not\s+exists\s+)?(?:\([^)]*\)\s*)?([A-Za-z_$][\w$]*(?:(?:\.|::)[\w$]+)*)",
    re.MULTILINE | re.IGNORECASE,
)


def read(data: bytes, type_name: str, grammar: bool = True) -> Document:
    """The text of `data`, its sections headed by what they define; `grammar`: its grammar is used, if installed."""
    text, metadata = decode(data)
    text = without_data_addresses(text)
    parsed = parse(text, type_name, grammar, lambda: cut_at(text, _definitions(text)))
    return Document(
        text,
        type_name,
        parsed.sections,
        line_starts_of(text),
        metadata={**metadata, **parsed.metadata},
        wholes=parsed.wholes,
    )


def parse(text: str, type_name: str, grammar: bool, otherwise: Callable[[], tuple[Section, ...]]) -> Document:
    """`text` with its sections, wholes and number of symbols by its grammar, without lines; where that is not to be
    used, is not there or says nothing, with the sections that `otherwise` returns."""
    if type_name not in GRAMMARS or not are_installed():
        return Document(text, type_name, otherwise(), None)
    from semsearch.sources.symbols import symbols_of

    symbols = symbols_of(text, type_name) if grammar else None
    if symbols is None:
        return Document(text, type_name, otherwise(), None, metadata={SYMBOLS: 0})
    # (place, whether something begins there, order at a place, heading path from there on)
    cuts: list[tuple[int, bool, int, tuple[str, ...]]] = []
    for number, one in enumerate(symbols.found):
        cuts.append((one.start, True, number, one.path))
        cuts.append((one.end, False, -number, one.path[:-1]))
    known = sorted(one.named_at for one in symbols.found)
    guessed = []
    for start, end, path in _definitions_in(text, symbols.unclear):
        at = bisect_left(known, start)
        if at == len(known) or known[at] > end:
            guessed.append(start)
            cuts.append((start, True, len(cuts), path))
    wholes = tuple(
        (one.start, one.end)
        for one in symbols.found
        if one.is_function and bisect_left(guessed, one.start) == bisect_left(guessed, one.end)
    )
    sections = cut_at(text, [(place, path) for place, _, _, path in sorted(cuts)])
    return Document(text, type_name, sections, None, metadata={SYMBOLS: len(symbols.found)}, wholes=wholes)


def cut_at(text: str, cuts: Sequence[tuple[int, tuple[str, ...]]]) -> tuple[Section, ...]:
    """The sections of `text`; `cuts`: (place, heading path from there on), in order; of several at a place the last."""
    begin: int = 0
    heading: tuple[str, ...] = ()
    sections = []
    for start, path in cuts:
        if start > begin:
            sections.append(Section(begin, start, heading))
        begin, heading = start, path
    if begin < len(text) or not sections:
        sections.append(Section(begin, len(text), heading))
    return tuple(sections)


def _definitions(text: str) -> list[tuple[int, tuple[str, ...]]]:
    return [(start, path) for start, _, path in _definitions_in(text, [(0, len(text))])]


def _definitions_in(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int, tuple[str, ...]]]:
    """(start, end, heading path) of the lines that begin a definition, as far as they begin within `spans`."""
    found: list[tuple[int, int, tuple[str, ...]]] = []
    number = 0
    for match in _DEFINITION.finditer(text) if spans else ():
        while number < len(spans) and spans[number][1] <= match.start():
            number += 1
        if number < len(spans) and spans[number][0] <= match.start():
            found.append((match.start(), match.end(), (match.group(1),)))
    return found
