"""Text formats with headings of one line: TeX, Org, AsciiDoc, TOML, INI, YAML. The lines are not changed."""

import re

from semsearch.sources.document import Document, Section, heading_path
from semsearch.sources.document_builder import plain
from semsearch.sources.encoded_data import without_data_addresses
from semsearch.sources.lines import line_starts_of
from semsearch.sources.readers.header_blocks import asciidoc_block, org_block, tex_block
from semsearch.sources.readers.json import unescape
from semsearch.sources.readers.text import decode
from semsearch.sources.titles import told_title

_TEX_LEVELS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
_TEX_NOTES = re.compile(r"\\(?:label|footnote|thanks|index)\{[^{}]{0,500}\}")
_TEX_MARKUP = re.compile(r"\\[A-Za-z]+\*?|\\\\(?:\[[^\]\n]{0,20}\])?|[{}$~]")
# What stands in braces, with braces in it, over as many lines as a heading has.
_TEX_BRACED = r"\{(?P<name>(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,300}+\}){0,300}+\}){1,500}+)\}"

# Document type -> pattern of a heading: `name`, and `level`, whose length (in TeX: whose word) is the level.
_HEADINGS = {
    "tex": re.compile(
        r"^[ \t]*\\(?P<level>part|chapter|(?:sub){0,2}section|paragraph)\*?(?:\[[^\]\n]{0,200}\])?" + _TEX_BRACED, re.M
    ),
    "org": re.compile(r"^(?P<level>\*{1,8})[ \t]+(?P<name>[^\n]+)", re.M),
    "asciidoc": re.compile(r"^(?P<level>={1,6})[ \t]+(?P<name>[^\n]+)", re.M),
    "toml": re.compile(r"^[ \t]*(?P<level>\[{1,2})(?P<name>[^\]\n]+)\]", re.M),
    "ini": re.compile(r"^(?P<level>\[)(?P<name>[^\]\n]+)\]", re.M),
    "yaml": re.compile(r"^(?P<level>)(?P<name>[\w.-]+):[ \t]*$", re.M),
}
_TITLES = {
    "tex": re.compile(r"\\title\b(?:\[[^\]\n]{0,200}\])?\s{0,9}" + _TEX_BRACED),
    "org": re.compile(r"^#\+TITLE:[ \t]*(?P<name>[^\n]+)", re.M | re.I),
    "asciidoc": re.compile(r"\A=[ \t]+(?P<name>[^\n]+)"),
}
_BLOCKS = {"tex": tex_block, "org": org_block, "asciidoc": asciidoc_block}
_HEAD_CHARACTERS = 10_000
_ORG_NOISE = re.compile(r"^(?:TODO|DONE)\s+|(?<!\s)\s+:[\w:@]+:\s*$")


def read(data: bytes, type_name: str) -> Document:
    """The text of `data` with a section for each heading."""
    text, metadata = decode(data)
    text = without_data_addresses(text)
    if type_name == "ini":
        text = unescape(text)  # as Java writes letters in `.properties`
    describe = _BLOCKS.get(type_name)
    if describe is not None:
        metadata |= describe(text[:_HEAD_CHARACTERS])
    title_match = _TITLES[type_name].search(text) if type_name in _TITLES else None
    title = told_title(_name(type_name, title_match.group("name"))) if title_match else ""
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    begin = 0
    for match in _HEADINGS[type_name].finditer(text):
        name = _name(type_name, match.group("name"))
        if not name:
            continue
        if match.start() > begin:
            sections.append(Section(begin, match.start(), heading_path(title, [name for _, name in path])))
            begin = match.start()
        level = _TEX_LEVELS.index(match.group("level")) if type_name == "tex" else len(match.group("level"))
        path = [*(above for above in path if above[0] < level), (level, name)]
    sections.append(Section(begin, len(text), heading_path(title, [name for _, name in path])))
    return Document(text, type_name, tuple(sections), line_starts_of(text), title, metadata)


def _name(type_name: str, source: str) -> str:
    """A heading without markup, at most 200 characters."""
    if type_name == "tex":
        source = _TEX_MARKUP.sub(" ", _TEX_NOTES.sub(" ", source))
    elif type_name == "org":
        source = _ORG_NOISE.sub("", source)
    return plain(source)[:200]
