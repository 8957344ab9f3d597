"""How often the told line (page, row) of a hit holds the word that was looked for, by format.

    python -m benchmarks.places [FOLDER...] [--words 12] [--made 60]

The words are those that stand once in their file, in any form. FOLDERs (default: `redis-doc`
and `mixed` of the test data) are indexed as they are, in a copy; of `--made` of their Markdown files the lines are also
written into every format of `tests.sources.test_places`. Lines are those of the file's bytes, in which names of tags
count as words, too: what is `not found` of real files is that. Pages are compared with what pypdfium2 reads on them.
"""

import argparse
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pypdfium2

from semsearch.indexing import IndexOptions, index_folders
from semsearch.lexical.analyzer import passage_keys
from semsearch.lexical.words import words_of
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.records import Filters
from tests.sources.test_places import FORMATS
from tests.support.real_collections import data_folder

_WORD = re.compile(r"(?<![^\W_])[a-z]{6,}(?![^\W_])")
_PAGE_END = "\f"
_LINED = {"md", "html", "csv", "json", "ipynb", "xml", "txt", "rst"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--words", type=int, default=12, help="words of a file")
    parser.add_argument("--show", action="store_true", help="print what is not exact")
    parser.add_argument("--made", type=int, default=60, help="files of each made format")
    chosen = parser.parse_args()
    data = data_folder()
    folders = chosen.folders or ([data / "folders" / name for name in ("redis-doc", "mixed")] if data else [])
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for folder in folders:
            shutil.copytree(folder, root / "real" / folder.name, ignore=shutil.ignore_patterns(".semsearch", ".git"))
        made = _make(sorted((root / "real").rglob("*.md")), root / "made", chosen.made)
        index_folders([str(root)], None, IndexOptions(model="static", embed=False))
        told: dict[str, Counter[str]] = {}
        with Searcher(str(root)) as searcher:
            for path, words in (
                *_words_of_lines(root / "real", chosen.words),
                *made(chosen.words),
                *_pages(root / "real", chosen.words),
            ):
                name = path.relative_to(root)
                kind = f"made {name.parts[1]}" if name.parts[0] == "made" else f"real .{path.suffix[1:]}"
                for word, places in words.items():
                    judged = _judged(searcher, str(name), word, places)
                    told.setdefault(kind, Counter())[judged] += 1
                    if chosen.show and judged != "exact":
                        print(judged, name, word, *places)
    print(f"{'format':<18} {'words':>6} {'exact':>7} {'in span':>8} {'outside':>8} {'not found':>10}")
    for kind, counts in sorted(told.items()):
        total = counts.total()
        shares = (f"{counts[one] / total:>8.2%}" for one in ("exact", "near", "outside", "lost"))
        print(f"{kind:<18} {total:>6} " + " ".join(shares))


def _make(pages: list[Path], target: Path, count: int):  # type: ignore[no-untyped-def]
    """Writes `count` of `pages` in every format; returns what gives (file, word -> lines) of them."""
    chance = random.Random(1)
    sources = [page.read_text("utf-8", "replace") for page in chance.sample(pages, min(count, len(pages)))]
    written: list[tuple[Path, set[str]]] = []
    for name, convert in FORMATS.items():
        folder = target / name
        folder.mkdir(parents=True)
        for number, source in enumerate(sources):
            # Letters and full stops alone, so that a line is the same in every notation.
            lines = [re.sub(r"[^A-Za-z. ]+", " ", line).strip() for line in source.split("\n")]
            path = folder / f"{number}-{name}"
            path.write_bytes(convert(lines[:400]).encode())
            written.append((path, set(_WORD.findall(" ".join(lines[:400])))))
    return lambda words: ((path, _once(path.read_bytes().decode(), words, among=own)) for path, own in written)


def _words_of_lines(folder: Path, count: int) -> Iterator[tuple[Path, dict[str, set[int]]]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix[1:] in _LINED and path.is_file():
            yield path, _once(path.read_bytes().decode("utf-8", "replace"), count)


def _pages(folder: Path, count: int) -> Iterator[tuple[Path, dict[str, set[int]]]]:
    for path in sorted(folder.rglob("*.pdf")):
        try:
            document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError:
            continue
        pages = [page.get_textpage().get_text_range() for page in document]
        yield path, _once(_PAGE_END.join(page.replace(_PAGE_END, " ") for page in pages), count, _PAGE_END)


def _once(text: str, count: int, separator: str = "\n", among: set[str] | None = None) -> dict[str, set[int]]:
    """`count` words that stand in `text` once, each with the number of its line (page); `among`: of these alone."""
    lines = text.replace("\r\n", "\n").split(separator)
    stems = Counter(key for word in words_of(text) for key in {*passage_keys(word, "en"), *passage_keys(word, "de")})
    places = [
        (word, number)
        for number, line in enumerate(lines, 1)
        for word in _WORD.findall(line)
        if text.lower().count(word) == 1
        and (among is None or word in among)
        and all(stems[key] == 1 for code in ("en", "de") for key in passage_keys(word, code))
    ]
    chosen = random.Random(len(text)).sample(places, min(count, len(places)))
    return {word: {number} for word, number in chosen}


def _judged(searcher: Searcher, name: str, word: str, places: set[int]) -> str:
    """Where the word is told to be: `exact`, `near` (only in the span of the sentence), `outside`, or `lost`."""
    options = SearchOptions(mode="lexical", fold=False, correct=False, filters=Filters(paths=("/" + name,)), k=3)
    hits = [hit for hit in searcher.search(word, options).hits if re.search(rf"\b{word}\b", hit.text, re.IGNORECASE)]
    if not hits:
        return "lost"
    judged = [_place(hit, places) for hit in hits]
    return next((one for one in ("exact", "near") if one in judged), "outside")


def _place(hit: Hit, places: set[int]) -> str:
    if hit.line_start is None:
        return "exact" if hit.page in places else "outside"
    first, last = hit.sentence_lines()
    if first in places:
        return "exact"
    return "near" if first and last and any(first <= place <= last for place in places) else "outside"


if __name__ == "__main__":
    main()
