"""Plain text, and the decoding that all text readers share."""

from semsearch.errors import ReadError
from semsearch.sources.document import Document, Section, line_starts_of

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def read(data: bytes, type_name: str) -> Document:
    text, metadata = decode(data)
    return Document(text, type_name, (Section(0, len(text)),), line_starts_of(text), metadata=metadata)


def decode(data: bytes) -> tuple[str, dict[str, object]]:
    r"""The text of `data` with "\n" line ends, and `{"encoding": name}` where it is not plain UTF-8.

    Raises `ReadError` when no encoding fits.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text, encoding = _detect(data)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, {} if encoding.startswith("utf-8") else {"encoding": encoding}


def _detect(data: bytes) -> tuple[str, str]:
    import charset_normalizer

    best = charset_normalizer.from_bytes(data).best()
    if best is None:
        raise ReadError("not UTF-8, and no other encoding fits: convert it to UTF-8")
    return str(best), best.encoding
