"""What lies on a PDF page beside its text: values of form fields, notes, comments and stamps, addresses of links."""

from collections.abc import Iterator
from typing import Any

from semsearch.sources.document_builder import plain

_NOTES = frozenset(
    {"/Text", "/FreeText", "/Highlight", "/Underline", "/Squiggly", "/StrikeOut", "/Stamp", "/Caret", "/Ink", "/Square",
     "/Circle", "/Line", "/Polygon", "/PolyLine", "/FileAttachment", "/Redact"}
)  # fmt: skip
_MOST_ANNOTATIONS = 10_000
_MOST_ABOVE = 20
_OFF = ("/Off", "Off", "")


def beside(page: Any, text: str) -> list[str]:
    """What is said on `page`, of pypdf, that its `text` does not say; one line each."""
    lines: list[str] = []
    try:
        annotations = list(page.get("/Annots") or ())[:_MOST_ANNOTATIONS]
    except Exception:  # pypdf raises errors of any type on damaged pages, whose text was read
        return lines
    for reference in annotations:
        try:
            lines += _said(reference.get_object())
        except Exception:  # one damaged annotation must not cost the others
            continue
    held = plain(text)
    return [line for line in dict.fromkeys(lines) if line and line.partition(": ")[2] not in held] if held else [
        line for line in dict.fromkeys(lines) if line
    ]  # fmt: skip


def _said(annotation: Any) -> Iterator[str]:
    kind = annotation.get("/Subtype")
    if kind == "/Widget":
        value, name = _text(_inherited(annotation, "/V")), _text(_inherited(annotation, "/TU"))
        label = name or _text(_inherited(annotation, "/T"))
        if value not in _OFF and label:
            yield f"{label}: {value.lstrip('/')}"
    elif kind == "/Link":
        action = annotation.get("/A")
        address = _text(action.get_object().get("/URI")) if action is not None else ""
        if address:
            yield f"Link: {address.partition('://')[2].rstrip('/') or address}"
    elif kind in _NOTES:
        content, author = _text(annotation.get("/Contents")), _text(annotation.get("/T"))
        if content:
            yield f"Note by {author}: {content}" if author else f"Note: {content}"


def _inherited(field: Any, key: str) -> Any:
    """The value of `key` in a form field, or in those it is part of."""
    for _ in range(_MOST_ABOVE):
        if key in field:
            return field[key]
        if "/Parent" not in field:
            return None
        field = field["/Parent"].get_object()
    return None


def _text(value: Any) -> str:
    if value is None:
        return ""
    value = value.get_object() if hasattr(value, "get_object") else value
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)
    if isinstance(value, bytes):
        return plain(value.decode("latin-1"))
    return plain(str(value).replace("\0", "")) if isinstance(value, str | int | float) else ""
