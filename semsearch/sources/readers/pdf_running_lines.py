"""Heads and feet that run through the pages of a PDF: kept where they stand first. Pure functions."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from semsearch.sources.document_builder import plain

# Running lines are looked for among so many lines at the top and the bottom of a page, in documents of at least so many
# pages, and on pages of at least so many lines.
_EDGE_LINES = 2
_MIN_PAGES = 4
_MIN_LINES = 6
_FEWEST_TIMES = 3
# The word for a page; short ones with their dot, as "s" alone is more often something else.
_PAGE = (
    r"(?:page|pages|pg\.?|pag\.?|pág\.?|página|pagina|pàgina|paġna|seite|sida|side|sivu|strona|str\.|strana|stránka|oldal|"
    r"sayfa|trang|halaman|leht|lehekülg|lappuse|lpp\.?|puslapis|p\.|s\.|blz\.?|bls\.?|faqe|orri|orrialdea|"
    r"страница|стр\.|с\.|сторінка|стор\.|старонка|страна|бет|σελίδα|σελ\.|էջ|გვერდი|עמוד|עמ׳|صفحة|صفحه|ص|"
    r"पृष्ठ|पेज|পৃষ্ঠা|หน้า|பக்கம்|페이지|頁|页|ページ)"
)
_OF = r"(?:/|\||of|von|de|di|do|van|av|af|iz|ze|z|sur|din|dari|od|din|trên|из|від|з|από|מתוך|من|از|का|จาก|的|중)"
_PAGE_NUMBER = re.compile(
    rf"(?<!\w){_PAGE}\s*\d+(?:\s*{_OF}\s*\d+)?(?!\w)|(?<!\w)\d+\.\s*(?:oldal|lappuse|lpp)(?!\w)"
    r"|(?:第\s*|(?<!\d))\d+\s*(?:页|頁|ページ|페이지|쪽)(?:\s*[,，/]?\s*[共全]\s*\d+\s*(?:页|頁|ページ))?",
    re.IGNORECASE,
)
_BARE_NUMBER = re.compile(rf"[-\u2013\u2014|\[(~·•\s]*(\d+)(?:\s*{_OF}\s*\d+)?[-\u2013\u2014|\])~·•\s]*", re.IGNORECASE)


def without_running_lines(pages: list[str]) -> list[str]:
    """`pages` without the numbers of the pages, and with lines at an edge that half of them share once.

    A number that is not the page's own makes a line another one: "Invoice 1041" says something of its page.
    """
    if len(pages) < _MIN_PAGES:
        return pages
    split = [page.split("\n") for page in pages]
    places: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    bare: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for page, lines in enumerate(split):
        for edge, at in _edges(lines):
            text = plain(lines[at])
            if number := _BARE_NUMBER.fullmatch(text):
                bare[edge].append((page, at, int(number.group(1)[-9:])))
            else:
                places[edge, _PAGE_NUMBER.sub("#", text)].append((page, at))
    fewest = max(_FEWEST_TIMES, sum(bool(page.strip()) for page in pages) / 2)
    dropped: set[tuple[int, int]] = set()
    for (_, text), found in places.items():
        # A line without letters may be a row of a table that is the same on every page.
        if len(found) >= fewest and (text == "#" or any(letter.isalpha() for letter in text)):
            dropped.update(found[1:])
    for numbers in bare.values():
        dropped.update(_page_numbers(numbers, fewest))
    if not dropped:
        return pages
    return [
        "\n".join(line for at, line in enumerate(lines) if (page, at) not in dropped)
        for page, lines in enumerate(split)
    ]


def _page_numbers(numbers: Sequence[tuple[int, int, int]], fewest: float) -> list[tuple[int, int]]:
    """(page, position) of those of `numbers`, (page, position, number), that rise with the pages.

    Others may be sums or years.
    """
    if not numbers:
        return []
    ((offset, times),) = Counter(number - page for page, _, number in numbers).most_common(1)
    return [(page, at) for page, at, number in numbers if number - page == offset] if times >= fewest else []


def _edges(lines: list[str]) -> list[tuple[int, int]]:
    """(edge, position in `lines`) of the first and last ones that are not blank; none on a page of few lines.

    Edges count from 0 at the top and from -1 at the bottom.
    """
    written = [at for at, line in enumerate(lines) if line.strip()]
    if len(written) < _MIN_LINES:
        return []
    return [(edge, written[edge]) for edge in (*range(_EDGE_LINES), *range(-_EDGE_LINES, 0))]
