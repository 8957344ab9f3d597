r"""RTF: the text with its heads, feet and notes; not pictures, fonts, styles and what was deleted.

By the RTF Specification 1.9.1. `\'xx` is a byte in the code page of its font, else of the document; `\u` is a
character, followed by as many bytes for old readers as `\uc` says.
"""

import codecs
import re
from itertools import groupby

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.link_addresses import beside, field_address
from semsearch.sources.readers.symbol_fonts import in_font, is_symbol_font, symbol

_TOKEN = re.compile(
    rb"\\bin(?P<binary>\d{1,9}) ?|\\(?P<word>[A-Za-z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<byte>[0-9a-fA-F]{2})"
    rb"|\\(?P<symbol>[^A-Za-z])|(?P<brace>[{}])|(?P<space>[\r\n]+)|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
# Destinations that are not text. An unknown one that begins with \* is not, either.
_SILENT = frozenset(
    """fonttbl colortbl stylesheet listtable listoverridetable rsidtbl generator themedata colorschememapping datastore
    latentstyles pict objdata nonshppict bkmkstart bkmkend xmlnstbl fldinst pgdsctbl revtbl filetbl panose
    template userprops listpicture blipuid picprop wgrffmtfilter mmathPr passwordhash atnid atnref atntime atndate
    atnparent tc tcn xe rxe datafield background listname sp shprslt""".split()  # noqa: SIM905
)
# Destinations with text although they begin with \*.
_TEXT = frozenset({"shpinst", "shptxt", "annotation", "footnote", "pntext"})
# What is read of the destinations whose other contents say the same in another way: Unicode, and what an object shows.
_READ_OF = {"upr": "ud", "object": "result"}
_INFO = {"title": "title", "author": "author", "subject": "subject", "keywords": "keywords", "doccomm": "description"}
_MARGINS = frozenset({"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"})
# Destinations whose text stands on lines of its own.
_APART = frozenset({"footnote", "annotation", "shptxt"})
# Stands between cells until their row is shown: the bars of a text are its own.
_CELL_END = "\x1f"
_BREAKS = {"par": "\n", "line": "\n", "sect": "\n", "page": "\n", "row": "\n", "nestrow": "\n", "column": "\n",
           "tab": "\t", "cell": _CELL_END, "nestcell": _CELL_END}  # fmt: skip
_CHARACTERS = {
    "emdash": "—", "endash": "–", "emspace": " ", "enspace": " ", "qmspace": " ", "bullet": "•", "lquote": "‘",
    "rquote": "’", "ldblquote": "“", "rdblquote": "”", "zwj": "", "zwnj": "", "zwbo": "", "zwnbo": "", "ltrmark": "",
    "rtlmark": "", "softline": "\n",
}  # fmt: skip
_CHARACTER_SETS = {"ansi": "cp1252", "mac": "mac-roman", "pc": "cp437", "pca": "cp850"}
# \fcharset of a font -> code page.
_FONT_SETS = {
    77: "mac-roman", 78: "shift_jis", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251",
    222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
# Windows' numbers of code pages that Python knows by another name.
_CODE_PAGES = {
    708: "iso-8859-6", 936: "gb18030", 10000: "mac-roman", 10001: "cp932", 10002: "cp950", 10003: "cp949",
    10006: "mac-greek", 10007: "mac-cyrillic", 10008: "gb18030", 10010: "mac-romanian", 10029: "mac-latin2",
    10079: "mac-iceland", 10081: "mac-turkish", 10082: "mac-croatian", 20866: "koi8-r", 21866: "koi8-u",
    54936: "gb18030", 65001: "utf-8",
    **{28590 + part: f"iso-8859-{part}" for part in (*range(1, 12), *range(13, 17))},
}  # fmt: skip
# So many parts at the end of a link's text are looked at for its address.
_MOST_LINK_PARTS = 100


def read(data: bytes, type_name: str) -> Document:
    """The text of `data`, paragraph by paragraph."""
    parser = _Parser()
    parser.parse(data)
    info = {name: plain(_joined(parts)) for name, parts in parser.info.items()}
    builder = DocumentBuilder(type_name, info.pop("title", ""))
    for is_row, lines in groupby(_joined(parser.text).split("\n"), key=lambda line: _CELL_END in line):
        texts = [text for line in lines if (text := _row(line))]
        for text in ["\n".join(texts)] if is_row else texts:
            builder.block(text)
    for text in dict.fromkeys(plain(_row(_joined(part))) for part in parser.margins):
        builder.block(text)
    return builder.document(info)


def _row(paragraph: str) -> str:
    """A paragraph, or a row of a table with bars between its cells."""
    cells = [cell.strip() for cell in paragraph.strip().strip(_CELL_END).split(_CELL_END)]
    return " | ".join(cells).strip()


def _joined(parts: list[str]) -> str:
    """The text of `parts`, in which a character may be written as two surrogates."""
    return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _Group:
    """What a `{` begins and a `}` ends. `target`: where its text goes, None: nowhere; `font`: None for the default one.

    `outside`: the target above the group, where only a part of it is read; `instruction`: that of a field, whose result
    begins at `shown_from` of the target.
    """

    def __init__(self, above: "_Group | None", target: "list[str] | None") -> None:
        self.target: list[str] | None = target if above is None else above.target
        self.destination: str = "" if above is None else above.destination
        self.font: int | None = None if above is None else above.font
        self.skipped: int = 1 if above is None else above.skipped
        self.hidden: bool = False if above is None else above.hidden
        self.is_first = True
        self.is_starred = False
        self.ends_with = ""
        self.outside: list[str] | None = None
        self.instruction: list[str] | None = None
        self.shown_from = 0


class _Parser:
    """Collects the body in `text`, heads and feet in `margins`, and the properties in `info`."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.margins: list[list[str]] = []
        self.info: dict[str, list[str]] = {}
        # Number of a font -> its code page, its name.
        self._fonts: dict[int, str] = {}
        self._names: dict[int, list[str]] = {}
        self._whole_names: dict[int, str] = {}
        self._code_page = "cp1252"
        self._default_font = 0
        self._font = 0
        self._author: list[str] = []
        self._groups = [_Group(None, self.text)]
        self._bytes = bytearray()
        self._to_skip = 0

    def parse(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            token = _TOKEN.match(data, position)
            if token is None:
                position += 1  # a lone backslash at the end
                continue
            position = token.end()
            if token.group("binary") is not None:
                # What is longer than the file is a mistake, and the rest of the file is text.
                size = int(token.group("binary"))
                position += size if position + size <= len(data) else 0
            elif token.group("byte") is not None:
                self._byte(bytes([int(token.group("byte"), 16)]))
            elif token.group("text") is not None:
                self._plain(token.group("text"))
            elif token.group("word") is not None:
                number = token.group("number")
                self._word(token.group("word").decode(), None if number is None else int(number))
            elif token.group("symbol") is not None:
                self._symbol(token.group("symbol"))
            elif token.group("brace") is not None:
                self._brace(token.group("brace"))
        self._flush()

    def _brace(self, brace: bytes) -> None:
        self._flush()
        self._to_skip = 0
        if brace == b"{":
            self._groups.append(_Group(self._groups[-1], None))
        elif len(self._groups) > 1:
            ended = self._groups.pop()
            if ended.target is None:
                return
            if ended.instruction is not None:
                # Fields may stand in each other, and the text in all of them is not to be looked at for each.
                shown_from = max(ended.shown_from, len(ended.target) - _MOST_LINK_PARTS)
                shown = "".join(ended.target[shown_from:])
                ended.target.append(beside(field_address("".join(ended.instruction)), shown))
            if ended.ends_with:
                ended.target.append(ended.ends_with)

    def _symbol(self, symbol: bytes) -> None:
        group = self._groups[-1]
        if symbol == b"*":
            group.is_starred = True
            return
        shown = {b"~": "\xa0", b"_": "-", b"-": "", b"\n": "\n", b"\r": "\n", b"\t": "\t"}.get(symbol)
        if shown is not None:
            self._say(shown)
        elif symbol in (b"\\", b"{", b"}"):
            self._plain(symbol)

    def _word(self, word: str, number: int | None) -> None:
        self._flush()
        group = self._groups[-1]
        is_first, group.is_first = group.is_first, False
        if is_first and self._begins(group, word):
            return
        if word == "u" and number is not None:
            self._say(in_font(chr(number % 0x10000), self._font_name(group)))
            self._to_skip = group.skipped
        elif word in _BREAKS:
            self._say(_BREAKS[word])
        elif word in _CHARACTERS:
            self._say(_CHARACTERS[word])
        elif word == "uc":
            group.skipped = max(0, number or 0)
        elif word in ("deleted", "mvf"):
            group.hidden = number != 0
        elif word == "plain":
            group.hidden = False
            group.font = None
        elif word == "f":
            self._font = group.font = number or 0
            if group.destination == "fonttbl":
                group.target = self._names.setdefault(self._font, [])
                self._whole_names.pop(self._font, None)
        elif word == "deff":
            self._default_font = number or 0
        elif word == "fcharset" and number in _FONT_SETS:
            self._fonts[self._font] = _FONT_SETS[number]
        elif word == "cpg" and number:
            self._fonts[self._font] = _code_page(number)
        elif word in _CHARACTER_SETS:
            self._code_page = _CHARACTER_SETS[word]
        elif word == "ansicpg" and number:
            self._code_page = _code_page(number)

    def _begins(self, group: _Group, word: str) -> bool:
        """Whether `word` names the destination of the group that has begun, which is then entered."""
        if len(self._groups) < 2:
            return False
        above = self._groups[-2]
        if word in _INFO and above.destination == "info":
            group.target = self.info.setdefault(_INFO[word], [])
        elif word == _READ_OF.get(above.destination):
            group.target = above.outside
            word = self._groups[-3].destination
        elif word in _READ_OF:
            group.outside, group.target = group.target, None
        elif word == "fldinst" and above.instruction is not None:
            group.target = above.instruction
        elif word == "info" or (group.is_starred and word not in _TEXT and word != "atnauthor") or word in _SILENT:
            group.target = None
        elif group.target is None:
            return False
        elif word in _MARGINS:
            self.margins.append([])
            group.target = self.margins[-1]
        elif word in _APART:
            self._say("\n")
            group.ends_with = "\n"
            if word == "annotation":
                author, self._author = plain(_joined(self._author)), []
                self._say(f"Comment by {author}: " if author else "Comment: ")
        elif word == "atnauthor":
            group.target = self._author = []
        elif word == "field":
            group.instruction, group.shown_from = [], len(group.target)
        else:
            return word in _TEXT
        group.destination = word
        return True

    def _byte(self, byte: bytes) -> None:
        self._groups[-1].is_first = False
        if self._to_skip:
            self._to_skip -= 1
        else:
            self._bytes += byte

    def _plain(self, text: bytes) -> None:
        self._groups[-1].is_first = False
        skipped = min(self._to_skip, len(text))
        self._to_skip -= skipped
        self._bytes += text[skipped:]

    def _flush(self) -> None:
        """Decodes the bytes that were collected: a character may be more than one."""
        if self._bytes:
            group = self._groups[-1]
            font = self._font_name(group)
            if is_symbol_font(font):
                text = "".join(symbol(byte, font) for byte in self._bytes)
            else:
                text = self._bytes.decode(self._fonts.get(self._font_of(group), self._code_page), "replace")
            self._bytes.clear()
            self._say(text)

    def _font_of(self, group: _Group) -> int:
        return self._default_font if group.font is None else group.font

    def _font_name(self, group: _Group) -> str:
        if group.destination == "fonttbl":
            return ""  # names of fonts have none
        font = self._font_of(group)
        if font not in self._whole_names:
            self._whole_names[font] = "".join(self._names.get(font, ())).strip(" ;")
        return self._whole_names[font]

    def _say(self, text: str) -> None:
        self._flush()
        group = self._groups[-1]
        if group.target is not None and not group.hidden:
            group.target.append(text)


def _code_page(number: int) -> str:
    """Python's name of the code page that Windows gives `number`; that of the western languages where it knows none."""
    name = _CODE_PAGES.get(number, f"cp{number}")
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name
