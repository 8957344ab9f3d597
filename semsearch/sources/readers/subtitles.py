"""SubRip and WebVTT subtitles: the spoken text with its lines in the file, without numbers, times and styles."""

import re

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.text import decode

_TIME = re.compile(r"(?:\d+:)?\d\d:\d\d[.,]\d{3} +--> +")
_TAGS = re.compile(r"</?[A-Za-z0-9][^<>]{0,100}>|\{\\[^{}]{0,100}\}")
_BLOCKS = ("WEBVTT", "NOTE", "STYLE", "REGION")


def read(data: bytes, type_name: str) -> Document:
    """The spoken text of `data` as one section."""
    text, metadata = decode(data)
    builder = DocumentBuilder(type_name)
    lines = text.split("\n")
    silent = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            silent = False
        elif line.startswith(_BLOCKS) and (number == 1 or not lines[number - 2].strip()):
            silent = True
        elif not silent and not _TIME.match(line.strip()) and not _is_label(lines, number):
            builder.lines(_TAGS.sub("", line).strip(), number)
    return builder.document(metadata)


def _is_label(lines: list[str], number: int) -> bool:
    """Whether line `number` (from 1) is the number or name of a cue: the line before its time."""
    return number < len(lines) and bool(_TIME.match(lines[number].strip()))
