"""PowerPoint: each slide is a page with its title, text, tables, charts, diagrams, pictures, comments and notes."""

from collections.abc import Iterator
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.comments import comment_by
from semsearch.sources.readers.drawing_text import paragraphs_of_drawing, unescaped
from semsearch.sources.readers.ooxml import Package, addresses_of_shapes, alternative_text, referred, relation_id
from semsearch.sources.xml_elements import child, local, named

# `nvGrpSpPr`: what is said of a group, whose shapes come after it.
_SHAPES = ("sp", "pic", "graphicFrame", "cxnSp", "contentPart", "nvGrpSpPr")
_TITLES = ("title", "ctrTitle")
# Placeholders of a notes page that repeat the slide.
_NOT_NOTES = frozenset({"sldImg", "sldNum", "hdr", "ftr", "dt"})


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`, a page for each slide."""
    package = Package(data)
    title, metadata = package.properties()
    builder = DocumentBuilder(type_name, title)
    part = package.main_part("ppt/presentation.xml")
    root = package.root(part)
    if root is None:
        raise ValueError("no presentation in it")
    relations = package.relations(part)
    targets = {one.id: one.target for one in relations if one.kind == "slide"}
    listed = child(root, "sldIdLst")
    order = [targets.get(relation_id(one), "") for one in listed] if listed is not None else []
    listed_slides = [target for target in order if target]
    slides = list(dict.fromkeys(listed_slides or targets.values() or package.numbered("ppt/slides/slide")))
    authors = _authors(package, [one.target for one in relations if "author" in one.kind.lower()])
    for number, slide in enumerate(slides, 1):
        builder.page(number)
        _slide(package, slide, builder, authors)
    return builder.document({**metadata, "slides": len(slides)}, package.missing.notice())


def _slide(package: Package, part: str, builder: DocumentBuilder, authors: dict[str, str]) -> None:
    root = package.part(part)
    if root is None:
        return
    shapes = list(named(root, *_SHAPES))
    title = next((shape for shape in shapes if _placeholder(shape) in _TITLES), None)
    if title is not None:
        builder.heading(1, " ".join(_paragraphs(package, part, title)))
        for text in _said_of_shape(package, part, title):
            builder.block(text)
    for shape in shapes:
        if shape is not title:
            for text in _texts(package, part, shape):
                builder.block(text)
    for relation in package.relations(part):
        if relation.is_external or relation.kind not in ("notesSlide", "comments", "comment"):
            continue
        other = package.part(relation.target) if package.is_first(relation.target) else None
        if other is None:
            continue
        if relation.kind == "notesSlide":
            notes = [
                text
                for shape in named(other, "sp")
                if _placeholder(shape) not in _NOT_NOTES
                for text in _paragraphs(package, relation.target, shape)
            ]
            builder.block("Notes: " + "\n".join(notes) if notes else "")
        else:
            for said in _comments(other, authors):
                builder.block(said)


def _placeholder(shape: Any) -> str:
    """The kind of placeholder that `shape` is; empty for others."""
    for one in shape.iter():
        if local(one) == "ph":
            return one.get("type") or "body"
        if local(one) == "txBody":
            break
    return ""


def _texts(package: Package, part: str, shape: Any) -> Iterator[str]:
    """The text, table, chart or diagram of a shape, and what a picture is said to show."""
    table = next(named(shape, "tbl"), None)
    if table is not None:
        rows = [[" ".join(_paragraphs(package, part, cell)) for cell in named(row, "tc")] for row in named(table, "tr")]
        yield "\n".join(" | ".join(plain(cell) for cell in row) for row in rows)
    elif paragraphs := _paragraphs(package, part, shape):
        yield "\n".join(paragraphs)
    yield from _said_of_shape(package, part, shape)


def _paragraphs(package: Package, part: str, element: Any) -> list[str]:
    return paragraphs_of_drawing(element, lambda link: package.address(part, link))


def _said_of_shape(package: Package, part: str, shape: Any) -> Iterator[str]:
    yield from alternative_text(shape)
    yield from addresses_of_shapes(package, part, shape)
    yield from referred(package, part, shape)


def _authors(package: Package, parts: list[str]) -> dict[str, str]:
    """id -> name of the people who commented."""
    authors = {}
    for part in parts:
        root = package.part(part)
        for one in root if root is not None else ():
            authors[one.get("id") or ""] = one.get("name") or ""
    return authors


def _comments(root: Any, authors: dict[str, str]) -> Iterator[str]:
    """Each comment, and each reply, with its author."""
    for one in root.iter():
        if local(one) in ("cm", "reply"):
            name = authors.get(one.get("authorId") or "", "")
            text = child(one, "text")
            said = plain(unescaped(text.text or "")) if text is not None else ""
            body = child(one, "txBody")
            said = said or (" ".join(paragraphs_of_drawing(body)) if body is not None else "")
            if said := comment_by(name, said):
                yield said
