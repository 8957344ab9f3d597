"""The one list of document types: which suffixes each has and which reader turns its bytes into a Document.

Reader modules are imported when their first file comes.
"""

import importlib
from collections.abc import Callable

from semsearch.errors import ReadError
from semsearch.sources.document import Document

Reader = Callable[[bytes, str], Document]

# type name -> (reader module, suffixes). A reader is `read(data, type) -> Document`.
_TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "markdown": ("markdown", (".md", ".markdown", ".mdown", ".mkd", ".mdx")),
    "rst": ("rst", (".rst",)),
    "html": ("html", (".html", ".htm", ".xhtml")),
    "pdf": ("pdf", (".pdf",)),
    "text": ("text", (".txt", ".text", ".log")),
    "python": ("code", (".py", ".pyi")),
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
    "json": ("text", (".json", ".jsonl")),
    "yaml": ("text", (".yaml", ".yml")),
    "toml": ("text", (".toml",)),
    "ini": ("text", (".ini", ".cfg", ".conf")),
    "csv": ("text", (".csv", ".tsv")),
    "xml": ("text", (".xml",)),
    "tex": ("text", (".tex",)),
    "org": ("text", (".org",)),
}
_BY_SUFFIX = {suffix: name for name, (_, suffixes) in _TYPES.items() for suffix in suffixes}


def type_named(name: str) -> str | None:
    """The type a user means by `--type NAME`: a type's name or one of its suffixes (`md`, `.md`)."""
    lowered = name.lower()
    if lowered in _TYPES:
        return lowered
    return _BY_SUFFIX.get("." + lowered.lstrip("."))


def type_names() -> list[str]:
    return sorted(_TYPES)


def read(path: str, data: bytes) -> Document:
    """The Document in `data`, read as the type its name and first bytes tell.

    Raises `ReadError`, with `skip` where the file is left out by rule rather than broken.
    """
    if data[:5] == b"%PDF-":
        name = "pdf"
    else:
        name = _BY_SUFFIX.get(_suffix(path), "text")
    if name != "pdf" and _is_binary(data):
        raise ReadError(_binary_reason(path, data), skip=True)
    if not data.strip():
        raise ReadError("empty file", skip=True)
    reader: Reader = importlib.import_module(f"semsearch.sources.readers.{_TYPES[name][0]}").read
    document = reader(data, name)
    if not document.text.strip():
        raise ReadError("no text in it", skip=True)
    return document


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1].lower()
    dot = name.rfind(".")
    return name[dot:] if dot > 0 else ""


def _is_binary(data: bytes) -> bool:
    """A NUL byte in the first 8 KiB, as git decides; UTF-16 and UTF-32 text starts with a byte order mark."""
    return b"\0" in data[:8192] and data[:2] not in (b"\xff\xfe", b"\xfe\xff") and data[:4] != b"\0\0\xfe\xff"


def _binary_reason(path: str, data: bytes) -> str:
    if not data.strip(b"\0"):
        return "filled with NUL bytes"
    suffix = _suffix(path)
    if suffix in _BY_SUFFIX:
        return f"binary content in a {suffix} file"
    return f"binary file, no reader for {suffix}" if suffix else "binary file"
