"""What the fields of a PDF form say, as they show it: text, the chosen of several, ticked boxes, signatures."""

from collections.abc import Iterator
from typing import Any

from semsearch.sources.document_builder import plain

_MOST_ABOVE = 20
_OFF = ("Off", "")
# Bits of the flags of a field.
_PASSWORD = 1 << 13
_PUSH_BUTTON = 1 << 16


def said_by_field(widget: Any) -> Iterator[str]:
    """`name: value` of the field that `widget`, of pypdf, shows; nothing where it is empty or not ticked."""
    kind, value, flags = inherited(widget, "/FT"), inherited(widget, "/V"), inherited(widget, "/Ff")
    flags = flags if isinstance(flags, int) else 0
    label = text_of(inherited(widget, "/TU")) or text_of(inherited(widget, "/T"))
    if kind == "/Btn" or (kind is None and str(value).startswith("/")):
        shown = text_of(entry(entry(widget, "/MK"), "/CA")) if flags & _PUSH_BUTTON else _chosen_state(widget)
    elif kind == "/Ch":
        shown = ", ".join(_chosen(widget, value))
    elif kind == "/Sig":
        shown = _signature(value)
    elif flags & _PASSWORD:
        shown = ""
    else:
        shown = text_of(value)
    if shown:
        yield f"{label}: {shown}" if label else shown


def _chosen_state(widget: Any) -> str:
    """What a box or radio button stands for, where it is on; else empty."""
    state = entry(widget, "/AS")
    if state is None:
        # Without a state of its own it is on if the field has the value for which this button has a picture.
        state = inherited(widget, "/V")
        pictures = entry(entry(widget, "/AP"), "/N")
        if pictures is not None and state not in pictures:
            return ""
    name = text_of(state).removeprefix("/")
    if name in _OFF:
        return ""
    options = inherited(widget, "/Opt")
    # Buttons with values that cannot be names are numbered.
    if isinstance(options, list) and name.isdecimal() and int(name) < len(options):
        return text_of(_display(options[int(name)]))
    return name


def _chosen(widget: Any, value: Any) -> list[str]:
    """What a list shows for its chosen values, which may be other than these."""
    shown = {}
    for option in inherited(widget, "/Opt") or ():
        option = option.get_object()
        if isinstance(option, list) and len(option) > 1:
            shown[text_of(option[0])] = text_of(option[1])
    values = value if isinstance(value, list) else [value]
    return [shown.get(one, one) for one in map(text_of, values) if one]


def _display(option: Any) -> Any:
    option = option.get_object()
    return option[-1] if isinstance(option, list) and option else option


def _signature(value: Any) -> str:
    return ", ".join(filter(None, (text_of(entry(value, key)) for key in ("/Name", "/Reason", "/Location"))))


def inherited(field: Any, key: str) -> Any:
    """The value of `key` in a form field, or in those it is part of; None where it has none."""
    for _ in range(_MOST_ABOVE):
        if key in field:
            return field[key]
        if "/Parent" not in field:
            return None
        field = field["/Parent"].get_object()
    return None


def entry(dictionary: Any, key: str) -> Any:
    """The value of `key` in a dictionary of pypdf; None where it has none, or `dictionary` is none."""
    # Its `get` gives a reference where there is one.
    return dictionary[key] if hasattr(dictionary, "keys") and key in dictionary else None


def text_of(value: Any) -> str:
    """A value of pypdf as text on one line; empty for what is no text."""
    if value is None:
        return ""
    value = value.get_object() if hasattr(value, "get_object") else value
    if isinstance(value, list):
        return ", ".join(filter(None, map(text_of, value)))
    if isinstance(value, bytes):
        # Text, also as a stream, which has its content in bytes.
        return plain(_decoded(value))
    if hasattr(value, "get_data"):
        return plain(_decoded(value.get_data()))
    return plain(str(value).replace("\0", "")) if isinstance(value, str | int | float) else ""


def _decoded(value: bytes) -> str:
    return value.decode("utf-16" if value[:2] in (b"\xfe\xff", b"\xff\xfe") else "latin-1", "replace")
