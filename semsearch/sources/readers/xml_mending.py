"""Damaged XML made well-formed as far as it can be, with every line where it was."""

import re
from collections import Counter
from xml.parsers import expat

# Possessive: nothing that follows a name could begin in it.
_NAME = r"[A-Za-z_:\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u1fff\u3001-\ud7ff][\w:.-]*+"
_CDATA = r"<!\[CDATA\[.*?(?:\]\]>|\Z)"
_COMMENT = r"<!--.*?(?:-->|\Z)"
_LONE_AMPERSAND = r"&(?!#\d{1,7};|#x[0-9a-fA-F]{1,6};|[A-Za-z_][\w.-]{0,60};)"
_AMPERSANDS = re.compile(rf"{_CDATA}|{_COMMENT}|(?P<lone>{_LONE_AMPERSAND})", re.DOTALL)
_PROLOG = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[<>]*(?:\[.*?\]\s*)?>)*+", re.DOTALL)
_TOKEN = re.compile(
    rf"(?P<comment>{_COMMENT})|(?P<cdata>{_CDATA})|(?P<instruction><\?.*?(?:\?>|\Z))|</(?P<end>{_NAME})\s*>"
    rf"|<(?P<start>{_NAME})(?P<attributes>(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*+)>",
    re.DOTALL,
)
# A name is not looked at again from its middle on.
_ATTRIBUTE = re.compile(rf"(?<![\w:.-])(?P<name>{_NAME})\s*=\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"'<>/]+)")
# What no XML may hold, also by its number.
_NO_CHARACTER = re.compile(
    r"[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
    r"|&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|x0*(?:[0-8bcBC]|1[0-9a-fA-F]|[eE])|[2-9]\d{6}|1[2-9]\d{5}|x[2-9a-fA-F][0-9a-fA-F]{5});"
)


def with_ampersands(text: str) -> str:
    """`text` with each `&` that begins no entity written as XML wants it."""
    return _AMPERSANDS.sub(lambda match: "&amp;" if match.group("lone") else match.group(), text)


def mended(text: str) -> str:
    """`text` with tags closed and opened as they must be, and what is no markup as text."""
    prolog = _PROLOG.match(text)
    begin = prolog.end() if prolog else 0
    parts = [_prolog(text[:begin]), ""]
    open_names: list[str] = []
    count: Counter[str] = Counter()
    roots, others = 0, False  # elements, and text, that stand in no element
    for match in _tokens(text, begin):
        if isinstance(match, str):
            parts.append(_escaped(match))
            others = others or (not open_names and bool(match.strip()))
        elif match.group("start"):
            name, attributes = match.group("start"), match.group("attributes")
            roots += not open_names
            empty = attributes.endswith("/")
            parts.append(f"<{name}{_attributes(attributes)}{'/' if empty else ''}>")
            if not empty:
                open_names.append(name)
                count[name] += 1
        elif match.group("end"):
            parts += _closed(open_names, count, match.group("end"))
            parts.append("\n" * match.group().count("\n"))
        elif match.group("cdata"):
            shown = _NO_CHARACTER.sub(" ", match.group())
            parts.append(shown if shown.endswith("]]>") else shown + "]]>")
            others = others or not open_names
        else:
            parts.append("\n" * match.group().count("\n"))
    parts += [f"</{name}>" for name in reversed(open_names)]
    if roots != 1 or others:
        parts[1] = "<xml>"
        parts.append("</xml>")
    return "".join(parts)


def _tokens(text: str, begin: int) -> "list[re.Match[str] | str]":
    """The markup of `text` from `begin` on, and the text between."""
    tokens: list[re.Match[str] | str] = []
    for match in _TOKEN.finditer(text, begin):
        if match.start() > begin:
            tokens.append(text[begin : match.start()])
        tokens.append(match)
        begin = match.end()
    if begin < len(text):
        tokens.append(text[begin:])
    return tokens


def _closed(open_names: list[str], count: "Counter[str]", name: str) -> list[str]:
    """The end tags that the end of element `name` needs; none where it is not open."""
    if not count[name]:
        return []
    tags = []
    while True:
        closed = open_names.pop()
        count[closed] -= 1
        tags.append(f"</{closed}>")
        if closed == name:
            return tags


def _prolog(source: str) -> str:
    """What stands before the first element, if it can be parsed; else its line ends alone."""
    try:
        expat.ParserCreate("utf-8").Parse(f"{source}<r/>".encode("utf-8", "replace"), True)
    except expat.ExpatError:
        return "\n" * source.count("\n")
    return source


def _attributes(source: str) -> str:
    """The attributes in `source`, the rest of a tag, each once; its line ends."""
    parts = []
    names = set()
    position = 0
    for match in _ATTRIBUTE.finditer(source):
        parts.append("\n" * source.count("\n", position, match.start()))
        position = match.end()
        if match.group("name") not in names:
            names.add(match.group("name"))
            value = match.group("value")
            parts.append(
                f" {match.group('name')}=" + (_escaped(value) if value[0] in "\"'" else f'"{_escaped(value)}"')
            )
    return "".join(parts) + "\n" * source.count("\n", position)


def _escaped(text: str) -> str:
    shown = re.sub(_LONE_AMPERSAND, "&amp;", _NO_CHARACTER.sub(" ", text))
    return shown.replace("<", "&lt;").replace("]]>", "]]&gt;")
