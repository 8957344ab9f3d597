"""What lies on a PDF page beside its text: values of form fields, notes, comments and stamps, addresses of links."""

import html
import re
from collections.abc import Iterator
from typing import Any

from semsearch.sources.document_builder import plain
from semsearch.sources.readers.pdf_fields import entry, said_by_field, text_of

# Those that mark text of the page, which some programs copy into them.
_MARKS = frozenset({"/Highlight", "/Underline", "/Squiggly", "/StrikeOut"})
# Those that show text of their own on the page.
_SHOWN = frozenset({"/FreeText", "/Stamp"})
_NOTES = frozenset(
    {"/Text", "/Caret", "/Ink", "/Square", "/Circle", "/Line", "/Polygon", "/PolyLine", "/FileAttachment", "/Redact"}
)
# Annotations of a page may share their texts; these are read for each.
_MOST_ANNOTATIONS = 10_000
_MOST_CHARACTERS = 1_000_000
_TAG = re.compile(r"<[^<>]*>")
# A copy of marked text has more words than a comment that happens to be one of the page.
_FEWEST_COPIED_WORDS = 3


def beside(page: Any, text: str) -> tuple[list[str], bool]:
    """What is said on `page`, of pypdf, that its `text` does not say, one line each; and whether that is all."""
    lines: dict[str, None] = {}
    try:
        annotations = list(entry(page, "/Annots") or ())
    except Exception:  # pypdf raises errors of any type on damaged pages, whose text was read
        return [], True
    held = plain(text) if annotations else ""
    appearances: dict[int, str] = {}
    left = _MOST_CHARACTERS
    for reference in annotations[:_MOST_ANNOTATIONS]:
        try:
            said = [one for one in _said(page, reference.get_object(), held, appearances) if one and one not in lines]
        except MemoryError:
            raise
        except Exception:  # one damaged annotation must not cost the others
            continue
        left -= sum(map(len, said))
        if left < 0:
            return list(lines), False
        lines |= dict.fromkeys(said)
    return list(lines), len(annotations) <= _MOST_ANNOTATIONS


def shows_picture(page: Any) -> bool:
    """Whether there is a picture on `page`, of pypdf, such as a scan with links or stamps on it."""
    try:
        drawn = entry(entry(page, "/Resources"), "/XObject") or {}
        return any(entry(drawn[name], "/Subtype") == "/Image" for name in drawn)
    except MemoryError:
        raise
    except Exception:  # pypdf raises errors of any type on damaged pages, whose text was read
        return False


def _said(page: Any, annotation: Any, held: str, appearances: dict[int, str]) -> Iterator[str]:
    """What `annotation` says; `held`: the text of its page on one line; `appearances`: those read so far."""
    kind = entry(annotation, "/Subtype")
    if kind == "/Widget":
        yield from said_by_field(annotation)
    elif kind == "/Link":
        address = text_of(entry(entry(annotation, "/A"), "/URI"))
        address = address.partition("://")[2].rstrip("/") or address
        if address and address not in held:
            yield f"Link: {address}"
    elif kind in _MARKS or kind in _SHOWN or kind in _NOTES:
        content = text_of(entry(annotation, "/Contents")) or _without_tags(text_of(entry(annotation, "/RC")))
        if kind in _SHOWN:
            content = _once(content, _appearance(page, annotation, appearances))
        if kind == "/Stamp" and not content:
            content = text_of(entry(annotation, "/Name")).removeprefix("/")
        if kind in _MARKS and content in held and content.count(" ") + 1 >= _FEWEST_COPIED_WORDS:
            return
        author = text_of(entry(annotation, "/T"))
        if content:
            yield f"Note by {author}: {content}" if author else f"Note: {content}"


def _appearance(page: Any, annotation: Any, appearances: dict[int, str]) -> str:
    """The text in the picture of `annotation`, kept in `appearances`; empty where it has none that can be read."""
    picture = entry(entry(annotation, "/AP"), "/N")
    if picture is not None and not hasattr(picture, "get_data"):  # one for each state
        picture = entry(picture, entry(annotation, "/AS"))
    if not hasattr(picture, "get_data"):
        return ""
    key = id(picture)  # pypdf keeps what it has read
    if key not in appearances:
        try:
            appearances[key] = plain(page.extract_xform_text(picture))
        except MemoryError:
            raise
        except Exception:  # a damaged picture must not cost what else the annotation says
            appearances[key] = ""
    return appearances[key]


def _once(content: str, shown: str) -> str:
    """Both texts of an annotation, or the one that says what the other does; their blanks may differ."""
    one, other = "".join(content.split()).lower(), "".join(shown.split()).lower()
    if other in one:
        return content
    return shown if one in other else f"{content} {shown}"


def _without_tags(text: str) -> str:
    return plain(html.unescape(_TAG.sub(" ", text)))
