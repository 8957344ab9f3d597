"""What text formats say about themselves at their beginning: front matter in YAML and TOML, fields of reStructuredText,
Org, AsciiDoc and TeX, and lines like the headers of an e-mail."""

import datetime
import math
import re
from collections.abc import Iterable, Mapping

from semsearch.sources.document_builder import plain

YAML_BLOCK = re.compile(r"\A\ufeff?---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
TOML_BLOCK = re.compile(r"\A\ufeff?\+\+\+[ \t]*\n(.*?\n)?\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL)
_PANDOC_BLOCK = re.compile(
    r"\A\ufeff?%[ \t]+(?P<title>[^\n]+)\n(?:%[ \t]*(?P<author>[^\n]*)\n)?(?:%[ \t]*(?P<date>[^\n]*)\n)?"
)
_MOST_CHARACTERS = 50_000
_KEY_LINE = re.compile(r"(?P<key>[^\W\d_][\w .-]{0,40}?)[ \t]*:(?:[ \t]+(?P<value>.*)|[ \t]*)")
_ITEM = re.compile(r"(?:[ \t]*-[ \t]+(?:name:[ \t]+)?|[ \t]+name:[ \t]+)(?P<value>.*)")
_HEADER_LINE = re.compile(r"(?P<key>[A-Z][\w-]{1,30}(?: [A-Za-z]\w{0,20})?):[ \t]+(?P<value>\S.*)")
_REST_FIELD = re.compile(r":(?P<key>[A-Za-z][\w -]{0,40}):[ \t]+(?P<value>[^\n]*(?:\n[ \t]+[^\n]+)*)", re.MULTILINE)
_ORG_KEYWORD = re.compile(r"^[ \t]*#\+(?P<key>[A-Za-z_]+):[ \t]*(?P<value>[^\n]+)", re.MULTILINE)
_ASCIIDOC_ATTRIBUTE = re.compile(r"^:(?P<key>[\w-]+):[ \t]+(?P<value>[^\n]+)", re.MULTILINE)
_REVISION = re.compile(r"(?:v?[\d.]+,\s*)?(?P<date>\d{4}[-/]\d\d[-/]\d\d|\d{1,2} \w+ \d{4}|\w+ \d{1,2}, \d{4})")
_TEX_COMMAND = re.compile(
    r"\\(?P<key>author|date|keywords|subject|subtitle|affiliation)(?:\[[^\]\n]{0,200}\])?\{(?P<value>(?:[^{}]|\{[^{}]*+\})*+)\}"
)
_TEX_MARKUP = re.compile(r"\\(?:and|thanks\{[^}]*\}|[A-Za-z]+\*?)|[{}$~]")
# One of them must be there: other lines may look like headers.
_KNOWN_KEYS = frozenset({"title", "author", "authors", "date", "tags", "keywords", "subject", "from", "to", "category",
                         "status", "summary", "created", "updated", "modified"})  # fmt: skip
_LISTS = frozenset({"tags", "keywords", "filetags", "categories"})
# Names of one format for what others call so.
_RENAMED = {
    "revdate": "date",
    "filetags": "tags",
    "docdate": "date",
    "authors": "author",
}


def yaml_block(source: str) -> dict[str, object]:
    """The scalars and lists of scalars of a YAML front matter by key; line by line where it is no valid YAML.

    Of people with an affiliation and the like, the names are taken. Other nested values are left out: aliases in them
    can stand for gigabytes, once they are written out.
    """
    import yaml

    if len(source) > _MOST_CHARACTERS or source.count("[") + source.count("{") > 200 or "<<" in source:
        return {}  # nested too deep for libyaml, or merge keys, which can multiply the content
    try:
        loaded = yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except Exception:  # YAML constructors raise errors of any type on wrong values
        return _lines_of_yaml(source)
    return _flat(loaded) if isinstance(loaded, Mapping) else _lines_of_yaml(source)


def toml_block(source: str) -> dict[str, object]:
    """The same of a TOML front matter; {} when it is none."""
    import tomllib

    if len(source) > _MOST_CHARACTERS:
        return {}
    try:
        loaded = tomllib.loads(source)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    nested = (value for value in loaded.values() if isinstance(value, Mapping))  # [taxonomies], [extra]
    return {key: value for part in (*nested, loaded) for key, value in _flat(part).items()}


def markdown_block(text: str) -> tuple[dict[str, object], int]:
    """(properties, where the body begins) of a Markdown text."""
    if front := YAML_BLOCK.match(text):
        return yaml_block(front.group(1) or ""), front.end()
    if front := TOML_BLOCK.match(text):
        return toml_block(front.group(1) or ""), front.end()
    if front := _PANDOC_BLOCK.match(text):
        return _named((key, value or "") for key, value in front.groupdict().items()), front.end()
    return mail_block(text), 0


def mail_block(text: str) -> dict[str, object]:
    """The lines `Key: value` that a text begins with, if there are two and one is a usual one; {} otherwise."""
    pairs = []
    for line in text[:_MOST_CHARACTERS].lstrip("\ufeff").split("\n"):
        match = _HEADER_LINE.fullmatch(line.rstrip())
        if match is None:
            break
        pairs.append((match.group("key"), match.group("value")))
    if len(pairs) < 2 or not any(key.lower() in _KNOWN_KEYS for key, _ in pairs):
        return {}
    return _named(pairs)


def rest_block(head: str) -> dict[str, object]:
    """The fields of the beginning of a reStructuredText document, those of its `meta` directive included."""
    return _named((match.group("key"), match.group("value")) for match in _REST_FIELD.finditer(head))


def org_block(head: str) -> dict[str, object]:
    """The keywords of an Org document."""
    return _named((match.group("key"), match.group("value")) for match in _ORG_KEYWORD.finditer(head))


def asciidoc_block(head: str) -> dict[str, object]:
    """The author, revision and attributes of the header of an AsciiDoc document."""
    lines = head.split("\n\n", 1)[0].split("\n")
    pairs = [(match.group("key"), match.group("value")) for match in _ASCIIDOC_ATTRIBUTE.finditer("\n".join(lines))]
    under = [line for line in lines[1:3] if line and not line.startswith((":", "//", "="))]
    if lines[0].startswith("= ") and under:
        pairs.insert(0, ("author", re.sub(r"(?<!\s)\s*<[^<>]*>", "", under[0])))
        if len(under) > 1 and (revision := _REVISION.search(under[1])):
            pairs.insert(1, ("date", revision.group("date")))
    return _named(pairs)


def tex_block(head: str) -> dict[str, object]:
    """The author, date and keywords of a TeX document."""
    return _named(
        (match.group("key"), _TEX_MARKUP.sub(" ", match.group("value"))) for match in _TEX_COMMAND.finditer(head)
    )


def _named(pairs: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Properties of (key, value) pairs; the first value of a key counts."""
    found: dict[str, object] = {}
    for key, value in pairs:
        name = key.strip().lower()
        name = _RENAMED.get(name, name)
        shown = plain(value).strip("\"'")
        if not shown:
            continue
        if name in _LISTS:
            parts = [part.strip() for part in re.split(r"[,:;]" if "," in shown or ":" in shown else r"\s+", shown)]
            found.setdefault(name, [part for part in parts if part])
        else:
            found.setdefault(name, shown)
    return found


def _lines_of_yaml(source: str) -> dict[str, object]:
    """What each line says, of what is no valid YAML, such as a title with a colon."""
    found: dict[str, object] = {}
    key = ""
    for line in source.split("\n"):
        match = _KEY_LINE.fullmatch(line.rstrip())
        item = _ITEM.fullmatch(line.rstrip())
        if match:
            key, value = match.group("key").strip(), (match.group("value") or "").strip()
            if value.startswith("[") and value.endswith("]"):
                found[key] = [part.strip(" \"'") for part in value[1:-1].split(",") if part.strip()]
            else:
                found[key] = value.strip("\"'")
        elif item and key:
            held = found.get(key)
            found[key] = [*(held if isinstance(held, list) else []), item.group("value").strip(" \"'")]
    return {name: value for name, value in found.items() if value not in ("", [])}


def _flat(loaded: Mapping[object, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, value in loaded.items():
        if isinstance(value, list):
            items = [_named_or_scalar(item) for item in value[:100]]
            if all(item is not None for item in items):
                kept[str(key)] = items
        elif (shown := _named_or_scalar(value)) is not None:
            kept[str(key)] = shown
    if "author" not in kept and "authors" in kept:
        kept["author"] = kept["authors"]
    return kept


def _named_or_scalar(value: object) -> object:
    """As `_scalar`; of a mapping the name in it, which may be in parts."""
    name = value.get("name") if isinstance(value, Mapping) else value
    if isinstance(name, Mapping):
        parts = [name.get("literal")] if "literal" in name else [name.get("given"), name.get("family")]
        name = " ".join(part for part in parts if isinstance(part, str)) or None
    return _scalar(name)


def _scalar(value: object) -> object:
    """`value` as JSON can hold it; None for what it cannot."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no infinity and no NaN
    if isinstance(value, int) and abs(value) > 2**63:
        return None
    return value if isinstance(value, str | int | float) else None
