"""PowerPoint: each slide is a page with its title, text, tables, groups and notes."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.docx import core_metadata


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`, a page for each slide."""
    import pptx

    deck = pptx.Presentation(io.BytesIO(data))
    builder = DocumentBuilder(type_name, deck.core_properties.title or "")
    for number, slide in enumerate(deck.slides, 1):
        builder.page(number)
        title = slide.shapes.title
        if title is not None and title.has_text_frame:
            builder.heading(1, title.text_frame.text)
        for shape in _shapes(slide.shapes):
            if title is None or shape.shape_id != title.shape_id:
                for text in _texts(shape):
                    builder.block(text)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = slide.notes_slide.notes_text_frame.text
            builder.block(f"Notes: {notes}" if notes.strip() else "")
    return builder.document({**core_metadata(deck.core_properties), "slides": len(deck.slides)})


def _shapes(shapes: Iterable[Any]) -> Iterator[Any]:
    """All shapes, those of groups included."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _texts(shape: Any) -> Iterator[str]:
    """The text, table or chart labels of a shape."""
    if shape.has_text_frame:
        yield shape.text_frame.text.replace("\v", "\n")
    elif getattr(shape, "has_table", False) and shape.has_table:
        yield "\n".join(" | ".join(cell.text.strip() for cell in row.cells) for row in shape.table.rows)
    elif getattr(shape, "has_chart", False) and shape.has_chart:
        chart = shape.chart
        if chart.has_title and chart.chart_title.has_text_frame:
            yield chart.chart_title.text_frame.text
        for plot in chart.plots:
            yield " | ".join(str(category) for category in plot.categories)
            yield " | ".join(series.name for series in plot.series)
