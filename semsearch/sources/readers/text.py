"""Plain text; the detection of encodings and the decoding that all readers of text use."""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from semsearch.errors import ReadError
from semsearch.sources.document import Document, Section
from semsearch.sources.lines import line_starts_of

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_PIECE_CHARACTERS = 4_000_000
# The encoding of a large file is detected by so many bytes at its start.
_SAMPLE_BYTES = 1_000_000


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` as one section."""
    text, metadata = decode(data)
    return Document(text, type_name, (Section(0, len(text)),), line_starts_of(text), metadata=metadata)


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
    r"""(text of `data` with "\n" as line end, metadata: `{"encoding": name}` where it is not UTF-8).

    Raises `ReadError` when no encoding fits.
    """
    encoding = encoding_of(data)
    text = data.decode(encoding, "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, _metadata_of(encoding)


def decoded_lines(file: BinaryIO) -> tuple[Iterator[str], str, dict[str, object]]:
    """(lines of `file`, a sample of its text, metadata as in `decode`); `file` is at its start.

    The lines are read when they are asked for. A line longer than a piece comes in parts. Bytes that do not fit the
    encoding become U+FFFD. Raises `ReadError` when no encoding fits.
    """
    sample = file.read(_SAMPLE_BYTES)
    cut = sample.rfind(b"\n") + 1 or len(sample)
    encoding = encoding_of(sample[:cut])
    file.seek(0)
    return _lines(file, encoding), sample[:cut].decode(encoding, "replace"), _metadata_of(encoding)


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("replace"), translate=True)
    rest = ""
    while data := file.read(1 << 20):
        *lines, rest = (rest + decoder.decode(data)).split("\n")
        for line in lines:
            yield line + "\n"
        if len(rest) > _PIECE_CHARACTERS:
            yield rest
            rest = ""
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest


def encoding_of(data: bytes) -> str:
    """Python's name of the encoding of `data`: by a byte order mark, else UTF-8 if it fits, else by a detector.

    Raises `ReadError` when no encoding fits.
    """
    by_mark = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    for name in (by_mark, "utf-8"):
        if name is not None:
            try:
                data.decode(name)
                return name
            except UnicodeDecodeError:
                continue
    return _detect(data)


def _detect(data: bytes) -> str:
    """By chardet, which recognised 11 of 12 one-line samples of old encodings; charset-normalizer recognised 8."""
    import chardet

    name = chardet.detect(data[:_SAMPLE_BYTES])["encoding"]
    if name is None:
        raise ReadError("not UTF-8, and no other encoding fits: convert it to UTF-8")
    return codecs.lookup(name).name


def _metadata_of(encoding: str) -> dict[str, object]:
    return {} if encoding.startswith("utf-8") else {"encoding": encoding}
