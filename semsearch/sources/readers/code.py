"""Source code: the unchanged text, with a section for each top-level definition."""

import re

from semsearch.sources.document import Document, Section
from semsearch.sources.encoded_data import without_data_addresses
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


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`, a section for each top-level definition, headed by its name."""
    text, metadata = decode(data)
    text = without_data_addresses(text)
    cuts = [(match.start(), (match.group(1),)) for match in _DEFINITION.finditer(text)]
    begin: int = 0
    heading: tuple[str, ...] = ()
    sections = []
    for start, name in cuts:
        if start > begin:
            sections.append(Section(begin, start, heading))
        begin, heading = start, name
    sections.append(Section(begin, len(text), heading))
    return Document(text, type_name, tuple(sections), line_starts_of(text), metadata=metadata)
