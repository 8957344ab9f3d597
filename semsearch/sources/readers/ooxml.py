"""What Word, PowerPoint and Excel files have in common: a ZIP archive of XML parts that refer to one another.

Elements are known by their names without namespaces, so that the Strict form of ISO 29500, which has other namespaces,
is read like the usual one, and so are files for macros and templates, which have other content types.
"""

import io
import posixpath
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from semsearch.sources.document_builder import plain
from semsearch.sources.readers.charts import chart_lines
from semsearch.sources.readers.damaged_parts import Missing, errors_of_damage
from semsearch.sources.readers.drawing_text import paragraphs_of_drawing
from semsearch.sources.readers.link_addresses import shown_address
from semsearch.sources.xml_elements import attribute, local, parsed, whole

_PROPERTIES = {
    "creator": "author", "subject": "subject", "keywords": "keywords", "description": "description",
    "category": "category", "created": "created", "modified": "modified",
}  # fmt: skip
_NOT_SHOWN = frozenset({"", "Fallback", "del", "moveFrom"})
_LINKS = ("hlinkClick", "hlinkMouseOver", "hlinkHover")


@dataclass(frozen=True)
class Relation:
    """A reference of a part: `kind`, such as `footnotes`; `target`: the name of a part, or an address outside."""

    id: str
    kind: str
    target: str
    is_external: bool


class Package:
    """The parts of the file in `data`; `missing`: what of it could not be read. Raises `zipfile.BadZipFile`."""

    def __init__(self, data: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._names = {name.lower(): name for name in self._archive.namelist()}
        self.missing = Missing()
        self._told: set[str] = set()
        self._relations: dict[str, dict[str, Relation]] = {}

    def part(self, name: str) -> Any:
        """The root element of the part `name`, which the document can do without; None where it cannot be read, which
        `missing` then tells."""
        try:
            return self.root(name)
        except errors_of_damage():
            self.missing.part(name)
            return None

    def elements(self, name: str, *names: str) -> Iterator[Any]:
        """The elements of the part `name` called `names`, each when it has ended; it is let go of then, so that a part
        may be larger than memory. What cannot be read is told by `missing`."""
        from lxml import etree

        stored = self._names.get(name.lower().lstrip("/"))
        if stored is None:
            return
        tags = [f"{{*}}{one}" for one in names]
        try:
            with self._archive.open(stored) as file:
                for _, one in etree.iterparse(file, tag=tags, resolve_entities=False, no_network=True, huge_tree=True):
                    yield one
                    one.clear()
                    while one.getprevious() is not None:
                        del one.getparent()[0]
        except errors_of_damage():
            self.missing.part(name)

    def is_first(self, name: str) -> bool:
        """Whether this is asked of the part `name` for the first time: it is told once, however often it is named."""
        if name in self._told:
            return False
        self._told.add(name)
        return True

    def numbered(self, begin: str) -> list[str]:
        """The names of the parts `begin`1.xml, `begin`2.xml and so on, where no relation tells which there are."""
        numbers = (name.removeprefix(begin).removesuffix(".xml") for name in self._names if name.startswith(begin))
        return [f"{begin}{number}.xml" for number in sorted({whole(one, 0) for one in numbers} - {0})]

    def root(self, name: str) -> Any:
        """The root element of the part `name`; None where there is none. Raises the errors of lxml."""
        content = self.content(name)
        return None if content is None else parsed(content)

    def content(self, name: str) -> bytes | None:
        """The bytes of the part `name`; None where there is none."""
        stored = self._names.get(name.lower().lstrip("/"))
        return None if stored is None else self._archive.read(stored)

    def relations(self, part: str) -> Collection[Relation]:
        """The references of `part`; those of the package where it is empty."""
        return self._relations_by_id(part).values()

    def relation(self, part: str, number: str | None) -> Relation | None:
        """The reference of `part` that is called `number`."""
        return self._relations_by_id(part).get(number or "")

    def address(self, part: str, number: str | None) -> str:
        """The address that the link `number` of `part` leads to; empty for one within the file."""
        relation = self.relation(part, number)
        return relation.target if relation is not None and relation.is_external else ""

    def _relations_by_id(self, part: str) -> dict[str, Relation]:
        # They are asked for with every paragraph.
        if part not in self._relations:
            self._relations[part] = {one.id: one for one in self._read_relations(part)}
        return self._relations[part]

    def _read_relations(self, part: str) -> Iterator[Relation]:
        folder, name = posixpath.split(part)
        root = self.part(posixpath.join(folder, "_rels", f"{name}.rels"))
        for element in root if root is not None else ():
            if not isinstance(element.tag, str):
                continue
            target = element.get("Target") or ""
            is_external = element.get("TargetMode") == "External"
            if not is_external:
                target = posixpath.normpath(posixpath.join("/", folder, unquote(target))).lstrip("/")
            kind = (element.get("Type") or "").rpartition("/")[2]
            yield Relation(element.get("Id") or "", kind, target, is_external)

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


def relation_id(element: Any) -> str:
    """The id of the relation that `element` names: of its two ids the one in the namespace of relations."""
    for key, value in element.items():
        if key.endswith("}id"):
            return str(value)
    return ""


def shown(element: Any) -> Iterator[Any]:
    """`element` and all below it, but for fallbacks and what was deleted or moved away."""
    pending = [iter((element,))]
    while pending:
        one = next(pending[-1], None)
        if one is None:
            pending.pop()
        elif local(one) not in _NOT_SHOWN:
            yield one
            pending.append(iter(one))


def alternative_text(element: Any) -> list[str]:
    """What the pictures at and below `element` are said to show."""
    said = []
    for one in shown(element):
        # Shapes of VML, which old versions wrote, have an `alt`, and words drawn as a picture a `string`.
        names = ("title", "descr") if local(one) in ("docPr", "cNvPr") else ("alt", "string") if _is_vml(one) else ()
        said += [text for name in names if (text := plain(one.get(name) or ""))]
    return list(dict.fromkeys(said))


def addresses_of_shapes(package: Package, part: str, element: Any) -> list[str]:
    """The addresses that the pictures and shapes at and below `element`, which stands in `part`, lead to."""
    links = (link for one in shown(element) if local(one) in ("docPr", "cNvPr") for link in one)
    targets = [package.address(part, attribute(link, "id")) for link in links if local(link) in _LINKS]
    return list(dict.fromkeys(address for target in targets if (address := shown_address(target))))


def referred(package: Package, part: str, element: Any) -> Iterator[str]:
    """The texts of the charts and diagrams that the drawings below `element`, which stands in `part`, refer to; each is
    told where it stands first."""
    for one in shown(element):
        name = local(one)
        if name not in ("chart", "relIds"):
            continue
        relation = package.relation(part, attribute(one, "id" if name == "chart" else "dm"))
        if relation is None or relation.is_external or not package.is_first(relation.target):
            continue
        root = package.part(relation.target)
        if root is not None:
            yield from chart_lines(root) if name == "chart" else paragraphs_of_drawing(root)


def _is_vml(element: Any) -> bool:
    return isinstance(element.tag, str) and element.tag.startswith("{urn:schemas-microsoft-com:vml}")
