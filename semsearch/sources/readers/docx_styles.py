"""Styles of Word documents: which paragraphs are headings, and which belong to a list."""

import re
from typing import Any

from semsearch.sources.xml_elements import attribute, child, local, whole

_HEADING_STYLE = re.compile(r"(?:heading|head|h|überschrift|titre|título|titolo|kop|rubrik)[ _-]?([1-9a-f])")
_TITLES = ("title", "chaptertitle", "chapter title")
_MOST_BASED_ON = 20
# The outline level of paragraphs that are no headings.
_NO_LEVEL = 9


class Styles:
    """The paragraph styles of a document; `root`: that of its part, None where it has none."""

    def __init__(self, root: Any) -> None:
        styles = [one for one in root if local(one) == "style"] if root is not None else []
        self._by_id = {attribute(one, "styleId") or "": one for one in styles}
        self._levels = {name: level for name, one in self._by_id.items() if (level := _level_of(one)) is not None}

    def heading_level(self, paragraph: Any) -> int | None:
        """The level of a heading, 0 for a title; None for other paragraphs."""
        own = child(paragraph, "pPr", "outlineLvl")
        if own is not None and (level := whole(attribute(own, "val"), _NO_LEVEL)) < _NO_LEVEL:
            return level + 1
        for style in self._chain(paragraph):
            of_style = self._levels.get(attribute(style, "styleId") or "")
            if of_style is not None:
                return of_style
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
        return number, whole(level, 0)

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
        return int(mark) if mark.isdecimal() else ord(mark) - ord("a") + 1
    if label in _TITLES:
        return 0
    outline = child(style, "pPr", "outlineLvl")
    level = whole(attribute(outline, "val"), _NO_LEVEL) if outline is not None else _NO_LEVEL
    return level + 1 if level < _NO_LEVEL else None
