"""OCR of scans and pictures, by the models that come with rapidocr."""

import io
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

pytest.importorskip("rapidocr")
from PIL import Image, ImageDraw, ImageFont

from semsearch.errors import ReadError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.sources.document_types import read
from semsearch.sources.ocr import OcrLimits, OcrReader
from tests.support.commands import Command
from tests.support.folders import write

pytestmark = pytest.mark.slow
LIMITS = OcrLimits(pages=3, seconds=100)


def picture(*lines: str) -> Image.Image:
    image = Image.new("RGB", (1000, 60 + 70 * len(lines)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=40)
    for number, line in enumerate(lines):
        draw.text((30, 30 + 70 * number), line, fill="black", font=font)
    return image


def saved(image: Image.Image, kind: str, *more: Image.Image) -> bytes:
    if kind == "PDF":
        document = pypdfium2.PdfDocument.new()
        for one in (image, *more):
            page = document.new_page(one.width / 2, one.height / 2)
            drawn = pypdfium2.PdfImage.new(document)
            drawn.set_bitmap(pypdfium2.PdfBitmap.from_pil(one))
            drawn.set_matrix(pypdfium2.PdfMatrix().scale(one.width / 2, one.height / 2))
            page.insert_obj(drawn)
            page.gen_content()
        stream = io.BytesIO()
        document.save(stream)
        return stream.getvalue()
    stream = io.BytesIO()
    image.save(stream, kind, **({"save_all": True, "append_images": list(more)} if more else {}))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_pictures_of_every_kind(kind: str) -> None:
    data = saved(picture("The lock keeper", "was paid in barley"), kind)
    document = read(f"a.{kind.lower()}", data, ocr=LIMITS)
    assert document.text.split() == ["The", "lock", "keeper", "was", "paid", "in", "barley"]
    assert document.notice.startswith("read by OCR (confidence 0.9") or document.notice.endswith("1.00)")
    with pytest.raises(ReadError, match="needs OCR") as caught:
        read(f"a.{kind.lower()}", data)
    assert caught.value.skip


def test_scanned_pages_have_their_numbers_and_limits() -> None:
    names = [picture(f"Page {name} of the ledger") for name in ("one", "two", "three", "four")]
    document = read("a.pdf", saved(names[0], "PDF", *names[1:]), ocr=LIMITS)
    (two,) = (part for part in document.sections if "two" in document.text[part.start : part.end])
    assert two.page == 2 and "four" not in document.text
    assert "pages 1-3 read by OCR" in document.notice and "1 page beyond the limits of OCR" in document.notice
    tiff = read("a.tiff", saved(names[0], "TIFF", names[1]), ocr=LIMITS)
    assert [part.page for part in tiff.sections] == [1, 2]


def test_a_picture_without_text_is_skipped_for_good() -> None:
    with pytest.raises(ReadError, match="no text found in it by OCR") as caught:
        read("a.png", saved(picture(), "PNG"), ocr=LIMITS)
    assert caught.value.skip and "needs OCR" not in caught.value.message


def test_lines_are_read_from_the_top_and_from_the_left() -> None:
    image = picture("left half", "below")
    ImageDraw.Draw(image).text((600, 30), "right half", fill="black", font=ImageFont.load_default(size=40))
    text = OcrReader(LIMITS).read(np.asarray(image))
    assert text is not None and text.split("\n") == ["left half  right half", "below"]


def test_a_run_with_ocr_reads_what_needed_it(tmp_path: Path) -> None:
    write(tmp_path, {"note.txt": "A note.\n", "scan.png": saved(picture("Viaduct of Aarlen"), "PNG")})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    report = index_folders([str(tmp_path)], None, IndexOptions(ocr=True))
    assert report.files["added"] == 1
    with Searcher(str(tmp_path)) as searcher:
        assert [hit.path for hit in searcher.search("viaduct", SearchOptions(mode="lexical")).hits] == ["scan.png"]
    assert index_folders([str(tmp_path)], None, IndexOptions()).files["unchanged"] == 2


def test_the_command_reads_a_scan_and_its_page_is_told(semsearch: Command, tmp_path: Path) -> None:
    write(tmp_path / "scans", {"deed.pdf": saved(picture("First page"), "PDF", picture("Meadow at Tornby"))})
    without = semsearch("index", tmp_path / "scans", "--no-ocr")
    assert "no text on any of its 2 pages: needs OCR" in without.err
    assert semsearch("index", tmp_path / "scans", "--ocr").code == 0
    (hit,) = semsearch("search", "meadow", "--mode", "lexical", "--json", "-i", tmp_path / "scans").json["results"]
    assert (hit["path"], hit["page"]) == ("deed.pdf", 2)
