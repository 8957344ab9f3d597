"""Automatic numbers of Word documents: `2.`, `(b)`, `IV` before a paragraph, by the definitions in numbering.xml."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from semsearch.sources.readers.docx_styles import Styles
from semsearch.sources.readers.numerals import numeral
from semsearch.sources.xml_elements import attribute, child, local, named, whole

_PLACE = re.compile(r"%([1-9])")
# Word knows levels 0 to 8. What a level says around its numbers stands before each paragraph.
_LAST_LEVEL = 8
_LONGEST_LABEL = 200


@dataclass(frozen=True)
class _Level:
    """How one level of a list is numbered. `text`: with `%1` in the place of the number of the first level.

    `restarts_after`: a level above, from 1, whose numbers begin this one anew; None: all above, 0: none.
    """

    start: int = 1
    form: str = "decimal"
    text: str = ""
    restarts_after: int | None = None
    is_legal: bool = False


@dataclass
class _Kind:
    """A definition that lists share (`abstractNum`). `link`: the style of lists whose definition is meant instead."""

    key: str
    levels: Mapping[int, _Level]
    link: str | None


@dataclass
class _List:
    """A list (`num`) of the kind `kind`, with which it goes on counting. `starts`: level -> number with which its first
    paragraph begins anew; let go of then."""

    kind: str
    levels: Mapping[int, _Level]
    starts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Counts the numbered paragraphs of a document; `root`: that of its part, None where it has none."""

    def __init__(self, root: Any, styles: Styles) -> None:
        self._styles = styles
        self._lists: dict[str, _List] = {}
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        if root is None:
            return
        kinds: dict[str, _Kind] = {}
        by_style: dict[str, _Kind] = {}
        for one in named(root, "abstractNum"):
            kind = _Kind(attribute(one, "abstractNumId") or "", _levels(one), _value(one, "numStyleLink"))
            kinds[kind.key] = kind
            if (style := _value(one, "styleLink")) is not None:
                by_style[style] = kind
        for one in named(root, "num"):
            own = kinds.get(_value(one, "abstractNumId") or "", _Kind("", {}, None))
            self._lists[attribute(one, "numId") or ""] = _list(one, by_style.get(own.link or "", own))

    def label(self, paragraph: Any) -> str:
        """The number before a paragraph, as Word shows it; empty for paragraphs without one, and for bullets.

        To be asked for every paragraph once, in order: each is counted.
        """
        place = self._styles.numbering_of(paragraph)
        if place is None or place[0] not in self._lists:
            return ""
        one, level = self._lists[place[0]], min(place[1], _LAST_LEVEL)
        counts, levels = self._counts[one.kind], one.levels
        definition = levels.get(level, _Level())
        counts[level] = one.starts.pop(level, counts.get(level, definition.start - 1) + 1)
        for deeper in [other for other in counts if other > level]:
            after = levels.get(deeper, _Level()).restarts_after
            if after is None or level < after:
                del counts[deeper]
        if definition.form in ("bullet", "none"):
            return ""

        def written(match: re.Match[str]) -> str:
            place = int(match.group(1)) - 1
            shown = levels.get(place, _Level())
            form = "decimal" if definition.is_legal and shown.form != "decimalZero" else shown.form
            return numeral(counts.get(place, shown.start), form) if form != "none" else ""

        return _PLACE.sub(written, definition.text).strip()[:_LONGEST_LABEL]


def _list(element: Any, kind: _Kind) -> _List:
    """A list of the kind `kind`, with what `element` overrides."""
    starts: dict[int, int] = {}
    own_levels: dict[int, _Level] = {}
    for override in named(element, "lvlOverride"):
        place = min(whole(attribute(override, "ilvl"), 0), _LAST_LEVEL)
        own = child(override, "lvl")
        if own is not None:
            own_levels[place] = _level(own)
        start = _value(override, "startOverride")
        if start is not None:
            starts[place] = whole(start, 1)
    # Most lists override nothing, and share the levels of their kind.
    return _List(kind.key, {**kind.levels, **own_levels} if own_levels else kind.levels, starts)


def _levels(element: Any) -> dict[int, _Level]:
    levels = ((whole(attribute(one, "ilvl"), 0), one) for one in element if local(one) == "lvl")
    return {place: _level(one) for place, one in levels if place <= _LAST_LEVEL}


def _level(element: Any) -> _Level:
    after = _value(element, "lvlRestart")
    legal = child(element, "isLgl")
    return _Level(
        whole(_value(element, "start"), 1),
        _form(element),
        (_value(element, "lvlText") or "")[:_LONGEST_LABEL],
        None if after is None else whole(after, 0),
        legal is not None and (attribute(legal, "val") or "1") not in ("0", "false", "off"),
    )


def _form(level: Any) -> str:
    """The format of a level; of `001, 002, ...`, which old versions do not know, its first number."""
    custom = child(level, "AlternateContent", "Choice", "numFmt")
    form = custom if custom is not None else child(level, "numFmt")
    if form is None:
        return "decimal"
    first = (attribute(form, "format") or "").split(",")[0]
    return first if first.strip("0") == "1" else attribute(form, "val") or "decimal"


def _value(element: Any, name: str) -> str | None:
    """The value of the element `name` in `element`."""
    found = child(element, name)
    return attribute(found, "val") if found is not None else None
