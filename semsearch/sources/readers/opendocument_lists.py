"""Automatic numbers of OpenDocument: those of lists, and of headings by the outline of the document."""

import re
from dataclasses import dataclass
from typing import Any

from semsearch.sources.readers.numerals import numeral
from semsearch.sources.xml_elements import attribute, local, named, whole

_FORMS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman", "1st": "ordinal"}
_PLACE = re.compile(r"%(\d{1,2})%")
_PARAGRAPHS = ("p", "h")
# OpenDocument knows so many levels of lists and of headings (19.880 and 16.34 of its part 3).
_MOST_LEVELS = 10
# What a style says before and behind numbers stands before each paragraph.
_LONGEST_LABEL = 200


@dataclass(frozen=True)
class _Level:
    """How a level is numbered. `form`: empty for one without numbers; `shown`: how many levels its number tells;
    `pattern`: how, with `%1%` in the place of the number of the first level, where the file says so."""

    form: str = ""
    prefix: str = ""
    suffix: str = ""
    start: int = 1
    shown: int = 1
    pattern: str = ""


# Level from 1 -> number of its last paragraph.
_Counts = dict[int, int]


class ListNumbers:
    """Counts the numbered paragraphs of a document; `roots`: of the parts that hold styles."""

    def __init__(self, *roots: Any) -> None:
        self._styles: dict[str, dict[int, _Level]] = {}
        self._outline: dict[int, _Level] = {}
        # Style of paragraphs -> its style of lists.
        self._of_paragraphs: dict[str, str] = {}
        for root in roots:
            for style in named(root, "list-style", "outline-style", "style") if root is not None else ():
                name = attribute(style, "name") or ""
                if local(style) == "style":
                    if (lists := attribute(style, "list-style-name")) is not None:
                        self._of_paragraphs[name] = lists
                    continue
                self._styles[name] = _levels(style)
                if local(style) == "outline-style":
                    self._outline = self._styles[name]
        self._outline_counts: _Counts = {}
        self._list: Any = None
        self._counts: _Counts = {}
        self._last_of_style: dict[str, _Counts] = {}
        self._by_id: dict[str | None, _Counts] = {}

    def label(self, paragraph: Any) -> str:
        """The number before a paragraph; empty for those without one.

        To be asked for every paragraph once, in order: each is counted.
        """
        item, lists = paragraph.getparent(), []
        above = item
        while local(above) in ("list", "list-item", "list-header"):
            lists += [above] if local(above) == "list" else []
            if len(lists) > _MOST_LEVELS:
                return ""
            above = above.getparent()
        if not lists:
            return self._label_of_heading(paragraph) if local(paragraph) == "h" else ""
        first = next((one for one in item if local(one) in _PARAGRAPHS), None)
        if local(item) != "list-item" or first is not paragraph:
            return ""
        style = next((name for one in lists if (name := attribute(one, "style-name"))), "")
        style = style or self._of_paragraphs.get(attribute(paragraph, "style-name") or "", "")
        self._enter(lists[-1], style)
        return _counted(self._counts, self._styles.get(style, {}), len(lists), attribute(item, "start-value"))

    def _enter(self, top: Any, style: str) -> None:
        """Goes on in the list `top`, which is not in another one."""
        if top is not self._list:
            goes_on = attribute(top, "continue-numbering") == "true"
            named_one = self._by_id.get(attribute(top, "continue-list"))
            self._counts = named_one or (self._last_of_style.get(style, {}) if goes_on else {})
            self._list = top
            if (name := attribute(top, "id")) is not None:
                self._by_id[name] = self._counts
        self._last_of_style[style] = self._counts

    def _label_of_heading(self, heading: Any) -> str:
        if attribute(heading, "is-list-header") == "true":
            return ""
        return _counted(self._outline_counts, self._outline, level_of(heading), attribute(heading, "start-value"))


def level_of(heading: Any) -> int:
    """The outline level of a heading, from 1."""
    return min(whole(attribute(heading, "outline-level"), 1), _MOST_LEVELS)


def _counted(counts: _Counts, levels: dict[int, _Level], level: int, start: str | None) -> str:
    """Counts one paragraph of `level`, which begins at `start` where the file says so; returns its number."""
    own = levels.get(level, _Level())
    counts[level] = whole(start, counts.get(level, own.start - 1) + 1)
    for deeper in [one for one in counts if one > level]:
        del counts[deeper]
    if not own.form:
        return ""

    def written(place: int) -> str:
        one = levels.get(place, _Level())
        return numeral(counts.get(place, one.start), _FORMS.get(one.form, "decimal")) if one.form else ""

    if own.pattern:
        label = _PLACE.sub(lambda match: written(int(match.group(1))), own.pattern)
    else:
        places = range(max(1, level - own.shown + 1), level + 1)
        label = f"{own.prefix}{'.'.join(text for place in places if (text := written(place)))}{own.suffix}"
    return label.strip()[:_LONGEST_LABEL]


def _levels(style: Any) -> dict[int, _Level]:
    """Level from 1 -> how `style` numbers it."""
    return {
        whole(attribute(one, "level"), 1): _Level(
            attribute(one, "num-format") or "",
            (attribute(one, "num-prefix") or "")[:_LONGEST_LABEL],
            (attribute(one, "num-suffix") or "")[:_LONGEST_LABEL],
            whole(attribute(one, "start-value"), 1),
            whole(attribute(one, "display-levels"), 1),
            (attribute(one, "num-list-format") or "")[:_LONGEST_LABEL],
        )
        for one in style
        if local(one) in ("list-level-style-number", "outline-level-style")
    }
