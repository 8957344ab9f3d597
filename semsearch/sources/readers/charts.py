"""Charts of Word, PowerPoint and Excel: their titles, and each series with `category: value` pairs."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from semsearch.sources.document_builder import plain
from semsearch.sources.readers.drawing_text import paragraphs_of_drawing
from semsearch.sources.readers.number_format import shown_number
from semsearch.sources.xml_elements import child, named, whole


def chart_lines(root: Any) -> list[str]:
    """The texts of a chart of any kind: titles, then for each series its name with `category: value` pairs."""
    lines: list[str] = []
    for element in named(root, "title", "txPr", "dLbl"):
        lines += paragraphs_of_drawing(element) or _points(element).values()
    epoch_1904 = (_value(root, "date1904") or "0") not in ("0", "false")
    for series in named(root, "ser"):
        name = " ".join(_first(series, ("tx",), epoch_1904).values())
        categories = _first(series, ("cat", "xVal"), epoch_1904)
        values = _first(series, ("val", "yVal", "bubbleSize"), epoch_1904)
        lines.append(_paired(name, categories, values))
    # Charts of 2016 and later keep their data apart.
    for data in (one for one in named(root, "data") if one.get("id") is not None):
        categories = _first(data, ("strDim",), epoch_1904)
        lines.append(_paired("", categories, _first(data, ("numDim",), epoch_1904)))
    return list(dict.fromkeys(line for line in map(plain, lines) if line))


def _paired(name: str, categories: dict[int, str], values: dict[int, str]) -> str:
    pairs = [
        ": ".join(points[place] for points in (categories, values) if points.get(place))
        for place in sorted(categories.keys() | values.keys())
    ]
    return " | ".join(one for one in (name, *pairs) if one)


def _first(element: Any, names: Iterable[str], epoch_1904: bool) -> dict[int, str]:
    """The points of the first of `names` in `element`."""
    return next((_points(found, epoch_1904) for name in names if (found := child(element, name)) is not None), {})


def _points(element: Any, epoch_1904: bool = False) -> dict[int, str]:
    """Number of the point -> its text, as the file keeps them: points without a value are left out there.

    Where points have names on several levels, the innermost comes first; one above goes on until the next.
    """
    levels = list(named(element, "lvl"))
    points = _points_of_level(levels[0] if levels else element, epoch_1904)
    for level in levels[1:]:
        above = _points_of_level(level, epoch_1904)
        begins = sorted(above)
        for place in points:
            if (before := bisect_right(begins, place)) > 0:
                points[place] = f"{above[begins[before - 1]]} {points[place]}"
    if not points:
        texts = [plain(one.text or "") for one in named(element, "v")]
        points = {place: text for place, text in enumerate(texts) if text}
    return points


def _points_of_level(element: Any, epoch_1904: bool) -> dict[int, str]:
    code = next((one.text or "" for one in named(element, "formatCode")), element.get("formatCode") or "")
    points = {}
    for position, point in enumerate(named(element, "pt")):
        value = child(point, "v")
        text = plain((point if value is None else value).text or "")
        if text:
            code_of_point = point.get("formatCode") or code
            shown = _shown(text, code_of_point, epoch_1904) if code_of_point else text
            points[whole(point.get("idx"), position)] = shown
    return points


def _shown(text: str, code: str, epoch_1904: bool) -> str:
    try:
        return shown_number(float(text), 0, code, epoch_1904)
    except (ValueError, OverflowError):
        return text  # an error in a cell, such as #N/A


def _value(element: Any, name: str) -> str | None:
    found = child(element, name)
    return (found.get("val") or "1") if found is not None else None
