"""Plain text, and the decoding that all readers of text use."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from semsearch.sources.document import NOTICE, Document, Section, heading_path
from semsearch.sources.encodings import BYTE_ORDER_MARKS, bad_lines, encoding_of, python_name
from semsearch.sources.lines import line_starts_of
from semsearch.sources.readers.header_blocks import mail_block
from semsearch.sources.titles import told_title

_PIECE_CHARACTERS = 4_000_000
# The encoding of a large file is detected by so many bytes at its start.
_SAMPLE_BYTES = 1_000_000
_LISTED_LINES = 5
# A run of carriage returns that ends no line is looked at once, not from each of them.
LINE_END = re.compile("(?<!\r)\r+\n")
# What a power cut leaves in a log.
_NULS = re.compile("\0+")


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` as one section."""
    text, metadata = decode(data)
    metadata = {**mail_block(text), **metadata}
    title = told_title(str(metadata.get("title") or metadata.get("subject") or ""))
    section = Section(0, len(text), heading_path(title, ()))
    return Document(text, type_name, (section,), line_starts_of(text), title, metadata)


def read_pieces(file: BinaryIO, type_name: str) -> Iterator[Document]:
    """The text of `file`, four million characters or a little more in a document."""
    lines, _, metadata = decoded_lines(file)
    number = 1
    while True:
        part: list[str] = []
        size = 0
        for line in lines:
            part.append(line)
            size += len(line)
            if size >= _PIECE_CHARACTERS:
                break
        if not part:
            return
        text = "".join(part)
        yield Document(text, type_name, (Section(0, len(text)),), line_starts_of(text, number), metadata=metadata)
        number += sum(line.endswith("\n") for line in part)


def decode(data: bytes) -> tuple[str, dict[str, object]]:
    r"""(text of `data` with "\n" as line end, metadata).

    In metadata: `encoding` where it is not UTF-8, `NOTICE` where bytes do not fit. Raises `ReadError` when no encoding
    fits.
    """
    encoding = encoding_of(data)
    text = _plain(data.decode(encoding, "replace"))
    metadata = _metadata_of(encoding)
    if "\ufffd" in text:
        metadata |= _notice(encoding, io.BytesIO(data))
    return text, metadata


def decode_declared(data: bytes, *patterns: re.Pattern[bytes]) -> tuple[str, dict[str, object]]:
    """As `decode`, by the encoding that the beginning of `data` declares, as the first group of one of `patterns`.

    Where it declares none, or a wrong one, it is detected.
    """
    declared = next((match for pattern in patterns if (match := pattern.search(data[:4096]))), None)
    if declared is None or data.startswith(tuple(mark for mark, _ in BYTE_ORDER_MARKS)):
        return decode(data)
    name = declared.group(1).decode("ascii", "replace").lower()
    try:
        text = data.decode(python_name(name))
    except (LookupError, UnicodeError):
        return decode(data)
    return _plain(text), {} if python_name(name) == "utf-8" else {"encoding": name}


def _plain(text: str, sample: str | None = None) -> str:
    r"""`text` with "\n" as line end; `sample`: the text that it is a part of, or the beginning of that.

    A carriage return ends a line where nothing else does (old Macintosh); else it is what a terminal goes back at.
    """
    if "\r" in text:
        alone = " " if "\n" in (text if sample is None else sample) else "\n"
        text = LINE_END.sub("\n", text).replace("\r", alone)
    return _NULS.sub(" ", text) if "\0" in text else text


def _notice(encoding: str, file: BinaryIO) -> dict[str, object]:
    """Tells which lines of `file` have bytes that are not UTF-8, if that is its encoding."""
    lines = bad_lines(file, _LISTED_LINES + 1) if encoding in ("utf-8", "utf-8-sig") else []
    if not lines:
        return {}
    shown = ", ".join(map(str, lines[:_LISTED_LINES])) + (", ..." if len(lines) > _LISTED_LINES else "")
    return {NOTICE: f"bytes that are not UTF-8 in line{'s' if len(lines) > 1 else ''} {shown}"}


def decoded_lines(file: BinaryIO) -> tuple[Iterator[str], str, dict[str, object]]:
    """(lines of `file`, a sample of its text, metadata as in `decode`); `file` is at its start.

    The lines are read when they are asked for. A line longer than a piece comes in parts. Bytes that do not fit the
    encoding become U+FFFD. Raises `ReadError` when no encoding fits.
    """
    sample = file.read(_SAMPLE_BYTES)
    while sample.isascii() and (following := file.read(_SAMPLE_BYTES)):
        if not following.isascii():
            sample += following
    cut = sample.rfind(b"\n") + 1 or len(sample)
    encoding = encoding_of(sample[:cut])
    file.seek(0)
    metadata = _metadata_of(encoding) | _notice(encoding, file)
    file.seek(0)
    text = sample[:cut].decode(encoding, "replace")
    return _lines(file, encoding, text), text, metadata


def _lines(file: BinaryIO, encoding: str, sample: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest = held = ""
    while data := file.read(1 << 20):
        decoded = held + decoder.decode(data)
        whole = decoded.rstrip("\r")
        held = decoded[len(whole) :]  # a line end may follow
        *lines, rest = (rest + _plain(whole, sample)).split("\n")
        for line in lines:
            yield line + "\n"
        if len(rest) > _PIECE_CHARACTERS:
            yield rest
            rest = ""
    *lines, rest = (rest + _plain(held + decoder.decode(b"", final=True), sample)).split("\n")
    for line in lines:
        yield line + "\n"
    if rest:
        yield rest


def _metadata_of(encoding: str) -> dict[str, object]:
    return {} if encoding.startswith("utf-8") else {"encoding": encoding}
