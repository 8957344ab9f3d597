"""PDF: the text of each page under the headings of the outline, with what lies on it; properties as metadata.

The text is pypdf's. Where that has none or cannot decode it, pypdfium2 is asked, and the better text is kept; it also
tells which cells of a table are one row. Heads and feet that run through the pages are kept once. What could not be
read is named in the notice.
"""

import io
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from semsearch.errors import ReadError
from semsearch.plurals import agreeing, count_of
from semsearch.sources.document import Document, Section, heading_path
from semsearch.sources.document_builder import MOST_CHARACTERS, plain
from semsearch.sources.ocr import OcrLimits, OcrReader
from semsearch.sources.readers.pdf_actual_text import actual_texts, missing
from semsearch.sources.readers.pdf_beside import beside, shows_picture
from semsearch.sources.readers.pdf_pdfium import SecondReader
from semsearch.sources.readers.pdf_repair import contents_to_try, is_table_wrong
from semsearch.sources.readers.pdf_rows import has_figures, in_rows, may_hold_cells
from semsearch.sources.readers.pdf_running_lines import without_running_lines
from semsearch.sources.readers.pdf_text import Quality, better, cleaned, quality, readable_lines
from semsearch.sources.readers.pdf_words import joined_words
from semsearch.sources.readers.pdf_xfa import has_xfa, read_xfa
from semsearch.sources.titles import told_title

_PROPERTIES = {
    "/Title": "title", "/Author": "author", "/Subject": "subject", "/Keywords": "keywords", "/CreationDate": "created",
    "/ModDate": "modified",
}  # fmt: skip
# What PDF libraries write for properties that the author left out.
_PLACEHOLDERS = frozenset({"", "untitled", "anonymous", "unspecified"})
_FROM_THE_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


@dataclass
class _Pages:
    """The text of each page, what lies beside it, and the numbers of pages of which something is missing."""

    texts: list[str] = field(default_factory=list)
    beside: list[list[str]] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    undecodable: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    by_second_reader: list[int] = field(default_factory=list)
    by_ocr: list[int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def read(data: bytes, type_name: str, passwords: Sequence[str] = (), ocr: OcrLimits | None = None) -> Document:
    """The text of `data`, a section for each page and heading.

    `passwords` are tried if it is encrypted; `ocr`: pages without text are drawn and read by OCR within these limits.
    Raises `ReadError` when no password fits, no page can be read, or none has text (with `skip`).
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings do not name the file, as the notice does
    pdf = _opened(data, passwords)
    second = SecondReader(data, passwords)
    if pdf is not None and not len(pdf.pages) and second.count():
        pdf = None
    pages = _read_pages(pdf, second, passwords)
    if pdf is not None:
        _read_whole_file(pdf, pages)
    if ocr is not None:
        _recognise(pages, second, OcrReader(ocr))
    count = len(pages.texts)
    none_can = agreeing(count, "its page cannot", f"none of its {count:,} pages can")
    if count and len(pages.broken) == count:
        raise ReadError(f"damaged PDF file: {none_can} be read")
    if not any(text.strip() for text in pages.texts) and not any(pages.beside):
        hint = ": needs OCR" if ocr is None else ", nor found by OCR"
        if pages.undecodable:
            raise ReadError(f"the text of {none_can} be decoded{hint}", skip=True)
        raise ReadError(f"no text on {agreeing(count, 'its page', f'any of its {count:,} pages')}{hint}", skip=True)
    metadata = {} if pdf is None else _properties(pdf)
    title = told_title(str(metadata.pop("title", "")))
    texts = joined_words(without_running_lines(pages.texts))
    texts = [
        "\n".join([text.rstrip(), *lines]) if lines else text for text, lines in zip(texts, pages.beside, strict=True)
    ]
    sections, parts, offset = [], [], 0
    outline = {} if pdf is None else _outline(pdf)
    path: list[tuple[int, str]] = []
    for number, text in enumerate(texts, 1):
        part = text + "\n\n"
        cuts = _cut_at_headings(part, outline.get(number, ()), path)
        for start, end, under in cuts:
            heading = heading_path(title, [name for _, name in under])
            sections.append(Section(offset + start, offset + end, heading, number))
        path = cuts[-1][2]
        parts.append(part)
        offset += len(part)
    metadata["pages"] = count
    return Document("".join(parts), type_name, tuple(sections), None, title, metadata, _notice(pages, ocr is None))


def _notice(pages: _Pages, needs_ocr: bool) -> str:
    hint = ": needs OCR" if needs_ocr else ""
    notices = [f"no text on {_named(pages.empty)}{hint}"] if pages.empty else []
    notices += [f"undecodable text on {_named(pages.undecodable)}{hint}"] if pages.undecodable else []
    if pages.doubtful:
        notices.append(f"doubtful text on {_named(pages.doubtful)}" + (": codes, or needs OCR" if needs_ocr else ""))
    notices += [f"{_named(pages.broken)} cannot be read"] if pages.broken else []
    notices += [f"{_named(pages.by_second_reader)} read by pypdfium2"] if pages.by_second_reader else []
    return "; ".join([*pages.notices, *notices])


def _opened(data: bytes, passwords: Sequence[str]) -> Any:
    """pypdf's reader of `data`, one without pages at worst; None where it cannot open it.

    Raises `ReadError` when no password fits.
    """
    import pypdf

    opened = None
    for content in contents_to_try(data):
        try:
            pdf = pypdf.PdfReader(io.BytesIO(content))
            if content is data and is_table_wrong(pdf, data):
                continue
            if pdf.is_encrypted and not any(pdf.decrypt(one) for one in ("", *passwords)):
                raise _no_password_fits(passwords)
            if len(pdf.pages):
                return pdf
            opened = pdf
        except (ReadError, MemoryError):
            raise
        except Exception:  # pypdf raises errors of any type on damaged files, which the second reader may open
            continue
    return opened


def _no_password_fits(passwords: Sequence[str]) -> ReadError:
    tried = "none of the given passwords opens it" if passwords else "needs a password (--password-file)"
    return ReadError(f"encrypted PDF: {tried}")


def _read_whole_file(pdf: Any, pages: _Pages) -> None:
    """Adds to the first page what a form in XML says that no field of a page does; tells of it and of attachments."""
    try:
        said = {line.partition(": ")[2] for lines in pages.beside for line in lines}
        if has_xfa(pdf):
            pages.beside[0] += [line for line in read_xfa(pdf) if line.partition(": ")[2] not in said]
            pages.notices.append("a form in XML (XFA)")
    except MemoryError:
        raise
    except Exception:  # a damaged form must not cost the text
        pages.notices.append("a form in XML (XFA) that cannot be read")
    try:
        if attached := [plain(name) for name in pdf.attachments]:
            pages.notices.append("attached and not read: " + ", ".join(attached))
    except MemoryError:
        raise
    except Exception:  # a damaged list of files must not cost the text
        pages.notices.append("a list of attached files that cannot be read")


def _recognise(pages: _Pages, second: SecondReader, reader: OcrReader) -> None:
    """Reads by OCR the pages without text that can be trusted, as far as the limits go.

    A doubtful text is kept where OCR finds nothing better: it may be one of codes.
    """
    for number in sorted([*pages.empty, *pages.undecodable, *pages.doubtful, *pages.broken]):
        picture = second.picture(number - 1)
        text = "" if picture is None else reader.read(picture)
        if text and (number not in pages.doubtful or better(pages.texts[number - 1], text)):
            pages.texts[number - 1] = text
            pages.by_ocr.append(number)
            for those in (pages.empty, pages.undecodable, pages.doubtful, pages.broken):
                if number in those:
                    those.remove(number)
    if pages.by_ocr:
        pages.notices.append(reader.notice(_named(pages.by_ocr)))
    if reader.left_out:
        pages.notices.append(f"{count_of(reader.left_out, 'page')} beyond the limits of OCR")


def _read_pages(pdf: Any, second: SecondReader, passwords: Sequence[str]) -> _Pages:
    """The pages of a file. Raises `ReadError` when neither reader can open it, or it has none."""
    count = second.count() if pdf is None else len(pdf.pages)
    if count is None:
        if second.needs_password:
            raise _no_password_fits(passwords)
        raise ReadError("damaged PDF file: neither pypdf nor pypdfium2 can open it")
    if not count:
        raise ReadError("a PDF file without pages", skip=True)
    pages = _Pages()
    left = MOST_CHARACTERS
    for number in range(count):
        if left < 0:  # one content may be that of thousands of pages
            pages.notices.append(f"pages from {number + 1} on, beyond {MOST_CHARACTERS:,} characters, left out")
            break
        text, lines, given, has_picture, failed = "", list[str](), list[str](), False, pdf is None
        if pdf is not None:
            try:
                page = pdf.pages[number]
                text = cleaned(page.extract_text())
                lines, is_all = beside(page, text)
                if not is_all:
                    pages.notices.append(f"more notes on page {number + 1} left out")
                given = actual_texts(page)
                has_picture = not text.strip() and shows_picture(page)
            except MemoryError:
                raise
            except Exception:  # pypdf raises errors of any type on damaged pages
                text, failed = "", True
        if not text.strip() or given or quality(text) is not Quality.READABLE:
            other = cleaned(second.text(number))
            if better(text, other) or (given and _tells_more(text, other, given)):
                text, failed = other, False
                pages.by_second_reader.append(number + 1)
            lines += missing(given, text)
            text = _trusted(text, number + 1, pages)
            if failed:
                pages.broken.append(number + 1)
            elif not text.strip() and (has_picture or not lines) and number + 1 not in pages.undecodable:
                pages.empty.append(number + 1)
        elif has_figures(text):
            text = in_rows(text, cleaned(second.text_in_cells(number)))
        elif may_hold_cells(text):
            text = in_rows(text, cleaned(second.text(number)))
        left -= len(text) + sum(map(len, lines))
        pages.texts.append(text)
        pages.beside.append(lines)
    return pages


def _tells_more(text: str, other: str, given: Sequence[str]) -> bool:
    """Whether `other`, of the second reader, has texts `given` by the page that `text` lacks, or may lack.

    Short ones ("fi") stand elsewhere on most pages. pypdf is better at text from the right to the left.
    """
    lacking = missing(given, other)
    if quality(other) is not Quality.READABLE or len(lacking) > len(missing(given, text)):
        return False
    return len(lacking) < len(missing(given, text)) or not _FROM_THE_RIGHT.search(text)


def _trusted(text: str, number: int, pages: _Pages) -> str:
    """What of the `text` of page `number` was decoded; tells `pages` where that is not all, or in doubt."""
    found = quality(text)
    if found is Quality.READABLE:
        return text
    (pages.doubtful if found is Quality.DOUBTFUL else pages.undecodable).append(number)
    return text if found is Quality.DOUBTFUL else readable_lines(text)


def _properties(pdf: Any) -> dict[str, object]:
    try:
        entries: Mapping[str, object] = pdf.metadata or {}
        properties = {
            name: str(entries[key]).replace("\0", "") for key, name in _PROPERTIES.items() if entries.get(key)
        }
        return {key: value for key, value in properties.items() if value.strip("() ").lower() not in _PLACEHOLDERS}
    except Exception:  # damaged properties must not cost the text
        return {}


def _outline(pdf: Any) -> dict[int, list[tuple[int, str]]]:
    """Page, from 1 -> (level, name) of the outline entries that begin there; empty without a readable outline."""
    entries_of: dict[int, list[tuple[int, str]]] = {}

    def collect(entries: Any, level: int) -> None:
        for entry in entries:
            if isinstance(entry, list):
                collect(entry, level + 1)
                continue
            page = pdf.get_destination_page_number(entry)
            name = plain(str(entry.title or "").replace("\0", ""))[:200]
            if page is not None and name:
                entries_of.setdefault(page + 1, []).append((level, name))

    try:
        collect(pdf.outline, 1)
    except Exception:  # a damaged outline must not cost the text
        return {}
    return entries_of


def _cut_at_headings(
    text: str, entries: Sequence[tuple[int, str]], path: list[tuple[int, str]]
) -> list[tuple[int, int, list[tuple[int, str]]]]:
    """(start, end, heading path) of the parts of the page `text`, cut where the outline `entries` stand in it.

    `path`: the heading path at the end of the page before. An entry that is not found in the text begins where the one
    before it does.
    """
    parts = []
    begin = 0
    for level, name in entries:
        words = name.split()
        # What numbers it is bounded: a page may be a table of numbers.
        pattern = r"^[\d.\s]{0,40}" + r"\s+".join(map(re.escape, words[:12]))
        match = re.compile(pattern, re.M | re.I).search(text, begin)
        start = match.start() if match else begin
        if start > begin:
            parts.append((begin, start, path))
            begin = start
        path = [*(above for above in path if above[0] < level), (level, name)]
    parts.append((begin, len(text), path))
    return parts


def _named(numbers: list[int]) -> str:
    """`numbers` (rising) for people: `page 3`, `pages 1-4, 7`."""
    runs = []
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        runs.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    shown = ", ".join(runs[:20]) + (" …" if len(runs) > 20 else "")
    return ("page " if len(numbers) == 1 else "pages ") + shown
