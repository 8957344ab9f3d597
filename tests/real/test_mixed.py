"""The folder of real office files: every file is indexed or named with a true reason; what Word files say is found."""

import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from lxml import etree

from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.file_status import file_statuses
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local.catalog import Catalog
from tests.support.damaged_files import check
from tests.support.real_collections import data_folder

pytestmark = pytest.mark.real

# What no reader can take text from, and what people must be told about it.
NOT_INDEXED = {
    "office/MEDRPT-2024-PAT-3847_medical_report_scan.pdf": "no text on any of its 3 pages: needs OCR",
    "office/pdf_scanned_invoice.pdf": "no text on its page: needs OCR",
    "office/pdf_scanned_minimal.pdf": "no text on its page: needs OCR",
    "office/random.bin": "binary file, no reader for .bin",
    "office/test.jpg": "an image (needs OCR)",
    "office/test_llm.jpg": "an image (needs OCR)",
    "office/test_files.zip": "an archive: unpack it to index its files",
    "pdf/005-libreoffice-writer-password/libreoffice-writer-password.pdf": "encrypted PDF: needs a password",
    "pdf/007-imagemagick-images/imagemagick-ASCII85Decode.pdf": "no text on its page: needs OCR",
    "pdf/007-imagemagick-images/imagemagick-CCITTFaxDecode.pdf": "no text on its page: needs OCR",
    "pdf/007-imagemagick-images/imagemagick-lzw.pdf": "no text on its page: needs OCR",
    "pdf/017-unreadable-meta-data/unreadablemetadata.pdf": "damaged PDF file",
    "pdf/019-grayscale-image/grayscale-image.pdf": "no text on its page: needs OCR",
    "pdf/023-cmyk-image/cmyk-image.pdf": "no text on its page: needs OCR",
}
_TEXT = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}t"
_PARAGRAPH = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}p"


def mixed() -> Path:
    data = data_folder()
    assert data is not None
    return data / "folders" / "mixed"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mixed") / "index"
    index_folders([str(mixed())], str(path), IndexOptions(embed=False))
    return path


def test_every_file_is_indexed_or_named_with_a_true_reason(index: Path) -> None:
    entries = {entry.path: entry for entry in file_statuses(str(index))[1]}
    on_disk = {str(path.relative_to(mixed())) for path in mixed().rglob("*") if path.is_file()}
    assert set(entries) == on_disk
    assert {path for path, entry in entries.items() if entry.status in ("skipped", "failed")} == set(NOT_INDEXED)
    for path, reason in NOT_INDEXED.items():
        assert entries[path].reason.startswith(reason), path
    assert all(entry.chunks for path, entry in entries.items() if path not in NOT_INDEXED)


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def words_of_docx(path: Path) -> Counter[str]:
    """By an independent way: every text node of the main part, paragraph by paragraph."""
    root = etree.fromstring(zipfile.ZipFile(path).read("word/document.xml"))
    texts = ["".join(node.text or "" for node in paragraph.iter(_TEXT)) for paragraph in root.iter(_PARAGRAPH)]
    return words("\n".join(texts))


def indexed_text(index: Path, name: str) -> str:
    def question(catalog: Catalog) -> str:
        rows = catalog.connection.execute(
            "SELECT chunks.text, chunks.heading FROM chunks JOIN files ON files.id = file_id WHERE path = ?",
            (name.encode(),),
        )
        return "\n".join(f"{row[0]}\n{row[1]}" for row in rows)

    return Catalog.read(str(index), question)


def test_the_words_of_a_book_in_word_format_are_indexed(index: Path) -> None:
    total = missing = 0
    for path in sorted((mixed() / "book-docx").glob("*.docx")):
        expected = words_of_docx(path)
        found = words(indexed_text(index, f"book-docx/{path.name}"))
        lost = expected - found
        missing += sum(lost.values())
        total += sum(expected.values())
    print(f"{total - missing} of {total} words: {(total - missing) / total:.4%}")
    assert total > 100_000
    assert missing <= total * 0.01


@pytest.mark.parametrize(
    ("query", "path", "place"),
    [
        ("髙橋淳 名古屋", "office/test_mskanji.csv", 4),
        ("conversable agents AutoGen figure", "office/test.pptx", None),
        ("مرحبا habibi", "pdf/015-arabic/habibi.pdf", 1),
    ],
)
def test_what_is_in_old_and_foreign_formats_is_found(index: Path, query: str, path: str, place: int | None) -> None:
    with Searcher(str(index)) as searcher:
        hits = searcher.search(query, SearchOptions(mode="lexical", k=10)).hits
    assert path in [hit.path for hit in hits]
    if place is not None:
        hit = next(hit for hit in hits if hit.path == path)
        assert place in (hit.page, hit.line_end)


def test_damaged_versions_of_real_files(tmp_path: Path) -> None:
    originals = {
        f"{number}{path.suffix}": path.read_bytes()
        for number, path in enumerate(sorted(mixed().rglob("*")))
        if path.is_file() and path.stat().st_size < 100_000
    }
    count, seconds, most = check(originals, 16, tmp_path)
    print(f"{count} damaged files in {seconds:.0f} s, main process {most / 1e6:.0f} MB")
    assert count > 1000
    assert most < 400_000_000
