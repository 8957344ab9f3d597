"""A saved answer reads as it was printed, whatever it holds."""

import html
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from semsearch.answering.answer import Answer, Citation
from semsearch.cli.markdown import plain, section
from tests.support.answer_hits import hit


@pytest.mark.parametrize(
    "text",
    [
        "The cells may get 28 degrees hot. [1][2]", "# no heading", "- no list", "+ no list", "1. no list",
        "2) no list", "> no quote", "=== no heading", "`code` *bold* _it_ ~~gone~~ | cell",
        "![x](http://a/b) [x](http://a) [x][y] [x]: http://a", "<b>no tag</b> <script> &amp; &lt;",
        "[1](http://a) [1]: http://a [1][x]", "a\\b \\[", "https://example.org/a_b", "3.5 kg, -5 degrees",
        "www.example.org $5 $$x$$",
        "e\u0301 漢字 עברית",
    ],
)  # fmt: skip
def test_text_stays_text(text: str) -> None:
    rendered = MarkdownIt("commonmark").render(plain(text))
    assert rendered == f"<p>{html.escape(text, quote=True).replace('&#x27;', chr(39))}</p>\n"


def test_marks_of_sources_are_left_as_they_are() -> None:
    assert plain("It is so [1]. And so [12][3].") == "It is so [1]. And so [12][3]."


def test_an_address_is_no_link_in_dialects_that_look_for_them() -> None:
    assert plain("http://a.example www.b.example") == r"http\://a.example www\.b.example"


def test_a_source_on_another_machine_is_a_link_to_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_HOST", "alpha")
    sources = [
        replace(hit("It is so.", "wiki/a.md"), file="/srv/wiki/a b.md", host="alpha"),
        replace(hit("It is so.", "wiki-2/a.md"), file="//beta/srv/wiki/a b.md", host="beta"),
    ]
    cited = tuple(Citation(n, one.path, None, 1, 1, "It is so.") for n, one in enumerate(sources, 1))
    saved = section(Answer("Is it so?", "It is so. [1][2]", True, None, cited, tuple(sources)), "/srv", True)
    assert "- [1] [wiki/a.md, line 1 (on alpha)](<wiki/a%20b.md>)" in saved
    assert "- [2] [wiki-2/a.md, line 1 (on beta)](<file://beta/srv/wiki/a%20b.md>)" in saved
