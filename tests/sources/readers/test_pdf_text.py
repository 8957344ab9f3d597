"""Whether the text of PDF pages was decoded."""
# ruff: noqa: E501  # texts are read as they stand

import pytest

from semsearch.sources import dates
from semsearch.sources.document_types import read
from semsearch.sources.readers.pdf import _cut_at_headings
from semsearch.sources.readers.pdf_text import Quality, better, cleaned, quality, readable_lines
from tests.support.pdf import make_pdf

_LETTERS = "ACGTTGCAAGCTTCGA"


@pytest.mark.parametrize(
    "text",
    [
        "The minutes of the quarry board were approved.", "3", "", "Протокол заседания правления карьера",
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติ",
        "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்", "يُولَدُ جَمِيعُ النَّاسِ أَحْرَارًا مُتَسَاوِينَ فِي الْكَرَامَةِ",
        "כָּל בְּנֵי הָאָדָם נוֹלְדוּ בְּנֵי חוֹרִין", "人人生而自由,在尊严和权利上一律平等。", "東京の水道は長い。毎日の水は冷たい。",
        "모든 인간은 태어날 때부터 자유로우며", "12.50 3,400 7% 2024-05-01 1999 18:30", "0.31  17.02  -4.50\n" * 20,
        "def main(argv):\n    return run(argv[1:])", "if(!qPtr->hNd||xT2_f(qPtr)<0)return -EINVAL;",
        "00000010: 7f 3a 00 1c 9e b2 00 00\n" * 9, "0010: 7F3A 001C 9EB2 00D0\n" * 9, "LM317T/NOPB BC547B 74HC595N,112 MAX232CPE+T",
        "https://docs.example.org/a/Guide?v=2&q=x_1\n" * 4, "\uf0b7 Milk\n\uf0b7 Eggs\n" * 9, "Introduction . . . . . . . . . . . . 4\n" * 9,
        "______ ______\n☐ ☐ ☑\n" * 5,
    ],
)  # fmt: skip
def test_readable_pages_of_many_kinds(text: str) -> None:
    assert quality(cleaned(text)) is Quality.READABLE


@pytest.mark.parametrize("text", [_LETTERS * 4, "d41d8cd98f00b204e9800998ecf8427e\n" * 4, "QmFzZTY0IGlzIG5vdCB0ZXh0LCBidXQ" * 4,
                                  "Signed \ufffd in K\ufffdln"])  # fmt: skip
def test_doubtful_pages_are_made_of_letters(text: str) -> None:
    assert quality(cleaned(text)) is Quality.DOUBTFUL


@pytest.mark.parametrize(
    "text",
    [
        "/g11/g17/g15/g10/g20/g18 /g21/g28/g27/g15/g26", "7KH\x03PLQXWHV\x03RI\x03WKH\x03TXDUU\\\x03ERDUG\x03ZHUH",
        "(cid:12)(cid:33)(cid:7)(cid:9)(cid:12)(cid:33)", "\uf041\uf042\uf043\uf044\uf045 \uf046\uf047\uf048\uf049\uf041\uf042",
        "!\"#$%& '()*+ ,-./!\"# $%&'()", "\ufffd\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd ab \ufffd\ufffd\ufffd",
    ],
)  # fmt: skip
def test_text_that_was_not_decoded(text: str) -> None:
    assert quality(cleaned(text)) is Quality.UNDECODED


def test_bullets_of_fonts_of_symbols() -> None:
    assert cleaned("\uf0b7 Milk\n  \uf0a7Eggs\n\uf041\uf042\n\uf8eb") == "• Milk\n  •Eggs\n\uf041\uf042\n\uf8eb"


def test_signs_that_a_font_lacks_part_words() -> None:
    assert cleaned("if ad\0bc is\0not") == "if ad bc is not"
    assert cleaned("\0T\0h\0e\0 \0l\0o\0c\0k") == "The lock"


def test_the_better_of_two_texts_of_a_page() -> None:
    assert better("", "Milk") and better(_LETTERS * 4, "The minutes of the quarry board")
    assert not better("Milk", "") and not better("The minutes of the quarry board", "/g11/g17/g15/g10/g20")
    assert not better("Milk and eggs", "Milk and eggs")
    cipher = "".join(chr(ord(letter) - 29) for letter in "The harbour master keeps the keys of the sluice")
    assert not better(cipher, cipher.replace("\x03", ""))


def test_what_was_decoded_of_a_page_is_kept() -> None:
    lines = ["The minutes of the quarry board", "/g11/g17/g15/g10/g20" * 2, "were approved by all members"]
    document = read("a.pdf", make_pdf(["\n".join(lines), _LETTERS * 4]))
    assert lines[0] in document.text and lines[2] in document.text and "/g11" not in document.text
    assert _LETTERS in document.text
    assert document.notice == "undecodable text on page 1: needs OCR; doubtful text on page 2: codes, or needs OCR"
    assert readable_lines("a line\n" + "/g11/g17/g15/g10/g20\n" * 5) == ""


def test_ligatures_are_letters() -> None:
    assert cleaned("ﬁsh in the oﬃce") == "fish in the office"


def test_dates_have_zones() -> None:
    utc = dates.parse("2023-12-31T15:30:00+00:00")
    assert dates.parse("D:20240101003000+09'00'") == utc
    assert dates.parse("D:20231231153000Z") == utc
    assert dates.parse("D:20231231103000-05'00") == utc
    assert dates.parse("D:2023") is not None


def test_a_heading_is_looked_for_once_in_each_line_of_a_table_of_numbers() -> None:
    # From each line on, all numbers that follow would be passed over.
    table = "\n".join(f"{number}.{number}" for number in range(100_000)) + "\n1.2 Results\nwords"
    cuts = _cut_at_headings(table, [(1, "Methods"), (1, "Results")], [])
    assert "1.2 Results" in table[cuts[1][0] :]
    assert cuts[1][0] > len(table) - 80
    assert [path for _, _, path in cuts] == [[(1, "Methods")], [(1, "Results")]]
