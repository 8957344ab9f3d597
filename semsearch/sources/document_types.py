"""The table of document types, and the detection of a file's type by its name and first bytes.

A reader module is imported when the first file of its types is read. Each has `read(data, type_name) -> Document`;
those whose files may be larger than memory also have `read_pieces(file, type_name) -> Iterator[Document]`.
"""

import gzip
import importlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from semsearch.errors import ReadError
from semsearch.sources import file_signatures
from semsearch.sources.document import Document
from semsearch.sources.document_builder import parsing
from semsearch.sources.encodings import wide_encoding
from semsearch.sources.grammars import GRAMMARS
from semsearch.sources.ocr import OcrLimits

# Larger files are read in pieces if their reader can; if not, as a whole up to the second limit.
_PIECE_BYTES = 4_000_000
_MOST_BYTES = 1_000_000_000
_HEAD_BYTES = 8192

# type name -> (reader module, suffixes)
_TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "markdown": ("markdown", (".md", ".markdown", ".mdown", ".mkd", ".mdx")),
    "rst": ("rst", (".rst",)),
    "html": ("html", (".html", ".htm", ".xhtml")),
    "pdf": ("pdf", (".pdf",)),
    "text": ("text", (".txt", ".text", ".log")),
    "docx": ("docx", (".docx", ".docm", ".dotx", ".dotm")),
    "pptx": ("pptx", (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm")),
    "xlsx": ("xlsx", (".xlsx", ".xlsm", ".xlsb", ".xltx", ".xltm", ".xlam")),
    "xls": ("spreadsheet", (".xls",)),
    "ods": ("opendocument", (".ods", ".ots")),
    "odt": ("opendocument", (".odt", ".ott", ".odm")),
    "odp": ("opendocument", (".odp", ".otp", ".odg", ".otg")),
    "fodt": ("opendocument", (".fodt", ".fods", ".fodp", ".fodg")),
    "rtf": ("rtf", (".rtf",)),
    "epub": ("epub", (".epub",)),
    "email": ("email", (".eml", ".emlx")),
    "mbox": ("mbox", (".mbox", ".mbx")),
    "mhtml": ("mhtml", (".mhtml", ".mht")),
    "msg": ("msg", (".msg",)),
    "image": ("image", (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif")),
    "notebook": ("notebook", (".ipynb",)),
    "csv": ("csv", (".csv", ".tsv")),
    "json": ("json", (".json", ".jsonl", ".ndjson", ".geojson")),
    "xml": (
        "xml",
        (
            ".xml",
            ".rss",
            ".atom",
            ".rdf",
            ".opml",
            ".svg",
            ".kml",
            ".gpx",
            ".xlf",
            ".xliff",
            ".tmx",
            ".xsd",
            ".xsl",
            ".xslt",
            ".wsdl",
            ".plist",
            ".resx",
            ".dita",
            ".ditamap",
            ".dbk",
            ".docbook",
            ".fb2",
            ".musicxml",
            ".gml",
            ".xul",
            ".xhtm",
        ),
    ),
    "subtitles": ("subtitles", (".srt", ".vtt", ".sbv", ".ass", ".ssa", ".sub", ".lrc")),
    "contacts": ("contacts", (".vcf", ".vcard")),
    "calendar": ("contacts", (".ics", ".ical", ".ifb", ".vcs")),
    "man": ("man", (*(f".{number}" for number in range(1, 10)), ".man")),
    "tex": ("outline", (".tex", ".sty", ".bib")),
    "org": ("outline", (".org",)),
    "asciidoc": ("outline", (".adoc", ".asciidoc")),
    "toml": ("outline", (".toml",)),
    "ini": ("outline", (".ini", ".cfg", ".conf", ".properties")),
    "yaml": ("outline", (".yaml", ".yml")),
    "python": ("python", (".py", ".pyi")),
    "javascript": ("code", (".js", ".jsx", ".mjs", ".cjs")),
    "typescript": ("code", (".ts", ".tsx")),
    "c": ("code", (".c", ".h")),
    "cpp": ("code", (".cc", ".cpp", ".cxx", ".hpp", ".hh")),
    "csharp": ("code", (".cs",)),
    "go": ("code", (".go",)),
    "java": ("code", (".java",)),
    "kotlin": ("code", (".kt", ".kts")),
    "rust": ("code", (".rs",)),
    "ruby": ("code", (".rb",)),
    "php": ("code", (".php",)),
    "swift": ("code", (".swift",)),
    "scala": ("code", (".scala",)),
    "lua": ("code", (".lua",)),
    "perl": ("code", (".pl", ".pm")),
    "r": ("code", (".r",)),
    "shell": ("code", (".sh", ".bash", ".zsh", ".fish")),
    "sql": ("code", (".sql",)),
    "css": ("code", (".css", ".scss")),
}
_BY_SUFFIX = {suffix: name for name, (_, suffixes) in _TYPES.items() for suffix in suffixes}
# Types that are recognised by their content. A file with only their suffix is damaged, or is text.
_BINARY = frozenset({"image", "pdf", "docx", "pptx", "xlsx", "xls", "ods", "odt", "odp", "epub", "msg"})
# Their names in messages.
_DISPLAY_NAMES = {
    "docx": "Word", "pptx": "PowerPoint", "xlsx": "Excel", "xls": "Excel", "pdf": "PDF", "epub": "EPUB",
    "odt": "OpenDocument", "ods": "OpenDocument", "odp": "OpenDocument",
}  # fmt: skip
_SHEETS = frozenset({"xlsx", "xls", "ods"})
# What may stand before a page: a mark, blanks, comments.
_LEADING = re.compile(rb"\A(?:\xef\xbb\xbf|\s|<!--.*?-->)+", re.DOTALL)
_HTML_START = re.compile(
    rb"<(?:!doctype\s+html|(?:html|head|body|meta|title|style|table|div|center|font|h1|p)(?=[\s>]))"
)
# Web pages with their pictures, as Word and Excel save them.
_ARCHIVE_START = re.compile(rb"mime-version:[^\n]*\n(?:[^\n]+\n)*?content-type:\s*multipart/related")
_MAIL_HEADERS = frozenset(
    b"""from to cc bcc date subject message-id received return-path mime-version content-type delivered-to reply-to
    x-mozilla-status x-mozilla-status2 content-transfer-encoding""".split()
)
_HEADER_NAME = re.compile(rb"[!-9;-~]{1,76}")
_MANUAL_SECTIONS = frozenset(_TYPES["man"][1][:-1])


def type_named(name: str) -> str | None:
    """The document type that `--type NAME` means: `name` is a type or one of its suffixes (`md`, `.md`); None: none."""
    lowered = name.lower()
    if lowered in _TYPES:
        return lowered
    return _BY_SUFFIX.get("." + lowered.lstrip("."))


def type_names() -> list[str]:
    """All document types, sorted."""
    return sorted(_TYPES)


def suffixes_of_types() -> list[str]:
    """All suffixes by which a type is known, sorted."""
    return sorted(_BY_SUFFIX)


def may_be_parsed(path: str) -> bool:
    """Whether a file called `path` may be code that a grammar parses: by its suffix, or since it has none."""
    suffix = _suffix(path)
    return not suffix or _BY_SUFFIX.get(suffix) in GRAMMARS


def read(
    path: str, data: bytes, passwords: Sequence[str] = (), ocr: OcrLimits | None = None, grammar: bool = True
) -> Document:
    """The document in `data`, the content of a file called `path`; of a large text only the first piece.

    Raises `ReadError` as `documents` does.
    """
    return next(documents(io.BytesIO(data), path, passwords, ocr, grammar))


def documents(
    file: BinaryIO,
    path: str,
    passwords: Sequence[str] = (),
    ocr: OcrLimits | None = None,
    grammar: bool = True,
) -> Iterator[Document]:
    """The document in `file`, which is at its start; a large text comes as several documents, in order.

    The type follows from the name `path` and the first bytes. `passwords` are tried on encrypted PDFs. `ocr`: pages and
    pictures without text are read by OCR within these limits. `grammar`: code is parsed by its grammar, if that is
    installed. Gzip files are unpacked. At least one document is
    yielded, or `ReadError` raised: with `skip` for a file that holds no text by rule (empty, binary, an image), without
    for a damaged one.
    """
    if file.read(2) == b"\x1f\x8b":
        file.seek(0)
        # A file object that unpacks while it is read: the content may be larger than memory.
        file = cast(BinaryIO, gzip.GzipFile(fileobj=file))
        path = path[:-3] if path.lower().endswith(".gz") else path
        try:
            yield from _documents(file, path, passwords, ocr, grammar)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ReadError(f"damaged gzip file: {error}") from None
        return
    file.seek(0)
    yield from _documents(file, path, passwords, ocr, grammar)


def _documents(
    file: BinaryIO, path: str, passwords: Sequence[str], ocr: OcrLimits | None, grammar: bool
) -> Iterator[Document]:
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if not head:
        raise ReadError("empty file", skip=True)
    file.seek(0)
    name = _type_of(path, head, file, ocr is not None)
    module = importlib.import_module(f"semsearch.sources.readers.{_TYPES[name][0]}")
    file.seek(0)
    data = file.read(_PIECE_BYTES + 1)
    has_text = False
    if hasattr(module, "read_pieces") and (len(data) > _PIECE_BYTES or not hasattr(module, "read")):
        del data
        file.seek(0)
        with parsing(f"{_DISPLAY_NAMES.get(name, name)} file"):
            for document in module.read_pieces(file, name):
                if document.text.strip():
                    has_text = True
                    yield document.storable()
    else:
        if len(data) > _PIECE_BYTES:
            data += file.read(_MOST_BYTES - len(data) + 1)
            if len(data) > _MOST_BYTES:
                raise ReadError(f"holds more than {_MOST_BYTES // 1_000_000} MB, which is read of plain text only")
        if not data.strip():
            raise ReadError("empty file", skip=True)
        with parsing(f"{_DISPLAY_NAMES.get(name, name)} file"):
            if name == "pdf":
                document = module.read(data, name, passwords, ocr)
            elif name == "image":
                document = module.read(data, name, ocr)
            elif name in GRAMMARS:
                document = module.read(data, name, grammar)
            else:
                document = module.read(data, name)
        if document.text.strip():
            has_text = True
            yield document.storable()
    if not has_text:
        raise ReadError("no text in it", skip=True)


def _type_of(path: str, head: bytes, file: BinaryIO, images: bool) -> str:
    """The document type of `file`; `head`: its first bytes; `images`: pictures have one, too.

    Raises `ReadError` for files without text.
    """
    suffix = _suffix(path)
    type_by_suffix = _BY_SUFFIX.get(suffix)
    type_by_content = file_signatures.type_of(head, file, suffix, images)
    if type_by_content is not None:
        return type_by_content
    if type_by_suffix in _BINARY:
        # Some programs save web pages, XML and tables of plain text as .xls and .docx.
        if _is_binary(head) or not _looks_like_text(_narrow(head)):
            raise ReadError(f"damaged {suffix} file: its content is not that of one")
        return _type_of_text(_narrow(head), type_by_suffix)
    if _is_binary(head) and not (type_by_suffix is not None and _has_stray_nuls(head)):
        raise ReadError(_binary_reason(suffix, head), skip=True)
    if suffix in _MANUAL_SECTIONS and not _is_manual(head):
        type_by_suffix = None
    return _type_of_text(_narrow(head)) if type_by_suffix is None else type_by_suffix


def _suffix(path: str) -> str:
    """The suffix of a file name in lower case with its dot; empty where there is none."""
    name = path.rsplit("/", 1)[-1].lower()
    dot = name.rfind(".")
    return name[dot:] if dot > 0 else ""


def _narrow(head: bytes) -> bytes:
    """`head` in UTF-8 where a mark tells that it is UTF-16, as Windows programs save pages and tables."""
    return head.decode("utf-16", "replace").encode() if head[:2] in (b"\xff\xfe", b"\xfe\xff") else head


def _type_of_text(head: bytes, type_by_suffix: str | None = None) -> str:
    """The type of a text file by its first bytes; `type_by_suffix`: what it is not, but its suffix tells."""
    start = _LEADING.sub(b"", head)[:200].lower()
    if _HTML_START.match(start):
        return "html"
    if start.startswith((b"<?xml", b"<workbook", b"<?mso-application")):
        return "xml"
    if _is_manual(head):
        return "man"
    if _ARCHIVE_START.match(start):
        return "mhtml"
    if mail := _mail_type(head):
        return mail
    first = head.split(b"\n", 1)[0]
    if first.startswith(b"#!"):
        return "python" if b"python" in first else "shell"
    return "csv" if type_by_suffix in _SHEETS and b"\t" in first else "text"


def _is_manual(head: bytes) -> bool:
    return any(line.startswith((b".TH ", b".Dd ", b".SH ")) for line in head.split(b"\n"))


def _mail_type(head: bytes) -> str:
    """`email` or `mbox` for what begins with the headers of a message, as mail programs keep it without a suffix."""
    begin = b""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if head.startswith(b"From "):
        begin, _, head = head.partition(b"\n")
    lines = head.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].split(b"\n")
    headers = [line.split(b":", 1)[0].lower() for line in lines if not line.startswith((b" ", b"\t"))]
    known = sum(name in _MAIL_HEADERS for name in headers)
    if known < 3 or not all(_HEADER_NAME.fullmatch(name) for name in headers[:-1]):
        return ""
    return "mbox" if begin else "email"


def _looks_like_text(head: bytes) -> bool:
    """Whether less than one byte in a hundred is a control character."""
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return controls * 100 < len(head)


def _is_binary(head: bytes) -> bool:
    """Whether there is a NUL byte, which is how git decides; not in UTF-16 and UTF-32."""
    has_mark = head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:4] == b"\0\0\xfe\xff"
    return b"\0" in head and not has_mark and wide_encoding(head) is None


def _has_stray_nuls(head: bytes) -> bool:
    """Whether it is text but for NUL bytes, as a power cut leaves them in a log."""
    rest = head.replace(b"\0", b"")
    return len(rest) * 8 > len(head) and _looks_like_text(rest)


def _binary_reason(suffix: str, head: bytes) -> str:
    if not head.strip(b"\0"):
        return "filled with NUL bytes"
    if suffix in _BY_SUFFIX:
        return f"binary content in a {suffix} file"
    return f"binary file, no reader for {suffix}" if suffix else "binary file"
