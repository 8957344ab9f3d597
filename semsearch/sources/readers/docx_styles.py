"""Styles and automatic numbers of Word documents: which paragraphs are headings, and `2.`, `(b)`, `IV` before them."""

import re
from collections import defaultdict
from typing import Any

from semsearch.sources.xml_elements import attribute, child, local

_HEADING_STYLE = re.compile(r"(?:heading|head|h|überschrift|titre|título|titolo|kop|rubrik)[ _-]?([1-9a-f])")
_TITLES = ("title", "chaptertitle", "chapter title")
_PLACE = re.compile(r"%([1-9])")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_MOST_BASED_ON = 20


class Styles:
    """The paragraph styles of a document; `root`: that of its part, None where it has none."""

    def __init__(self, root: Any) -> None:
        styles = [one for one in root if local(one) == "style"] if root is not None else []
        self._by_id = {attribute(one, "styleId") or "": one for one in styles}
        self._levels = {name: level for name, one in self._by_id.items() if (level := _level_of(one)) is not None}

    def heading_level(self, paragraph: Any) -> int | None:
        """The level of a heading, 0 for a title; None for other paragraphs."""
        own = child(paragraph, "pPr", "outlineLvl")
        if own is not None and (attribute(own, "val") or "9").isdigit() and int(attribute(own, "val") or 9) < 9:
            return int(attribute(own, "val") or 0) + 1
        for style in self._chain(paragraph):
            level = self._levels.get(attribute(style, "styleId") or "")
            if level is not None:
                return level
        return None

    def numbering_of(self, paragraph: Any) -> tuple[str, int] | None:
        """(number of the list, level from 0) of a paragraph, its own or that of its style; None where it has none."""
        number: str | None = None
        level: str | None = None
        for holder in (paragraph, *self._chain(paragraph)):
            properties = child(holder, "pPr", "numPr")
            if properties is None:
                continue
            for name in ("numId", "ilvl"):
                found = child(properties, name)
                value = attribute(found, "val") if found is not None else None
                if name == "numId" and number is None:
                    number = value
                elif name == "ilvl" and level is None:
                    level = value
        if number is None or number == "0":
            return None
        return number, int(level) if level and level.isdigit() else 0

    def _chain(self, paragraph: Any) -> list[Any]:
        """The style of a paragraph, and those it is based on."""
        named = child(paragraph, "pPr", "pStyle")
        style = self._by_id.get(attribute(named, "val") or "") if named is not None else None
        chain: list[Any] = []
        while style is not None and len(chain) < _MOST_BASED_ON:
            chain.append(style)
            based = child(style, "basedOn")
            style = self._by_id.get(attribute(based, "val") or "") if based is not None else None
        return chain


def _level_of(style: Any) -> int | None:
    """The heading level of a style by its name, as in publishers' templates (`Heading 2`, `HeadB`, `H2`), or by its
    outline level; 0: a title; None: it is no heading."""
    name = child(style, "name")
    label = (attribute(name, "val") or "").lower() if name is not None else ""
    match = _HEADING_STYLE.fullmatch(label)
    if match:
        mark = match.group(1)
        return int(mark) if mark.isdigit() else ord(mark) - ord("a") + 1
    if label in _TITLES:
        return 0
    outline = child(style, "pPr", "outlineLvl")
    value = attribute(outline, "val") if outline is not None else None
    return int(value) + 1 if value is not None and value.isdigit() and int(value) < 9 else None


class Numbering:
    """Counts the numbered paragraphs of a document; `root`: that of its part, None where it has none."""

    def __init__(self, root: Any, styles: Styles) -> None:
        self._styles = styles
        abstract = {}
        self._lists: dict[str, tuple[str, dict[int, Any]]] = {}
        for one in root if root is not None else ():
            if local(one) == "abstractNum":
                abstract[attribute(one, "abstractNumId") or ""] = _levels(one)
            elif local(one) == "num":
                kind = child(one, "abstractNumId")
                key = (attribute(kind, "val") or "") if kind is not None else ""
                levels = dict(abstract.get(key, {}))
                overrides = [override for override in one if local(override) == "lvlOverride"]
                for override in overrides:
                    own = child(override, "lvl")
                    if own is not None:
                        levels[_whole(attribute(override, "ilvl"), 0)] = own
                # Lists of one kind go on counting together, unless they begin anew.
                number = attribute(one, "numId") or ""
                restarts = any(child(override, "startOverride") is not None for override in overrides)
                self._lists[number] = (number if restarts else f"kind {key}", levels)
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)

    def label(self, paragraph: Any) -> str:
        """The number before a paragraph, as Word shows it; empty for paragraphs without one, and for bullets."""
        place = self._styles.numbering_of(paragraph)
        if place is None or place[0] not in self._lists:
            return ""
        (counted, levels), level = self._lists[place[0]], place[1]
        counts = self._counts[counted]
        counts[level] = counts.get(level, _start(levels.get(level)) - 1) + 1
        for deeper in [one for one in counts if one > level]:
            del counts[deeper]
        definition = levels.get(level)
        if definition is None:
            return ""
        text, form = child(definition, "lvlText"), _format(definition)
        if text is None or form in ("bullet", "none"):
            return ""

        def shown(match: re.Match[str]) -> str:
            one = int(match.group(1)) - 1
            return _written(counts.get(one, _start(levels.get(one))), _format(levels.get(one)))

        return _PLACE.sub(shown, attribute(text, "val") or "").strip()


def _levels(element: Any) -> dict[int, Any]:
    return {_whole(attribute(one, "ilvl"), 0): one for one in element if local(one) == "lvl"}


def _start(level: Any) -> int:
    start = child(level, "start") if level is not None else None
    return _whole(attribute(start, "val"), 1) if start is not None else 1


def _format(level: Any) -> str:
    form = child(level, "numFmt") if level is not None else None
    return (attribute(form, "val") or "decimal") if form is not None else "decimal"


def _written(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter") and number > 0:
        # a to z, then aa to zz.
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters.upper() if form == "upperLetter" else letters
    if form in ("lowerRoman", "upperRoman") and 0 < number < 5000:
        roman = ""
        for value, mark in _ROMAN:
            roman, number = roman + mark * (number // value), number % value
        return roman.upper() if form == "upperRoman" else roman
    return f"{number:02}" if form == "decimalZero" else str(number)


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default
