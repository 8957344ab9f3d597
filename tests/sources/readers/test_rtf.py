"""RTF: destinations that are read, those that are not, and the characters of fonts."""
# ruff: noqa: E501  # RTF is read as it stands

import time

import pytest

from semsearch.sources.document import Document
from semsearch.sources.document_types import read


def rtf(body: bytes, head: bytes = rb"\ansi") -> Document:
    return read("a.rtf", rb"{\rtf1" + head + b" " + body + b"}")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (rb"The weir{\xe{\v weir, old}} was lowered{\tc chapter}.\par", "The weir was lowered.\n\n"),
        (
            rb"The toll.{\*\atnid JD}{\*\atnauthor Jo Dee}\chatn{\*\annotation{\*\atndate 12}{\*\atnparent 0}Is that so?}"
            rb"{\*\annotation Who?} Paid.\par",
            "The toll.\n\nComment by Jo Dee: Is that so?\n\nComment: Who?\n\nPaid.\n\n",
        ),
        (rb"Before{\shp{\*\shpinst{\shptxt In a box}}{\shprslt In a box}}after\par", "Before\n\nIn a box\n\nafter\n\n"),
        (rb"{\upr{Stra?e}{\*\ud{Stra\u223?e}}}!\par", "Straße!\n\n"),
        (rb"{\upr{{\footnote a?}}{\*\ud{{\footnote \u223?}}}}\par", "ß\n\n"),
        (rb"See {\object\objemb{\*\objclass X}{\*\objdata 0105}{\result{the sheet}}}.\par", "See the sheet.\n\n"),
        (rb"{\field{\*\fldinst{HYPERLINK \"https://weir.example/plan\"}}{\fldrslt{the plan}}}.\par",
         "the plan (weir.example/plan).\n\n"),
        (rb"{\field{\*\fldinst HYPERLINK mailto:jo@weir.example}{\fldrslt jo@weir.example}}\par", "jo@weir.example\n\n"),
        (rb"{\field{\*\fldinst PAGE}{\fldrslt 3}}\par", "3\n\n"),
        (rb"Kept{\deleted gone{\footnote gone}}{\mvf gone}\par", "Kept\n\n"),
        (rb"|pipe| text |\par", "|pipe| text |\n\n"),
        (rb"\trowd Place\cell Tide\cell\row\trowd Spa\cell 9\cell\row\pard End\par", "Place | Tide\nSpa | 9\n\nEnd\n\n"),
        (rb"\trowd\cell Tide\cell |x|\cell\cell\row", "Tide | |x|\n\n"),
        (rb"Before \bin" + b"9" * 5000 + rb" after\par", "Before " + "9" * 4991 + " after\n\n"),
        (rb"Before{\pict\bin3 }}}} after\par", "Before after\n\n"),
        (rb"{\*\unheard{\header gone}{\footnote gone}}Kept\par", "Kept\n\n"),
    ],
)  # fmt: skip
def test_destinations(body: bytes, shown: str) -> None:
    assert rtf(body.replace(b'\\"', b'"')).text == shown


def test_properties_in_unicode() -> None:
    document = rtf(rb"{\info{\upr{\title Stra?e}{\*\ud{\title Stra\u223?e}}}{\author Jo}}x\par")
    assert (document.title, document.metadata["author"]) == ("Straße", "Jo")


@pytest.mark.parametrize(
    ("head", "body", "shown"),
    [
        (
            rb"\ansi\deff1{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}}",
            rb"\'cc\'ee\'f1\'f2\par",
            "Мост\n\n",
        ),
        (
            rb"\ansi\deff1{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}}",
            rb"{\f0 \'e9}\plain\'cc\par",
            "éМ\n\n",
        ),
        (rb"\ansi\ansicpg1253\deff0{\fonttbl{\f0 Arial;}}", rb"\'e1\par", "α\n\n"),
        (
            rb"\ansi\deff0{\fonttbl{\f0 Arial;}{\f3\fcharset2 Wingdings;}}",
            rb"{\f3\'fc} done {\f3\u-3844?}\par",
            "✓ done ✓\n\n",
        ),
        (rb"\ansi\deff0{\fonttbl\f0\fnil Arial;\f1\fnil\fcharset2 Symbol;}", rb"{\f1 a} = 3\par", "α = 3\n\n"),
    ],
)
def test_characters_of_fonts(head: bytes, body: bytes, shown: str) -> None:
    assert rtf(body, head).text == shown


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (10007, "Ночь"), (10001, "夜"), (10029, "łódź"), (20866, "ночь"), (28591, "nuit d'été"), (54936, "夜"), (65001, "夜"),
    ],
)  # fmt: skip
def test_code_pages_by_their_numbers(number: int, text: str) -> None:
    written = {10007: "mac-cyrillic", 10001: "cp932", 10029: "mac-latin2", 20866: "koi8-r", 28591: "latin-1",
               54936: "gb18030", 65001: "utf-8"}[number]  # fmt: skip
    body = b"".join(b"\\'%02x" % byte for byte in text.encode(written))
    assert text in read("a.rtf", b"{\\rtf1\\ansicpg%d %s}" % (number, body)).text
    head = b"{\\rtf1{\\fonttbl{\\f0\\cpg%d Helvetica;}}\\f0 " % number
    assert text in read("a.rtf", head + body + b"}").text


@pytest.mark.parametrize("number", [99999, 65000, 20000, 2147483647, -5])
def test_a_code_page_that_is_not_known_does_not_cost_the_file(number: int) -> None:
    assert "night" in read("a.rtf", b"{\\rtf1\\ansicpg%d night \\'e9}" % number).text


@pytest.mark.parametrize(
    "body", [rb"{\fonttbl\f0 " + rb"\b a" * 400_000, rb"{\field{\fldrslt a" * 100_000 + b"}}" * 100_000],
    ids=["fonts", "fields"],
)  # fmt: skip
def test_odd_rtf_is_read_soon(body: bytes) -> None:
    began = time.process_time()
    assert "The weir" in rtf(rb"The weir\par " + body).text
    assert time.process_time() - began < 15
