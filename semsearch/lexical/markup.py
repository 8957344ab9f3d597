r"""The words of a document that its notation cuts: emphasis and entities inside words of Markdown, `\n` and `\u00e9` in
strings, accents in TeX. What is shown of a document stays as it is; this is for term keys alone.
"""

import html
import re
import unicodedata
from collections.abc import Callable

# Emphasis that begins or ends inside a word, and the tags that do.
_EMPHASIS = re.compile(r"(?<=[^\W_])(\*{1,3}|~~|==)([^\s*~=]+)\1|(?<!\w)(\*{1,3}|~~|==)([^\s*~=]+)\3(?=[^\W_])")
# `a <b and c> d` is text: attributes have values.
_INLINE_TAG = re.compile(
    r"</?(?:b|i|em|strong|sub|sup|mark|u|s|span|small|ins|del|font|wbr|kbd|code)"
    r"(?:\s+[A-Za-z_:][\w:.-]*+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=]+))*+\s*/?>",
    re.I,
)
_BACKSLASHED = re.compile(r"\\([!-/:-@\[-`{-~])")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE = re.compile(
    r"\\(?:u\{(?P<braced>[0-9a-fA-F]{1,6})\}|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|x(?P<byte>[0-9a-fA-F]{2})"
    r"|(?P<space>[ntrfvb0ae])(?P<rest>\w*)|(?P<other>.))",
    re.DOTALL,
)
# A backslash and a blank join marked text with what stands beside it; `a*b*c` is no marked text.
_REST_MARKED = re.compile(r"(\\ )?(\*{1,2}|`{1,2})([^\s*`](?:[^*`\n]*[^\s*`])?)\2(\\ )?")

_COMBINING = {
    "'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "u": "\u0306", "v": "\u030c", "H": "\u030b", "c": "\u0327", "k": "\u0328", "d": "\u0323", "b": "\u0331",
    "r": "\u030a",
}  # fmt: skip
_TEX_LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å",
    "AA": "Å", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ", "ng": "ŋ",
    "SS": "SS",
}  # fmt: skip
# An accent and its letter, braced or not; `\c` and the like need a brace or a space before it.
_TEX_ACCENT = re.compile(
    r"""\{?\\(?:(['`^"~=.])\s*|([uvHckdbr])(?:\s+|(?=\{)))"""
    r"(?:\{\s*(?:\\([ij])\b\s*(?:\{\})?|([^\W\d_]))\s*\}|\\([ij])(?![A-Za-z])\s?(?:\{\})?|([^\W\d_]))\}?"
)
_TEX_LETTER = re.compile(
    r"\{?\\(" + "|".join(sorted(_TEX_LETTERS, key=len, reverse=True)) + r")(?![A-Za-z])(?:\{\}|\s)?\}?"
)
_TEX_BREAK = re.compile(r"\\[-/]|\"[-=~|]|\\(?=[_&%$#])")
_TEX_FONT = re.compile(
    r"(?<=[^\W_])\\(?:text(?:it|bf|tt|sc|sf|rm|sl|up|md)|emph|underline|mathrm)\{([^{}\s]*)\}"
    r"|(?<!\w)\\(?:text(?:it|bf|tt|sc|sf|rm|sl|up|md)|emph|underline)\{([^{}\s]*)\}(?=[^\W_])"
)
# `70\,000` and `70{,}000`
_TEX_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:(?:\\,|\{,\})\d{3})+(?!\d)")
_TEX_THIN_SPACE = re.compile(r"\\,|\{,\}")
_TEX_TIE = re.compile(r"(?<!\\)~")


def without_markup(text: str, type_name: str) -> str:
    """`text` of a document of type `type_name` with words that its notation cuts put together, and others apart."""
    plain = _BY_TYPE.get(type_name)
    return text if plain is None else plain(text)


def _of_markdown(text: str) -> str:
    if "<" in text:
        text = _INLINE_TAG.sub("", text)
    if "*" in text or "~~" in text or "==" in text:
        text = _EMPHASIS.sub(lambda match: match.group(2) or match.group(4), text)
    if "\\" in text:
        text = _BACKSLASHED.sub(r"\1", text)
    return _ENTITY.sub(lambda match: html.unescape(match.group()), text) if "&" in text else text


def _of_rest(text: str) -> str:
    return _REST_MARKED.sub(_joined, text).replace("\\ ", "") if "\\ " in text else text


def _joined(match: re.Match[str]) -> str:
    """Marked text without its marks, if it is joined with anything."""
    return match.group(3) if match.group(1) or match.group(4) else match.group()


def _of_json(text: str) -> str:
    return _ESCAPE.sub(lambda match: _unescaped(match, False), text) if "\\" in text else text


def _of_source(text: str) -> str:
    return _ESCAPE.sub(lambda match: _unescaped(match, True), text) if "\\" in text else text


def _unescaped(match: re.Match[str], either: bool) -> str:
    r"""What an escape stands for; `either`: `\new` may also be part of a path, and is read both ways."""
    if match.group("space"):
        rest = match.group("rest")
        return f" {rest} {match.group('space')}{rest} " if either and rest else f" {rest}"
    digits = match.group("braced") or match.group("short") or match.group("long") or match.group("byte")
    if digits:
        code = int(digits, 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 and chr(code).isprintable() else " "
    return " " + match.group("other")


def _of_notebook(text: str) -> str:
    return _of_source(_of_markdown(text))


def _of_tex(text: str) -> str:
    if not any(mark in text for mark in ("\\", "~", '"', "{,}")):
        return text
    # The end of a row: its second backslash begins nothing.
    text = text.replace("\\\\", " ")
    text = _TEX_THOUSANDS.sub(lambda match: _TEX_THIN_SPACE.sub(",", match.group()), text)
    text = _TEX_BREAK.sub("", text)
    text = _TEX_ACCENT.sub(_accented, text)
    text = _TEX_LETTER.sub(lambda match: _TEX_LETTERS[match.group(1)], text)
    text = _TEX_FONT.sub(lambda match: match.group(1) or match.group(2) or "", text)
    return _TEX_TIE.sub(" ", text)


def _accented(match: re.Match[str]) -> str:
    accent = match.group(1) or match.group(2)
    letter = match.group(3) or match.group(4) or match.group(5) or match.group(6)
    return unicodedata.normalize("NFC", letter + _COMBINING[accent])


_SOURCES = (
    "yaml", "toml", "ini", "python", "javascript", "typescript", "c", "cpp", "csharp", "go", "java", "kotlin", "rust",
    "ruby", "php", "swift", "scala", "lua", "perl", "r", "shell", "sql", "css",
)  # fmt: skip
_BY_TYPE: dict[str, Callable[[str], str]] = {
    "markdown": _of_markdown, "rst": _of_rest, "asciidoc": _of_markdown, "json": _of_json, "notebook": _of_notebook,
    "tex": _of_tex, **dict.fromkeys(_SOURCES, _of_source),
}  # fmt: skip
