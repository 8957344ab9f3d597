"""Manual pages: the text without roff requests and escapes, line by line, under its section headings."""

import re

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.text import decode

_ESCAPES = (
    (re.compile(r"\\f(?:\[[^\]]*\]|\(..|.)"), ""),  # fonts
    (re.compile(r"\\s[+-]?\d"), ""),
    (re.compile(r'\\"[^\n]*'), ""),
    (re.compile(r"\\\(bu"), "*"),
    (re.compile(r"\\\((?:em|en)"), "-"),
    (re.compile(r"\\\((?:lq|rq)"), '"'),
    (re.compile(r"\\\((?:aq|cq|oq)"), "'"),
    (re.compile(r"\\[&|^)/,]"), ""),
    (re.compile(r"\\-"), "-"),
    (re.compile(r"\\[~ 0]"), " "),
    (re.compile(r"\\e"), r"\\"),
    (re.compile(r"\\\*(?:\[[^\]]*\]|\(..|.)"), ""),
    (re.compile(r"\\\[[^\]]*\]|\\\(.."), ""),
)
_REQUEST = re.compile(r"[.'][ \t]*([A-Za-z]{1,3})?[ \t]*(.*)")
_HEADINGS = {"SH": 1, "Sh": 1, "SS": 2, "Ss": 2}
# Requests whose arguments are not text.
_SILENT = frozenset(
    """TH Dd Dt Os so de if ie el ds nr ta sp in ti nf fi ad na hy nh ft ps ll PD RS RE PP P LP TP HP IX ig ne br
    Bl El Bd Ed Pp Bk Ek""".split()  # noqa: SIM905
)


def read(data: bytes, type_name: str) -> Document:
    """The text of the manual page in `data`."""
    text, metadata = decode(data)
    builder = DocumentBuilder(type_name)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith((".", "'")):
            builder.lines(_plain(line), number)
            continue
        request = _REQUEST.match(line)
        name, rest = (request.group(1) or "", request.group(2)) if request else ("", "")
        if name in ("TH", "Dt") and not builder.title:
            builder.title = plain(_plain(rest).replace('"', " "))[:100]
        elif name in _HEADINGS:
            builder.heading(_HEADINGS[name], _plain(rest).replace('"', ""), shown=False)
            builder.lines(_plain(rest).replace('"', ""), number)
        elif name and name not in _SILENT:
            builder.lines(_plain(rest).replace('"', ""), number)
    return builder.document(metadata)


def _plain(line: str) -> str:
    """`line` without roff escapes."""
    for pattern, replacement in _ESCAPES:
        line = pattern.sub(replacement, line)
    return line
