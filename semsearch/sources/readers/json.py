"""JSON and JSON lines: the text of the file, with `\\uXXXX` escapes decoded, so that words can be found;
bytes in base64 are left out."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from semsearch.sources.document import Document, Section
from semsearch.sources.encoded_data import is_encoded, without_data_addresses
from semsearch.sources.lines import line_starts_of
from semsearch.sources.readers import text

_LONG_STRING = 200
# A string, or the part of one where a long line was cut.
_LONG = re.compile(rf'(?:"|\A)([A-Za-z0-9+/=_\\-]{{{_LONG_STRING},}})(?:"|\Z)')
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9a-fA-F]{4})")


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` as one section."""
    content, metadata = text.decode(data)
    content = shown(content)
    return Document(content, type_name, (Section(0, len(content)),), line_starts_of(content), metadata=metadata)


def read_pieces(file: BinaryIO, type_name: str) -> Iterator[Document]:
    """The text of `file`, some megabytes in a document."""
    for piece in text.read_pieces(file, type_name):
        content = shown(piece.text)
        first = piece.line_starts[0][1] if piece.line_starts else 1
        yield Document(
            content, type_name, (Section(0, len(content)),), line_starts_of(content, first), metadata=piece.metadata
        )


def shown(source: str) -> str:
    """`source` as it is read: `unescape`d, without strings that hold the bytes of a picture or the like."""
    if len(source) > _LONG_STRING:
        source = _LONG.sub(_without_bytes, source)
    return unescape(without_data_addresses(source))


def _without_bytes(match: re.Match[str]) -> str:
    content = match.group(1).replace("\\/", "/").replace("\\r", "").replace("\\n", "\n")
    return '""' if is_encoded(content) else match.group()


def unescape(source: str) -> str:
    r"""`source` with every `\uXXXX` of a printable character decoded; the number of lines does not change."""
    if "\\u" not in source:
        return source
    joined = _SURROGATES.sub(
        lambda match: (
            match.group(1)
            + chr(0x10000 + ((int(match.group(2), 16) - 0xD800) << 10) + int(match.group(3), 16) - 0xDC00)
        ),
        source,
    )
    return _ESCAPE.sub(_character, joined)


def _character(match: re.Match[str]) -> str:
    character = chr(int(match.group(2), 16))
    return match.group(1) + character if character.isprintable() else match.group()
