"""Jupyter notebooks: Markdown cells with their headings, code cells, the beginning of the text of each output."""

import json
import re
from collections.abc import Mapping

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.markdown import headings
from semsearch.sources.readers.text import decode

_OUTPUT_CHARACTERS = 1000
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def read(data: bytes, type_name: str) -> Document:
    """The cells of the notebook in `data`."""
    text, metadata = decode(data)
    notebook = json.loads(text)
    cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
    builder = DocumentBuilder(type_name)
    for cell in cells:
        source = _joined(cell.get("source", cell.get("input", "")))
        if cell.get("cell_type") == "markdown":
            _markdown(builder, source)
        else:
            builder.block(source)
        for output in cell.get("outputs", ()):
            builder.block(_output(output))
    language = notebook.get("metadata", {}).get("kernelspec", {}).get("language")
    return builder.document({**metadata, "language": language})


def _markdown(builder: DocumentBuilder, source: str) -> None:
    """Adds a Markdown cell to `builder`; its headings begin sections."""
    lines = source.split("\n")
    begin = 0
    for line, level, name in headings(source):
        builder.block("\n".join(lines[begin:line]))
        builder.heading(level, name, shown=False)
        builder.title = builder.title or name
        begin = line
    builder.block("\n".join(lines[begin:]))


def _output(output: Mapping[str, object]) -> str:
    """The text of a cell's output, at most `_OUTPUT_CHARACTERS` of it."""
    data = output.get("data")
    plain_text = data.get("text/plain") if isinstance(data, Mapping) else None
    if output.get("output_type") == "error":
        text = f"{output.get('ename')}: {output.get('evalue')}"
    else:
        text = _joined(plain_text or output.get("text", ""))
    text = _ESCAPES.sub("", text)
    return text if len(text) <= _OUTPUT_CHARACTERS else text[:_OUTPUT_CHARACTERS] + " …"


def _joined(source: object) -> str:
    """The text of `source`, which is a string or a list of lines."""
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")
