"""Notebooks: every output as it is shown, each line of it told where it stands in the file."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.sources.document import Document
from semsearch.sources.document_types import read
from tests.support.documents import line_of


def notebook(*outputs: dict[str, Any], markdown: list[str] | None = None) -> str:
    cells = [
        {"cell_type": "markdown", "source": markdown or []},
        {"cell_type": "code", "source": ["x"], "outputs": list(outputs)},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1)


def assert_places(document: Document, source: str, words: list[str]) -> None:
    for word in words:
        (held,) = [number for number, line in enumerate(source.split("\n"), 1) if word in line]
        assert len(re.findall(rf"\b{word}\b", document.text)) == 1, word
        assert line_of(document, word) == held, word


def test_lines_of_outputs() -> None:
    table = ["<table>\n", "<tr><td>alder</td></tr>\n", "<tr><td>birch</td><td>cedar</td></tr>\n", "</table>"]
    source = notebook(
        {"output_type": "execute_result", "data": {"text/plain": ["<Table>"], "text/html": table}},
        {"output_type": "stream", "text": ["\x1b[31mdamson\x1b[0m\n", "5%\r50%\rdone elder\n", "fir\r\n", "gorse"]},
        {"output_type": "error", "ename": "KeyError", "evalue": "hazel", "traceback": ["\x1b[1mivy\x1b[0m", "juniper"]},
    )  # fmt: skip
    document = read("a.ipynb", source.encode())
    assert_places(document, source, "alder birch cedar damson elder fir gorse hazel ivy juniper".split())  # noqa: SIM905
    assert "KeyError: hazel" in document.text and "50%" not in document.text and "\x1b" not in document.text


@given(
    st.lists(
        st.sampled_from(["plain {}\n", "\x1b[1;32m{}\x1b[0m\n", "1%\r2%\r{}\n", "{} ", "\n", "\r", "a\r\n"]), max_size=8
    )
)
def test_lines_of_terminal_output(parts: list[str]) -> None:
    lines = [part.format(f"w{number}") for number, part in enumerate(parts)]
    source = notebook({"output_type": "stream", "text": ["start\n", *lines]})
    document = read("a.ipynb", source.encode())
    shown = [f"w{number}" for number in range(len(parts)) if f"w{number}" in document.text]
    assert_places(document, source, shown)


def test_an_error_is_said_once() -> None:
    trace = ["KeyError   Traceback", "KeyError: 'fir'"]
    source = notebook({"output_type": "error", "ename": "KeyError", "evalue": "'fir'", "traceback": trace})
    assert read("a.ipynb", source.encode()).text.count("KeyError: 'fir'") == 1


@pytest.mark.parametrize("kind", ["text/markdown", "text/latex", "text/html"])
def test_an_object_that_is_only_named_is_shown_in_another_form(kind: str) -> None:
    data = {"text/plain": "<IPython.core.display.Shown object>", kind: "The fir wood"}
    text = read("a.ipynb", notebook({"output_type": "display_data", "data": data}).encode()).text
    assert "The fir wood" in text and "IPython" not in text


def test_pictures_in_cells_are_no_words() -> None:
    picture = "![x](data:image/png;base64," + "iVBORw0KGgo9" * 30 + ")\n"
    source = notebook(markdown=["# Woods\n", "before\n", picture, "after\n"])
    document = read("a.ipynb", source.encode())
    assert "iVBOR" not in document.text
    assert_places(document, source, ["before", "after"])


@pytest.mark.parametrize(
    "source",
    [
        notebook({"output_type": "stream", "text": "a" * 300_000}),
        notebook({"output_type": "stream", "text": "a\r" * 150_000}),
        notebook({"output_type": "stream", "text": "\x1b[" * 150_000}),
        notebook({"output_type": "stream", "text": "\x1b]" * 150_000}),
        notebook(markdown=["# head\n", "text\n"] * 5000),
    ],
    ids=["letters", "returns", "escapes", "links", "headings"],
)
def test_long_cells_are_read_soon(source: str) -> None:
    begin = time.process_time()
    read("a.ipynb", source.encode())
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "damage",
    [
        {"metadata": None}, {"metadata": {"kernelspec": None, "language_info": 3, "title": None, "tags": "x"}},
        {"cells": [None, 3, [], {"cell_type": "code", "source": None, "outputs": None}, {"outputs": [None, 3]}]},
        {"cells": [{"cell_type": "heading", "level": None, "source": {}}, {"outputs": [{"data": None}, {"text": 3}]}]},
        {"cells": [{"outputs": [{"output_type": "error", "traceback": 3, "ename": []}]}]},
    ],
)  # fmt: skip
def test_odd_values_cost_nothing_else(damage: dict[str, Any]) -> None:
    good = {"cell_type": "markdown", "source": ["The weir."]}
    source = {"cells": [*damage.pop("cells", []), good], "metadata": {}, **damage}
    document = read("a.ipynb", json.dumps(source).encode())
    assert "The weir." in document.text and document.notice == ""


def test_a_notebook_with_marks_of_a_conflict_is_read_as_it_stands() -> None:
    lines = notebook({"output_type": "stream", "text": ["The weir.\n"]}).split("\n")
    source = "\n".join([*lines[:4], "<<<<<<< HEAD", *lines[4:], ">>>>>>> other"])
    document = read("a.ipynb", source.encode())
    assert line_of(document, "The weir.") == source[: source.index("The weir.")].count("\n") + 1
    assert document.notice.startswith("no whole notebook, read as text: Expecting")


def test_json_that_is_no_notebook_is_read_as_it_stands() -> None:
    document = read("a.ipynb", b'{"weir": ["open"]}')
    assert document.text == '{"weir": ["open"]}' and document.notice == "no whole notebook, read as text: no cells"
