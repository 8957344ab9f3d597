"""Finds the marks by which an answer names its sources, in all the ways that models write them.

A mark is what a reader takes for one: `[1]`, `[1, 2]`, `[1-3]`, `【1†source】`, `[source 1]`, `[1, lines 22-24]`,
`[[1]](link)`, `[file.md]`, `According to source 1`; and, in an answer without any of these, `(1)`, `¹` and
`<sup>1</sup>` after a word. `x²`, `10³`, `(1) first` are none.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

# Blanks are counted in all patterns: a long run of them must not be divided in every way before it is no mark.

# No request holds more sources; a longer range is no citation that could be checked one by one.
_LONGEST_RANGE = 100
# "source" as the prompt calls it, in languages that models translate it to.
SOURCE_WORDS = (
    r"(?:sources?|src|refs?|references?|citations?|doc(?:ument)?s?|quellen?|fuentes?|fontes?|fonti|bron(?:nen)?|"
    r"källa|källor|kilder?|źródł[oa]|kaynak(?:lar)?|источник[иа]?|джерел[оа]|来源|來源|资料|資料|文献|出典|参照|출처|자료|文档|"
    r"स्रोत|المصدر|מקור)"
)
_NUMBERS = (
    r"\d{1,3}(?!\d)(?:\s{0,3}(?:[,;&、，؛–—-]|and|und|et|y|e|en|og|och|i|и|와|和|と)\s{0,3}"
    rf"(?:{SOURCE_WORDS}\s{{0,3}})?\d{{1,3}}(?!\d))*"
)
_NUMBER_WORD = r"\.?\s{0,3}(?:no\.?|nr\.?|:)?\s{0,3}"
# Where in a source: lines, a page, or what ChatGPT writes after a dagger.
_WHERE = (
    r"(?:\s{0,3}†[^】\]\n]{0,200}|\s{0,3}:\s{0,3}L?\d{1,6}(?:\s{0,3}[–—-]\s{0,3}L?\d{1,6})?"
    r"|\s{0,3}[,;:]?\s{0,3}(?:lines?|zeilen?|lignes?|líneas?|pages?|seiten?|p{1,2}\.?|s\.|l\.|§|sections?|file)"
    r"(?:\s{0,3}[:.])?\s{0,3}\w[^\]】)\n]{0,80})"
)
_STRONG = re.compile(
    rf"(?:\$\^\{{?|\^)?\\?\[?\\?\[\s{{0,3}}(?:\^|{SOURCE_WORDS}{_NUMBER_WORD})?#?\s{{0,3}}(?P<square>{_NUMBERS})"
    rf"(?P<where>{_WHERE})?"
    r"\s{0,3}\\?\](?:\](?=\(\S|[\s.,;:!?)]|\Z))?(?:\(\S{0,500}?\))?\^?(?:\}?\$)?"
    rf"|[【［〔]\s{{0,3}}(?:{SOURCE_WORDS}\.?\s{{0,3}}:?\s{{0,3}})?(?P<wide>{_NUMBERS}){_WHERE}?\s{{0,3}}[】］〕]"
    rf"|[(（]\s{{0,3}}(?:(?:see|siehe|cf\.?|vgl\.?)\s{{1,3}})?{SOURCE_WORDS}{_NUMBER_WORD}#?(?P<labelled>{_NUMBERS})"
    rf"{_WHERE}?\s{{0,3}}[)）]",
    re.IGNORECASE,
)
_SUP = re.compile(
    r"<sup>\s{0,3}\[?\s{0,3}(?P<sup>\d{1,3}(?:\s{0,3}[,;]\s{0,3}\d{1,3})*)\s{0,3}\]?\s{0,3}</sup>", re.IGNORECASE
)
_SUPERSCRIPT = re.compile("(?P<raised>[¹²³⁰⁴-⁹]{1,2}(?:[,⁾ᐟ˒]{1,2}[¹²³⁰⁴-⁹]{1,2})*)")
_CARET = re.compile(r"\$\^\{?(?P<caret>\d{1,3})\}?\$|\^(?P<pandoc>\d{1,3})\^")
_PAREN = re.compile(r"[(（]\s{0,3}(?P<paren>\d{1,3}(?:\s{0,3}[,;&]\s{0,3}\d{1,3})*)\s{0,3}[)）]")
# "According to source 1, ..." and "Source 1 says that ...": the words around the number say nothing of the matter.
_PROSE = re.compile(
    r"(?:(?:according to|as (?:stated|described|mentioned|noted|explained|shown|given) (?:in|by)|based on|per|from|see|"
    r"in|laut|gemäß|nach|aus|selon|d'après|según|secondo|segundo|volgens|enligt|ifølge|według|согласно)\s{1,3})?"
    r"(?:(?:the|der|la)\s{1,3})?\b(?:sources?|quellen?|fuentes?|fontes?|fonti|bron|källa|kilde|źródło|источник\w{0,3})"
    r"\s{1,3}(?:no\.?\s{0,3}|nr\.?\s{0,3}|#)?(?P<prose>\d{1,3}(?:\s{0,3}(?:,|and|und|et|y|e)\s{0,3}\d{1,3})*)\b"
    r"(?:\s{1,3}(?:zufolge|(?:\w{1,20}ly )?(?:says?|states?|mentions?|notes?|explains?|reports?|describes?|"
    r"indicates?|confirms?|specifies|specify|adds?|tells?|besagt|sagt|nennt|indique|dice|indica))"
    r"(?: that|, dass| que| che)?\b)?\s{0,3}[,:]?",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[\[(【（]\s{0,3}(?P<name>[^\[\]()【】（）\n]{2,300}?)\s{0,3}[\])】）](?:\(\S{0,500}?\))?")
_NAME_WHERE = re.compile(
    r"(?:[:#]L?\d{1,6}(?:\s{0,3}[–—-]\s{0,3}L?\d{1,6})?"
    r"|[,;]\s{0,3}(?:lines?|zeilen?|pages?|p{1,2}\.?|seiten?|s\.)\s{0,3}[\d\s–—-]{1,20})$",
    re.IGNORECASE,
)
_NAME_LABEL = re.compile(
    rf"^{SOURCE_WORDS}\s{{0,3}}(?:\d{{1,3}}\s{{0,3}})?[:,]?\s{{1,3}}|^(?:file|datei)\s{{0,3}}:\s{{0,3}}", re.IGNORECASE
)
_PART = re.compile(r"(\d+)(?:\s*[–—-]\s*(\d+))?")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
# What a raised figure or one in brackets stands behind when it marks a source: a word, or the end of a sentence.
_BEFORE_WEAK = re.compile(r"(?:[^\W\d_]{3,}|[.,;:!?。»”\"')*\]%])[ \u00a0]?\Z")
_POWER_UNITS = re.compile(
    r"(?:\b(?:\w?m|ft|feet|foot|in|inch|inches|yd|yards?|mi|miles?|[^\W\d_]*met(?:er|re)s?|sec|tan|sin|cos|log)\Z)",
    re.IGNORECASE,
)
_AFTER_LAST_PAREN = re.compile(
    r"\s{0,3}(?:[*_\"”’)\]]*\s{0,3}[.,;:!?。]|[*_]*\s{0,3}(?:\n|\Z|\|)|[*_]*\s{0,3}[(（]\s{0,3}\d)"
)
_RAISED = str.maketrans("¹²³⁰⁴⁵⁶⁷⁸⁹", "1230456789")
_PAREN_SENTENCE = re.compile(r"[.!?。](?:\s|\Z)|\n")


@dataclass(frozen=True)
class CitationMark:
    """A citation as written in an answer, such as `[1, 2]`: `text[start:end]`, and the source numbers it names.

    `leads`: it is said of what follows it, such as "According to source 1".
    """

    start: int
    end: int
    numbers: tuple[int, ...]
    leads: bool = False


def citation_marks(
    text: str, sources: int = 0, names: Mapping[str, tuple[int, ...]] | None = None
) -> list[CitationMark]:
    """Every citation mark of `text`, in order. Code spans hold none.

    `sources`: how many there are; a weak mark, such as `(2)`, names one of them, a strong one, as `[99]`, need not.
    `names`: names of files, in lower case, with the sources that come from them.
    """
    code = [match.span() for match in _CODE.finditer(text)]
    begins = [start for start, _ in code]

    def in_code(position: int) -> bool:
        before = bisect_right(begins, position) - 1
        return before >= 0 and position < code[before][1]

    marks = []
    for match in _STRONG.finditer(text):
        numbers = _numbers(match.group("square") or match.group("wide") or match.group("labelled"))
        # [12:30] is a time where there are six sources.
        if not in_code(match.start()) and (not match.group("where") or not sources or _of(numbers, sources)):
            marks.append(CitationMark(match.start(), match.end(), numbers))
    marks += [
        CitationMark(match.start(), match.end(), numbers, leads=True)
        for match in _PROSE.finditer(text)
        if not in_code(match.start()) and (numbers := _of(_numbers(match.group("prose")), sources))
    ]
    marks += _named_marks(text, names or {})
    if not marks:
        marks = [mark for mark in _weak_marks(text, sources) if not in_code(mark.start)]
    return _apart(marks)


def names_of_sources(paths: list[str], titles: list[str]) -> dict[str, tuple[int, ...]]:
    """Names by which an answer may call its sources, in lower case -> their numbers: paths, file names, titles."""
    names: dict[str, tuple[int, ...]] = {}
    for number, (path, title) in enumerate(zip(paths, titles, strict=True), 1):
        base = path.rpartition("/")[2]
        stem = base.rpartition(".")[0]
        for name in {path.lower(), base.lower(), stem.lower() if len(stem) > 3 else "", title.strip().lower()}:
            if len(name) > 1 and not name.isdigit():
                names[name] = (*names.get(name, ()), number)
    return names


def named_sources(name: str, names: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The numbers of the sources that `name`, as an answer writes it, means; none where it means none."""
    bare = _NAME_WHERE.sub("", name.strip().strip("`*_\"'“”").strip())
    for form in (bare, _NAME_LABEL.sub("", bare).strip("`*_\"' ")):
        if found := names.get(form.lower()):
            return found
    return ()


def _named_marks(text: str, names: Mapping[str, tuple[int, ...]]) -> list[CitationMark]:
    return [
        CitationMark(match.start(), match.end(), numbers)
        for match in _NAMED.finditer(text)
        if (numbers := named_sources(match.group("name"), names))
    ]


def _weak_marks(text: str, sources: int) -> list[CitationMark]:
    marks = []
    for pattern in (_SUP, _SUPERSCRIPT, _CARET):
        for match in pattern.finditer(text):
            digits = next(group for group in match.groups() if group)
            before = text[max(0, match.start() - 30) : match.start()]
            numbers = _of(_numbers(digits.translate(_RAISED)), sources)
            if numbers and _BEFORE_WEAK.search(before) and not _POWER_UNITS.search(before):
                marks.append(CitationMark(match.start(), match.end(), numbers))
    return marks or _paren_marks(text, sources)


def _paren_marks(text: str, sources: int) -> list[CitationMark]:
    """Numbers in brackets behind what they mark: the last of a sentence ends it, and the first does not begin it."""
    marks: list[CitationMark] = []
    start = 0
    for end in [*(match.end() for match in _PAREN_SENTENCE.finditer(text)), len(text)]:
        found = list(_PAREN.finditer(text, start, end))
        if found and _AFTER_LAST_PAREN.match(text, found[-1].end()):
            before = text[start : found[0].start()]
            numbered = [(match, _of(_numbers(match.group("paren")), sources)) for match in found]
            if before.strip(" \t-*+•>|\"'") and not before.rstrip().endswith(":") and all(of for _, of in numbered):
                marks += [CitationMark(match.start(), match.end(), numbers) for match, numbers in numbered]
        start = end
    return marks


def _of(numbers: tuple[int, ...], sources: int) -> tuple[int, ...]:
    """`numbers` where each of them is that of a source, else none."""
    return numbers if all(1 <= number <= sources for number in numbers) else ()


def _numbers(digits: str) -> tuple[int, ...]:
    numbers: dict[int, None] = {}
    for part in _PART.finditer(digits):
        first = int(part.group(1))
        last = int(part.group(2) or first)
        span = range(first, last + 1) if first <= last < first + _LONGEST_RANGE else (first, last)
        numbers.update(dict.fromkeys(span))
    return tuple(numbers)


def _apart(marks: list[CitationMark]) -> list[CitationMark]:
    """`marks` in order, of those that overlap the first, longest one."""
    apart: list[CitationMark] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        if not apart or mark.start >= apart[-1].end:
            apart.append(mark)
    return apart
