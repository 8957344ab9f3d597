"""What of an answer says nothing that a source could bear out: headings, greetings, table heads, lists of sources."""

import re
from collections.abc import Mapping, Sequence

from semsearch.answering.marks import SOURCE_WORDS, CitationMark, citation_marks, named_sources

_LONGEST_ASIDE = 250
_ASIDE = re.compile(
    r"^\W*(?:"
    # before the answer
    r"(?:sure|certainly|of course|absolutely|great question|good question|hello|hi|okay|ok|thanks?|thank you|gladly|"
    r"no problem|understood|gerne|natürlich|klar|selbstverständlich|hallo|bien sûr|certainement|d'accord|bonjour|claro|"
    r"por supuesto|hola|certo|certamente|ecco|claro que sim|natuurlijk|graag|självklart|конечно|oczywiście|elbette|"
    r"当然|好的|もちろん|はい|물론)(?!\w)[^.!:\n]{0,60}[.!:,]?\W*$"
    r"|let me (?:see|think|check|look)\b.*$|i(?:'ll| will| can) (?:help|answer|try|look)\b.*$"
    # who else to ask, and what else to ask
    r"|(?:please )?(?:let me know|feel free|do not hesitate|don't hesitate|i hope (?:this|that|it)|"
    r"hope (?:this|that) helps|if you (?:have|need|want|would like)|would you like|is there anything|"
    r"do you (?:want|need|have)|happy to help|i'm (?:here|happy)|"
    r"for (?:more|further) (?:information|details), (?:see|please))\b.*$"
    r"|(?:ich hoffe|lassen sie|lass mich|wenn sie (?:weitere|noch)|falls sie|melden sie|zögern sie)\b.*$"
    r"|(?:n'hésitez|j'espère|si vous avez|faites-moi)\b.*$"
    r"|(?:espero que|no dudes|no dude|si tienes|si necesitas|avísame|não hesite|se precisar|se tiver)\b.*$"
    r"|(?:spero che|se hai|non esitare|fammi sapere|ik hoop|laat (?:het )?me|als je|hoppas|если у вас|надеюсь)\b.*$"
    r"|(?:希望|如果您|如果你|如需|お役に立て|ご不明|他に|도움이|궁금).*$"
    r")",
    re.IGNORECASE | re.DOTALL,
)
_ON_DOCUMENTS = re.compile(
    r"^\W*(?:the |these |this |your |all )*(?:provided |given |available )*"
    r"(?:sources?|documents?|passages?|texts?|excerpts?)(?: only| mainly| just)? "
    r"(?:describe|discuss|mention|cover|contain|talk|deal|are about|is about|focus|provide|give)s?\b",
    re.IGNORECASE,
)
# What says no more than that there are sources, before what they say.
_LEAD = re.compile(
    r"^\W*(?:(?:based (?:up)?on|according to|as per|per|from|in)\s+(?:all\s+)?(?:the|these|your)?\s*"
    r"(?:provided|given|available|above|retrieved)?\s*"
    r"(?:sources?|documents?|passages?|context|information|texts?|manual|excerpts?)(?!\w|\.\w)"
    r"(?:\s+(?:provided|given|above|available|you provided))?"
    r"|(?:laut|gemäß|nach)\s+(?:den|dem|der)\s+(?:quellen?|dokument\w*)"
    r"|den (?:quellen|dokumenten) zufolge|(?:selon|d'après)\s+(?:les|la)\s+(?:sources?|documents?)"
    r"|según\s+(?:las|los|la|el)\s+(?:fuentes?|documentos?)|secondo\s+(?:le|i|la|il)\s+(?:fonti|fonte|documenti))"
    r"\s*[,:]?\s*",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^\s*(?:#{1,6}\s.*|(?:\*\*|__)[^*_\n]{1,80}(?:\*\*|__)\s*:?|={3,}|-{3,}|\*{3,})\s*$")
_ANSWER_WORD = re.compile(
    r"^\W*(?:(?:final |short |the )?answer|summary|antwort|zusammenfassung|réponse|respuesta|risposta|resposta|"
    r"antwoord|svar|ответ|答案|回答|답변)\W*$",
    re.IGNORECASE,
)
_TABLE_LINE = re.compile(r"^\s*\|?[\s:|-]*-{2,}[\s:|-]*\|?\s*$")
_LIST_HEAD = re.compile(
    rf"^[ \t*_#>-]{{0,20}}(?:{SOURCE_WORDS}|used sources|sources used|quellenangaben?|quellenverzeichnis|referenzen|"
    r"referencias|referências|références|riferimenti|references|bibliography|参考|参考来源|参考文献|引用|참고)"
    r"(?: (?:used|cited|list))?[ \t*_]{0,20}(?P<colon>[:：])?[ \t*_]{0,20}(?P<rest>[^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_LIST_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.):])?\s*")
# Characters, places where it may begin, and lines of a list of sources.
_LONGEST_LIST, _MOST_HEADS, _MOST_LINES = 6000, 8, 60
_LABEL = re.compile(
    r"^\s*(?:[-*+•]\s*|\d{1,3}[.)]\s*)?(?:\*\*|__)[^*_\n:]{1,50}(?:(?:\*\*|__)\s*:|:\s*(?:\*\*|__))\s*(?=\S)"
)
_ECHOED = re.compile(
    r"^=== source (\d+) (\w+) ===\n.*?^=== end of source \1 \2 ===\s*", re.MULTILINE | re.DOTALL | re.IGNORECASE
)
_FENCED = re.compile(r"\A\s*```\w*\n(?P<inside>(?:(?!```).)*?)\n?```\s*\Z", re.DOTALL)


def is_aside(sentence: str) -> bool:
    """Whether `sentence`, without citation marks, says nothing of the matter: it greets, offers help, asks back."""
    if len(sentence) > _LONGEST_ASIDE or any(letter.isdigit() for letter in sentence):
        return False
    return bool(
        _ASIDE.match(sentence)
        or _ANSWER_WORD.match(sentence)
        or sentence.rstrip("*_\"' ").endswith(("?", "？"))
        or not without_lead(sentence).strip(" :*_.,")
        or re.match(r"^\W*here (?:is|are|'s)\b[^.]*:\W*$", without_lead(sentence), re.IGNORECASE)
    )


def is_about_documents(sentence: str) -> bool:
    """Whether `sentence` says what the documents are about, as it stands beside "but they do not say that"."""
    return bool(_ON_DOCUMENTS.match(sentence))


def without_lead(sentence: str) -> str:
    """`sentence` without "According to the sources," before it."""
    return _LEAD.sub("", sentence, count=1)


def is_heading(line: str) -> bool:
    """Whether `line` of an answer is a heading, or a line of dashes."""
    return len(line) <= _LONGEST_ASIDE and bool(_HEADING.match(line) or _TABLE_LINE.match(line))


def cells_said(line: str) -> str:
    """The cells of a row of a table without the first, which says what the row is about; other lines as they are."""
    if not line.lstrip().startswith("|"):
        return _LABEL.sub("", line, count=1)
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    return "; ".join(cells[1:]) if len(cells) > 1 else line


def is_table_head(line: str, next_line: str) -> bool:
    """Whether `line` names the columns of a table, of which `next_line` is the line of dashes."""
    return "|" in line and "|" in next_line and is_heading(next_line)


def list_of_sources(text: str, sources: int, names: Mapping[str, tuple[int, ...]]) -> tuple[int, tuple[int, ...]]:
    """Where in `text` the list of sources at its end begins, and the sources that it names; `len(text)` without one.

    Such a list is a line "Sources:" with marks and names of files alone, in it or in the lines that follow; or a last
    paragraph of marks alone, or of marks with the names of their files.
    """
    heads = [*_LIST_HEAD.finditer(text, max(0, len(text) - _LONGEST_LIST))]
    for match in reversed(heads[-_MOST_HEADS:]):
        rest = match.group("rest")
        lines = [line for line in [rest, *text[match.end() :].split("\n")] if line.strip()]
        if not 0 < len(lines) <= _MOST_LINES or not (match.group("colon") or not rest):
            continue
        named = [_sources_of(line, sources, names) for line in lines]
        if all(numbers is not None for numbers in named):
            return match.start(), tuple(dict.fromkeys(n for numbers in named for n in numbers or ()))
    start = text.rstrip().rfind("\n\n") + 2
    last = text[start:]
    marks = citation_marks(last, sources, names)
    if start > 1 and marks and (not _rest_of(last, marks) or _are_footnotes(last, sources, names)):
        return start, tuple(dict.fromkeys(n for mark in marks for n in mark.numbers))
    return len(text), ()


def _are_footnotes(paragraph: str, sources: int, names: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether each line of `paragraph` is a mark and the name of a source: `[^1]: manual.md, lines 3-5`."""
    for line in filter(str.strip, paragraph.splitlines()):
        marks = citation_marks(line, sources, names)
        if not marks or line[: marks[0].start].strip(" \t-*+•_"):
            return False
        if not named_sources(line[marks[0].end :].strip(" \t:.–-*_"), names) and _rest_of(line, marks):
            return False
    return True


def _sources_of(line: str, sources: int, names: Mapping[str, tuple[int, ...]]) -> tuple[int, ...] | None:
    """The sources that a line of a list of sources names; None where it is no such line."""
    marks = citation_marks(line, sources, names)
    bare = _LIST_ITEM.sub("", line)
    if marks and not line[: marks[0].start].strip(" \t-*+•_"):
        return tuple(n for mark in marks for n in mark.numbers)  # "[1] operations/manual.md, lines 3 to 5"
    if found := named_sources(bare.strip(" .*_`"), names):
        return found
    if re.fullmatch(r"[\s\d,;.]{1,60}", line.strip(" .*_")):
        return tuple(n for n in map(int, re.findall(r"\d{1,3}", line)) if 1 <= n <= sources)
    if not _rest_of(line, marks):
        return tuple(n for mark in marks for n in mark.numbers)
    parts = [part.strip(" .*_`") for part in re.split(r"[,;]| and ", bare)]
    if all(named_sources(part, names) for part in parts):
        return tuple(n for part in parts for n in named_sources(part, names))
    return None


def _rest_of(line: str, marks: Sequence[CitationMark]) -> str:
    """Letters and figures of `line` outside `marks`."""
    position, rest = 0, ""
    for mark in marks:
        rest += line[position : mark.start]
        position = mark.end
    return re.sub(r"[\W_]+", "", rest + line[position:])


def unwrapped(text: str) -> str:
    """`text` without what a model puts around its answer: a fence, a JSON object, the sources repeated before it."""
    text = _ECHOED.sub("", text)
    if fenced := _FENCED.match(text):
        text = fenced.group("inside")
    return (_from_json(text) or text).strip()


def _from_json(text: str) -> str | None:
    """The answer that a JSON object holds, with marks for the numbers of its sources; None where it is none."""
    import json

    if not text.lstrip().startswith("{"):
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    answer = record.get("answer") if isinstance(record, dict) else None
    if not isinstance(answer, str) or not answer.strip():
        return None
    found: object = next((record[name] for name in ("sources", "citations", "source") if name in record), [])
    numbers: list[object] = found if isinstance(found, list) else [found]
    marks = "".join(f"[{n}]" for n in numbers if isinstance(n, int) and not isinstance(n, bool) and 0 < n < 1000)
    if not marks or citation_marks(answer):
        return answer.strip()
    ends = re.search(r"[.!?。]*\s*\Z", answer)
    cut = ends.start() if ends else len(answer)
    return f"{answer[:cut]} {marks}{answer[cut:]}".strip()
