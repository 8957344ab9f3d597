"""Manual pages, of the man and the mdoc macros: the text as a terminal shows it, line by line, under its headings."""

import re

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers import mdoc
from semsearch.sources.readers.roff_text import Strings, arguments, shown
from semsearch.sources.readers.text import decode

_REQUEST = re.compile(r"[.'][ \t]*(?P<name>[^\s\\\"]{0,40})[ \t]*(?P<rest>.*)")
_CONDITION = re.compile(
    r"(?P<not>!?)(?:(?P<kind>[nteovc])(?=[\s\\.'])|'(?P<left>[^']{0,100})'(?P<right>[^']{0,100})'|\S{1,100})[ \t]*"
)
# Another condition on the same line, which goes for what is behind it.
_FURTHER = re.compile(r"(?:\\[{}][ \t]*)*[.'][ \t]*(?P<name>if|ie|el|while)(?![^\s\\\"])[ \t]*")
_HEADINGS = {"SH": 1, "Sh": 1, "SS": 2, "Ss": 2}
# Macros that print their arguments in turns of two fonts, without blanks between.
_ALTERNATING = frozenset({"BI", "BR", "IB", "IR", "RB", "RI"})
# Of these the first argument is text, others are measures.
_TAGS = frozenset({"IP"})
# Requests whose arguments are not text.
_SILENT = frozenset(
    """LINKSTYLE TH Dd Dt Os so de el ds nr ta sp in ti nf fi ad na hy nh ft ps ll PD RS RE PP P LP TP TQ HP IX ig
    ne br Bl El Bd Ed Pp Bk Ek Rs Re Sm Lp UE ME YS EX EE DT AT UC TE T& EQ EN PS PE rr rm nx rn als am de1 ds1 as
    as1 ami dei hc hcode hla hlm hpf hpfa hw hym hys lc lf lg ls lt mc mk nm nn nroff ns os pc pl pm pn po rd
    return rj rs rt shc ss sv sy tc tkf tl tm tm1 tmc tr trf trin trnt troff uf ul unformat vpt vs warn wh ce cu
    cs cp bd box boxa cc c2 cflags ch char chop color composite da defcolor device di do ec ecs eo ev evc ex fam
    fc fchar fcolor fp fschar fspecial ftr fzoom gcolor it itc kern mso msoquiet length linetabs sizes spreadwarn
    substring break while continue""".split()  # noqa: SIM905
)
_DEFINITIONS = frozenset({"de", "de1", "am", "am1", "dei", "ami", "ig"})
_RULE = re.compile(r"[_=\s]*")


def read(data: bytes, type_name: str) -> Document:
    """The text of the manual page in `data`."""
    text, metadata = decode(data)
    builder = DocumentBuilder(type_name)
    page = _Page(builder)
    for number, line in enumerate(text.split("\n"), 1):
        page.line(line, number)
    return builder.document({**page.metadata, **metadata}, page.strings.notice)


class _Page:
    """Adds lines of a page to `builder`; `metadata`: what the page says of itself; `strings`: those that it defines."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.metadata: dict[str, object] = {}
        self._builder = builder
        self.strings = Strings()
        self._name = ""  # of what the page describes, in mdoc
        self._definition = ""  # what ends a macro that is being defined; empty: none is
        self._hidden = 0  # how many blocks are open whose condition does not hold
        self._held = [True]  # whether the last condition held, for `.el`
        self._table = ""  # of a table: "format" while that is told, then "rows"
        self._tab = "\t"

    def line(self, line: str, number: int) -> None:
        if self._definition:
            if line.startswith((".", "'")) and line[1:].split()[:1] == [self._definition]:
                self._definition = ""
            return
        if self._hidden:
            self._hidden += line.count("\\{") - line.count("\\}")
            return
        if line.startswith((".", "'")):
            request = _REQUEST.match(line)
            if request:
                self._request(request.group("name"), request.group("rest"), number)
        elif self._table:
            self._row(line, number)
        else:
            self._say(shown(line.removesuffix("\\"), self.strings), number)

    def _request(self, name: str, rest: str, number: int) -> None:
        if name in ("if", "ie", "el", "while"):
            self._conditional(name, rest, number)
        elif name in _DEFINITIONS:
            ends = rest.split()[name != "ig" :]  # `.de NAME END`, `.ig END`, or `..` ends it
            self._definition = ends[0] if ends else "."
        elif name in ("ds", "ds1"):
            key, _, value = rest.partition(" ")
            self.strings.define(key, value.lstrip().removeprefix('"'))
        elif name == "TS":
            self._table, self._tab = "format", "\t"
        elif name == "TE":
            self._table = ""
        else:
            self._macro(name, rest.removesuffix("\\"), number)

    def _conditional(self, name: str, rest: str, number: int) -> None:
        """A line, or the beginning of a block, that stands only in what a terminal shows, or only elsewhere."""
        position = 0
        while True:
            if name == "el":
                holds = not self._held.pop() if len(self._held) > 1 else False
            else:
                match = _CONDITION.match(rest, position)
                if match is None:
                    return
                position = match.end()
                holds = _holds(match)
                if name == "ie":
                    self._held.append(holds)
            if not holds:
                self._hidden = max(0, rest.count("\\{", position) - rest.count("\\}", position))
                return
            further = _FURTHER.match(rest, position)
            if further is None:
                break
            name, position = further.group("name"), further.end()
        rest = rest[position:].replace("\\{", "").replace("\\}", "").removesuffix("\\").strip(" \t")
        if rest:
            self.line(rest, number)

    def _macro(self, name: str, rest: str, number: int) -> None:
        words = arguments(rest)
        if name in _HEADINGS:
            heading = self._mdoc("No", words) if name in ("Sh", "Ss") else " ".join(words)
            heading = shown(heading, self.strings)
            self._builder.heading(_HEADINGS[name], heading, shown=False)
            self._say(heading, number)
        elif name in ("TH", "Dt"):
            self._builder.title = self._builder.title or plain(shown(" ".join(words), self.strings))[:100]
            if name == "TH" and len(words) > 2:
                self.metadata.setdefault("date", words[2])
        elif name == "Dd":
            self.metadata.setdefault("date", plain(rest).replace("$Mdocdate:", "").strip(" $"))
        elif name == "Nm" and words and not self._name and words[0] not in mdoc.MACROS:
            self._name = shown(words[0], self.strings)
            self._say(self._mdoc(name, words), number)
        elif name in mdoc.MACROS:
            self._say(self._mdoc(name, words), number)
        elif name in _ALTERNATING:
            self._say(shown("".join(words), self.strings), number)
        elif name in _TAGS:
            self._say(shown(words[0], self.strings) if words else "", number)
        elif name == "OP":
            self._say(f"[{shown(' '.join(words), self.strings)}]", number)
        elif name and name not in _SILENT:
            self._say(shown(" ".join(words), self.strings), number)

    def _mdoc(self, name: str, words: list[str]) -> str:
        return mdoc.line(name, words, self._name, self.strings)

    def _row(self, line: str, number: int) -> None:
        """A line between `.TS` and `.TE`: how the table looks, then its rows."""
        if self._table == "format":
            if match := re.search(r"tab\s*\((.)\)", line):
                self._tab = match.group(1)
            if line.rstrip().endswith("."):
                self._table = "rows"
        elif not _RULE.fullmatch(line):
            cells = line.replace("T{", " ").replace("T}", " ").split(self._tab)
            self._say(" ".join(shown(cell.strip(), self.strings) for cell in cells if cell.strip()), number)

    def _say(self, text: str, number: int) -> None:
        self._builder.lines(text.strip("\n"), number)


def _holds(match: re.Match[str]) -> bool:
    """Whether a condition holds on a terminal. Those on numbers and names are taken to."""
    if match.group("kind"):
        holds = match.group("kind") in "neo"
    elif match.group("left") is not None:
        holds = match.group("left") == match.group("right")
    else:
        return True
    return holds != bool(match.group("not"))
