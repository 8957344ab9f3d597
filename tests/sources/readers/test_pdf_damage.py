"""Damaged and hostile PDFs: text where there is some, else a reason in one line; none takes long or much memory."""

import io
import re
import time
import zlib

import pypdf
import pytest

from semsearch.errors import ReadError
from semsearch.sources.document_types import read
from semsearch.sources.readers import pdf_repair
from tests.support.pdf import encrypted, make_pdf

TEXT = "The granary roof leaks."
WHOLE = make_pdf([TEXT, "The second page."])
UNTABLED = WHOLE[: WHOLE.rindex(b"xref\n0")]


def packed() -> tuple[bytes, bytes, int]:
    """(a PDF whose objects lie in an object stream, the content of that, where its table begins)."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 5 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
    ]
    starts = [sum(len(one) + 1 for one in objects[:number]) for number in range(len(objects))]
    head = b" ".join(b"%d %d" % pair for pair in enumerate(starts, 1)) + b" "
    stream = zlib.compress(head + b" ".join(objects))
    shown = b"BT /F1 12 Tf (%s) Tj ET" % TEXT.encode()
    data = b"%%PDF-1.5\n5 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(shown), shown)
    second = len(data)
    data += b"6 0 obj\n<< /Type /ObjStm /N 4 /First %d /Filter /FlateDecode /Length %d >>\nstream\n%s" % (
        len(head),
        len(stream),
        stream,
    )
    data += b"\nendstream\nendobj\n"
    start = len(data)
    rows = [b"\0\0\0\0\xff", *(b"\2\0\0\6" + bytes([at]) for at in range(4))]
    rows += [b"\1" + place.to_bytes(3, "big") + b"\0" for place in (data.index(b"5 0 obj"), second, start)]
    data += b"7 0 obj\n<< /Type /XRef /Size 8 /W [1 3 1] /Root 1 0 R /Length 40 >>\nstream\n%s" % b"".join(rows)
    return data + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % start, stream, start


PACKED, STREAM, TABLE = packed()


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[: WHOLE.rindex(b"xref\n0") + 30],
        WHOLE[: WHOLE.rindex(b"trailer")],
        WHOLE[: WHOLE.rindex(b"startxref")],
        UNTABLED,
        WHOLE[: len(WHOLE) * 6 // 10],
        b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n" + WHOLE,
        WHOLE + bytes(5000),
        WHOLE.replace(b"%PDF-1.4\n", b"%PDF-1.4\n% all places are wrong now\n"),
        WHOLE.replace(b"/Root 1 0 R", b""),
        WHOLE.replace(b"/Kids [4 0 R", b"/Kids [2 0 R 4 0 R"),
        WHOLE.replace(b"/Parent 2 0 R", b"/Parent 4 0 R"),
        WHOLE.replace(b"/Count 2", b"/Count 99999999"),
        WHOLE.replace(b"/Size 8", b"/Size 99999999"),
        WHOLE.replace(b"xref\n0 8", b"xref\n0 99999999"),
        re.sub(rb"trailer\n<< ", b"trailer\n<< /Prev %d " % WHOLE.rindex(b"xref\n0"), WHOLE),
        UNTABLED + b"99999999 0 obj\n<<>>\nendobj\n",
        WHOLE.replace(b"<< /Length ", b"<< /Length 9", 1),
        WHOLE.replace(b"<< /Length ", b"<< /Filter /FlateDecode /Length ", 1),
        PACKED,
        PACKED[:TABLE],
        re.sub(rb"startxref\n\d+", b"startxref\n99", PACKED),
        encrypted(TEXT, ""),
        re.sub(rb"startxref\n\d+", b"startxref\n99", encrypted(TEXT, "")),
    ],
    ids=range(23),
)
def test_what_a_damaged_file_still_has_is_read(data: bytes) -> None:
    assert read("a.pdf", data).text.count(TEXT) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (WHOLE.replace(b"/Kids [4 0 R 6 0 R] /Count 2", b"/Kids [] /Count 0         "), "a PDF file without pages"),
        (PACKED.replace(STREAM, b"\xff" * len(STREAM)), "damaged PDF file: neither pypdf nor pypdfium2 can open it"),
        (re.sub(rb"startxref\n\d+", b"", encrypted(TEXT, "tide")), "encrypted PDF: needs a password (--password-file)"),
        (encrypted(TEXT, "tide")[:-300], "damaged PDF file: neither pypdf nor pypdfium2 can open it"),
        (b"%PDF-1.4\n" + bytes(100_000), "damaged PDF file: neither pypdf nor pypdfium2 can open it"),
        (UNTABLED.replace(b"/Kids [4 0 R 6 0 R]", b"/Kids 2 0 R"), "damaged PDF file: "),
    ],
    ids=["no pages", "object stream", "encrypted", "cut off and encrypted", "NUL", "no page tree"],
)
def test_what_cannot_be_read_says_why_in_a_line(data: bytes, reason: str) -> None:
    with pytest.raises(ReadError) as caught:
        read("a.pdf", data)
    assert caught.value.message.startswith(reason) and "\n" not in caught.value.message


def test_a_page_of_endless_content_costs_that_page_alone() -> None:
    endless = zlib.compress(b"(x) Tj " * 12_000_000, 9)
    hostile = b"5 0 obj\n<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (
        len(endless),
        endless,
    )
    document = read("a.pdf", UNTABLED + hostile)
    assert "The second page." in document.text and document.notice == "page 1 cannot be read"


def test_the_table_of_a_repaired_file_is_no_larger_than_its_objects() -> None:
    _, repaired = pdf_repair.contents_to_try(UNTABLED + b"99999999 0 obj\n<<>>\nendobj\n7000 0 obj\n<<>>\nendobj\n")
    assert len(repaired) < 3 * len(WHOLE) and b"/Size 8 " in repaired


def test_a_file_that_opens_is_not_searched_for_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes) -> bytes:
        raise AssertionError

    monkeypatch.setattr(pdf_repair, "_with_cross_references", fail)
    assert TEXT in read("a.pdf", WHOLE).text


def test_a_wrong_table_of_a_large_file_does_not_cost_minutes() -> None:
    junk = b"1 0 R " * 1_000_000
    start = b"%%PDF-1.4\n999 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(junk), junk)
    data = make_pdf([f"{TEXT} {number}" for number in range(200)]).replace(b"%PDF-1.4\n", start)
    data = re.sub(rb"startxref\n\d+", b"startxref\n%d" % data.rindex(b"xref\n0"), data)
    started = time.process_time()
    assert read("a.pdf", data).text.count(TEXT) == 200
    assert time.process_time() - started < 5


def test_the_last_of_an_object_is_in_force() -> None:
    newer = (
        PACKED[:TABLE]
        + b"5 0 obj\n<< /Length 40 >>\nstream\nBT /F1 12 Tf (The roof was mended.) Tj ET \nendstream\nendobj\n"
    )
    newest = newer + b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R /Lang (en) >>\nendobj\n"
    for data in (newer, newest):
        assert read("a.pdf", data).text.split() == ["The", "roof", "was", "mended."]
    _, repaired = pdf_repair.contents_to_try(newest)
    assert pypdf.PdfReader(io.BytesIO(repaired)).root_object["/Lang"] == "en"


def test_objects_that_unpack_to_more_than_a_reader_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_repair, "_MOST_BYTES", 100)
    with pytest.raises(ReadError, match="damaged PDF file"):
        read("a.pdf", PACKED[:TABLE])
