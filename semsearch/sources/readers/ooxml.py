"""What Word, PowerPoint and Excel files have in common: a ZIP archive of XML parts that refer to one another.

Elements are known by their names without namespaces, so that the Strict form of ISO 29500, which has other namespaces,
is read like the usual one, and so are files for macros and templates, which have other content types.
"""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from semsearch.sources.document_builder import plain
from semsearch.sources.xml_elements import attribute, child, local, named, parsed

_PROPERTIES = {
    "creator": "author", "subject": "subject", "keywords": "keywords", "description": "description",
    "category": "category", "created": "created", "modified": "modified",
}  # fmt: skip


@dataclass(frozen=True)
class Relation:
    """A reference of a part: `kind`, such as `footnotes`; `target`: the name of a part, or an address outside."""

    id: str
    kind: str
    target: str
    is_external: bool


class Package:
    """The parts of the file in `data`. Raises `zipfile.BadZipFile`."""

    def __init__(self, data: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._names = {name.lower(): name for name in self._archive.namelist()}
        self._unreadable: list[str] = []

    def part(self, name: str) -> Any:
        """The root element of the part `name`, which the document can do without; None where it cannot be read, which
        `notice` then tells."""
        from lxml import etree

        try:
            return self.root(name)
        except (etree.XMLSyntaxError, zipfile.BadZipFile, zlib.error):
            self._unreadable.append(name)
            return None

    def notice(self) -> str:
        """What of the file could not be read; empty where nothing was."""
        return f"{', '.join(dict.fromkeys(self._unreadable))} cannot be read" if self._unreadable else ""

    def root(self, name: str) -> Any:
        """The root element of the part `name`; None where there is none. Raises the errors of lxml."""
        content = self.content(name)
        return None if content is None else parsed(content)

    def content(self, name: str) -> bytes | None:
        """The bytes of the part `name`; None where there is none."""
        stored = self._names.get(name.lower().lstrip("/"))
        return None if stored is None else self._archive.read(stored)

    def opened(self, name: str) -> Any:
        """The part `name` as a file to read from; None where there is none."""
        stored = self._names.get(name.lower().lstrip("/"))
        return None if stored is None else self._archive.open(stored)

    def relations(self, part: str) -> list[Relation]:
        """The references of `part`; those of the package where it is empty."""
        folder, name = posixpath.split(part)
        root = self.part(posixpath.join(folder, "_rels", f"{name}.rels"))
        found = []
        for element in root if root is not None else ():
            if not isinstance(element.tag, str):
                continue
            target = element.get("Target") or ""
            is_external = element.get("TargetMode") == "External"
            if not is_external:
                target = posixpath.normpath(posixpath.join("/", folder, unquote(target))).lstrip("/")
            kind = (element.get("Type") or "").rpartition("/")[2]
            found.append(Relation(element.get("Id") or "", kind, target, is_external))
        return found

    def main_part(self, usual: str) -> str:
        """The name of the part that the document begins with; `usual`: its name where the file does not tell."""
        named = (one.target for one in self.relations("") if one.kind == "officeDocument")
        return next(named, usual)

    def properties(self) -> tuple[str, dict[str, object]]:
        """(title, metadata) of the file."""
        part = next((one.target for one in self.relations("") if one.kind == "core-properties"), "docProps/core.xml")
        root = self.part(part)
        values = {local(element): plain(element.text or "") for element in root if isinstance(element.tag, str)} if (
            root is not None
        ) else {}  # fmt: skip
        metadata: dict[str, object] = {label: values.get(name, "") for name, label in _PROPERTIES.items()}
        return values.get("title", ""), metadata


def paragraphs_of_drawing(element: Any) -> list[str]:
    """The paragraphs of DrawingML text below `element`: of a shape, a text box, a diagram."""
    return [text for one in named(element, "p") if (text := drawing_text(one))]


def drawing_text(paragraph: Any) -> str:
    """The text of one paragraph of DrawingML."""
    parts = []
    for one in paragraph.iter():
        name = local(one)
        if name == "t":
            parts.append(one.text or "")
        elif name == "br":
            parts.append("\n")
    return "".join(parts).replace("\v", "\n").strip()


def alternative_text(element: Any) -> list[str]:
    """What the pictures below `element` are said to show."""
    said = []
    for one in element.iter():
        if local(one) in ("docPr", "cNvPr"):
            for name in ("title", "descr"):
                text = plain(one.get(name) or "")
                if text and text not in said:
                    said.append(text)
    return said


def referred(package: Package, part: str, element: Any) -> Iterator[str]:
    """The texts of the charts and diagrams that the drawings below `element`, which stands in `part`, refer to."""
    relations = {one.id: one for one in package.relations(part) if not one.is_external}
    for one in element.iter():
        name = local(one)
        if name == "chart" and (relation := relations.get(attribute(one, "id") or "")) is not None:
            root = package.part(relation.target)
            if root is not None:
                yield from chart_lines(root)
        elif name == "relIds" and (relation := relations.get(attribute(one, "dm") or "")) is not None:
            root = package.part(relation.target)
            if root is not None:
                yield from paragraphs_of_drawing(root)


def chart_lines(root: Any) -> list[str]:
    """The texts of a chart of any kind: titles, then for each series its name with `category: value` pairs."""
    lines = []
    titles = [element for element in root.iter() if local(element) in ("title", "txPr", "dLbl")]
    for element in titles:
        lines += paragraphs_of_drawing(element) or _cached(element)
    for series in (element for element in root.iter() if local(element) == "ser"):
        name = " ".join(_cached(child(series, "tx"))) if child(series, "tx") is not None else ""
        categories = _first_cached(series, ("cat", "xVal"))
        values = _first_cached(series, ("val", "yVal", "bubbleSize"))
        pairs = [
            f"{category}: {value}" if value else category
            for category, value in zip(categories, [*values, *[""] * (len(categories) - len(values))], strict=False)
        ] or values
        lines.append(" | ".join([*([name] if name else []), *pairs]))
    # Charts of 2016 and later keep their data apart.
    for data in (element for element in root.iter() if local(element) == "data" and element.get("id") is not None):
        lines.append(" | ".join(plain(point.text or "") for point in data.iter() if local(point) == "pt"))
    return list(dict.fromkeys(line for line in map(plain, lines) if line))


def _first_cached(series: Any, names: Iterable[str]) -> list[str]:
    return next((_cached(found) for name in names if (found := child(series, name)) is not None), [])


def _cached(element: Any) -> list[str]:
    """The cached values below `element`, in order."""
    return [plain(one.text or "") for one in element.iter() if local(one) == "v" and one.text]
