"""Strings that are made to take long, for every reader, the splitter, the analyzer, snippets, globs and queries.

    python -m tests.support.adversarial [--strings 10000] [--seed 1] [--size 200000]

Each string repeats opening tokens of a syntax, constructs that never end, nesting, separators or one line, up to
`--size` characters. Nothing may take more than a second of CPU time for one of them. A string that takes longer is
measured again at half its size, to tell what grows faster than its input.
"""

import argparse
import contextlib
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from semsearch.answering.marks import citation_marks
from semsearch.chunking import splitter
from semsearch.chunking.splitter import ChunkRules
from semsearch.embedding.resolve import resolve
from semsearch.errors import UsageError
from semsearch.lexical import language
from semsearch.lexical.analyzer import analyze
from semsearch.lexical.phrases import Phrase
from semsearch.reading.analysis import ReadRules, Task, analyze_file
from semsearch.retrieval.query_syntax import parse_query
from semsearch.retrieval.sentences import label_spans, sentence_spans
from semsearch.retrieval.snippets import match_spans, snippet
from semsearch.settings import ANALYSIS_VERSION, DEFAULT_MODEL
from semsearch.sources.document import Document, Section
from semsearch.sources.globs import LONGEST_GLOB, Globs
from semsearch.sources.lines import line_starts_of
from semsearch.store.records import Chunking

MOST_SECONDS = 1.0
SIZE = 200_000

_ANY = [
    "a",
    "a ",
    " ",
    "\n",
    "\n\n",
    "\t",
    "é",
    "。",
    "a.\n",
    "A. ",
    "a\n=\n",
    "-",
    "_",
    "'",
    '"',
    "\\",
    "\0",
    "0",
    "1,",
    "a-",
    "a_",
    "a.",
    "aB",
    "&",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "`",
    "*",
    "#",
    "|",
    ":",
    ";",
    ",",
    "=",
    "/",
    "%",
    "\r",
    "data:;base64,",
    "http://a",
    "\u0301",
    "\u200b",
    "ا",
    "क्",
]
# suffix -> (beginnings of a file, tokens of its syntax)
_SYNTAX: dict[str, tuple[list[str], list[str]]] = {
    "md": (
        ["", "---\n", "+++\n"],
        [
            "* ",
            "* a\n",
            "> ",
            "- a\n  ",
            "1. ",
            "# a\n",
            "```\n",
            "[a](",
            "![",
            "<a",
            "<!--",
            "    ",
            "a\n===\n",
            "|",
            "- - ",
        ],
    ),
    "rst": ([""], ["a\n=\n", "===\n", ".. a::\n", ":a: b\n", "   ", "* ", "``", "=\n", "a\n---\n\n"]),
    "html": (
        ["", "<html><body>"],
        [
            "<a",
            "<a ",
            "<a b",
            "<a b=",
            "<a b='",
            "<div>",
            "<p>",
            "</",
            "<!",
            "<!--",
            "<![CDATA[",
            "<?",
            "&",
            "&#",
            "&a",
            "<script>",
            "</script",
            "<style>",
            "<svg>",
            "<title>",
            "<rt>",
            "<rp>",
            "<ruby>",
            "<td>",
            "<nav>",
            "<pre>",
            "<a href=http://a>",
            "</a>",
            "<iframe srcdoc='",
            "<table>",
            "-->",
            "--!>",
            "]]>",
            "<input value=a ",
            "alt=a ",
        ],
    ),
    "xml": (
        ["<?xml version='1.0'?>", "<?xml version='1.0'?><a>", "<?xml version='1.0'?><rss><channel>"],
        [
            "<a>",
            "<a",
            "<a b=''",
            "</a>",
            "<!--",
            "<![CDATA[",
            "<?a",
            "&a;",
            "&amp;",
            "&",
            "<item><title>a</title></item>",
            "<a/>",
            "<!DOCTYPE a [",
            "<!ENTITY a 'a'>",
            "<a xmlns:a='a'>",
        ],
    ),
    "json": ([""], ["[", "{", '{"a":', '{"a":[', '["a",', '"', '"\\', "1", "[1,", "[]\n", '{"a":1}\n', '{"a":{"b":']),
    "ipynb": (
        ['{"cells":['],
        [
            "[",
            "{",
            '{"cell_type":"markdown","source":"a"},',
            '{"cell_type":"markdown","source":["a"]},',
            '{"outputs":[',
            '"',
        ],
    ),
    "csv": (["", "a,b\n"], [",", '"', '"",', '"a\n', "a,b\n", ";", "|", "\t", '""', "\n,", "a;b,c\n"]),
    "rtf": (
        [r"{\rtf1 "],
        [
            "{",
            r"{\a ",
            r"\'e4",
            r"\u228?",
            r"\par ",
            r"\trowd\cell ",
            r"{\*\a ",
            r"{\field{\*\fldinst ",
            r"\bin9 ",
            "}",
            r"{\pict ",
            r"{\fonttbl{\f0 a;}",
            r"\row ",
        ],
    ),
    "eml": (
        [
            "From: a\nTo: b\nSubject: c\n\n",
            "From: a\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n",
            "From: a\nTo: b\nSubject: ",
        ],
        [
            "--b\n",
            "--b\n\na\n",
            "--b\nContent-Type: multipart/mixed; boundary=b\n\n",
            "--b\nContent-Type: message/rfc822\n\n",
            "> ",
            "=?utf-8?q?a?= ",
            "=?utf-8?b?",
            "a: b\n",
            " a\n",
            "=",
            "=\n",
            "<a@b>, ",
            "(",
            '"',
            ";a*0=b",
            "--b--\n",
        ],
    ),
    "mbox": (
        ["From a@b Mon Jan  1 00:00:00 2024\nFrom: a\n\n"],
        [
            "From a@b Mon Jan  1 00:00:00 2024\n",
            "From a@b Mon Jan  1 00:00:00 2024\nSubject: a\n\nb\n\n",
            ">From \n",
            "From ",
            "From -\n",
            "From a 00:00\n\n",
        ],
    ),
    "mhtml": (
        ["MIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n"],
        ["--b\nContent-Type: text/html\n\n<p>a\n", "--b\n", "<a", "=\n"],
    ),
    "ics": (
        ["BEGIN:VCALENDAR\n"],
        [
            "BEGIN:VEVENT\n",
            "SUMMARY:a\n",
            "BEGIN:VEVENT\nSUMMARY:a\nEND:VEVENT\n",
            'DESCRIPTION;A="a":b\n',
            'A;B="',
            ";B=a",
            " a\n",
            "a:b\\n",
            "ATTENDEE;CN=a:b\n",
        ],
    ),
    "vcf": (
        ["BEGIN:VCARD\n"],
        [
            "BEGIN:VCARD\nFN:a\nEND:VCARD\n",
            "BEGIN:VCARD\n",
            "NOTE;ENCODING=QUOTED-PRINTABLE:=\n",
            "a.",
            'N;A="a',
            "TEL:1\n",
            "=E4",
            "=\n",
            "\\",
        ],
    ),
    "srt": (
        ["1\n00:00:01,000 --> 00:00:02,000\n"],
        [
            "1\n00:00:01,000 --> 00:00:02,000\na\n\n",
            "<v a",
            "<v.a",
            "<b>",
            "{\\a",
            "{a:",
            "[00:01]",
            "{1}{2}a\n",
            "00:",
            "<1",
            "Dialogue: ",
        ],
    ),
    "1": (
        [".TH a 1\n", ".Dd a\n.Dt A 1\n"],
        [
            ".SH a\n",
            ".B a\n",
            ".RS\n",
            ".Bl\n",
            ".It a\n",
            "\\fB",
            "\\",
            '."',
            ".de a\n",
            ".if n \\{\n",
            ".ie n\n",
            "\\(",
            "\\[",
            "\\*(",
            ".Op Fl a ",
            "\\s",
            "\\h'",
            ".TS\n",
            ".so a\n",
            ".Xo\n",
            '"',
        ],
    ),
    "tex": ([""], ["\\section{a}\n", "\\section{", "\\begin{a}", "{", "%", "$", "\\", "@a{b,\n", "\\input{", "\\\\"]),
    "org": ([""], ["* a\n", "** ", "#+a: b\n", ":a:\n", "[[a][", "#+begin_a\n"]),
    "adoc": ([""], ["= a\n", "== ", "----\n", ":a: b\n", "[[a]]", "|===\n"]),
    "toml": ([""], ["[a]\n", "[[", "a=1\n", '"""', "a=[", "a.", "[a."]),
    "ini": ([""], ["[a]\n", "a=b\n", ";", "[", "a:"]),
    "yaml": (["", "---\n"], ["a:\n ", "- ", "a: b\n", "&a [", "*a ", "{a: ", "- - ", "? ", "|\n", "--- \n", "!!a "]),
    "py": (
        [""],
        [
            "def a():\n",
            "(",
            "class a:\n ",
            '"""',
            "'''",
            "@a\n",
            "if a:\n\t",
            "a=\\\n",
            "[",
            "-",
            "lambda:",
            "a.",
            "#",
            "not ",
        ],
    ),
    "js": ([""], ["/*", "//a\n", "{", "function a(){", '"', "`", "${", "class a{"]),
    "sql": ([""], ["--", "(", "'", "/*", "select ", "create table a (\n"]),
    "css": ([""], ["/*", "a{", "a,", "@media "]),
    "svg": (["<svg>"], ["<g>", "<text>a</text>", "<text>", "<tspan>"]),
    "fodt": (
        [
            "<?xml version='1.0'?><office:document "
            "xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' "
            "xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0' "
            "xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0' "
            "office:mimetype='application/vnd.oasis.opendocument.text'><office:body><office:text>"
        ],
        [
            "<text:p>",
            "<text:p>a</text:p>",
            "<text:list><text:list-item>",
            "<text:span>",
            "<table:table><table:table-row><table:table-cell>",
            "<text:section>",
            "<text:s text:c='9999'/>",
        ],
    ),
    "txt": (["", "a: b\n", "---\na: b\n"], []),
}


@dataclass(frozen=True)
class Trial:
    """One string: `name` says what it repeats and who gets it; `run` hands it over in the given length."""

    name: str
    run: Callable[[int], object]


def trials(count: int, seed: int) -> Iterator[Trial]:
    """`count` trials, every other one of a single token as it is, the rest random mixtures."""
    chance = random.Random(seed)
    plain = list(_plain())
    chance.shuffle(plain)
    for number in range(count):
        yield _mixed(chance) if number % 2 or not plain else plain.pop()


def _plain() -> Iterator[Trial]:
    for token in _ANY:
        for what in _TEXT:
            yield _of_text(what, "", [token])
    for suffix, (beginnings, tokens) in _SYNTAX.items():
        for beginning in beginnings:
            for token in [*tokens, *_ANY]:
                for end in ("", ">", '"', "\n\n"):
                    yield _of_file(suffix, beginning, [token], end)


def _mixed(chance: random.Random) -> Trial:
    if chance.random() < 0.25:
        what = chance.choice(list(_TEXT))
        return _of_text(what, chance.choice(_ANY), chance.choices(_ANY, k=chance.randint(1, 4)))
    suffix = chance.choice(list(_SYNTAX))
    beginnings, tokens = _SYNTAX[suffix]
    some = chance.choices([*tokens, *tokens, *_ANY], k=chance.randint(1, 4))
    return _of_file(suffix, chance.choice(beginnings), some, chance.choice(["", "", *_ANY, *tokens]))


def _of_file(suffix: str, beginning: str, tokens: list[str], end: str) -> Trial:
    def run(size: int) -> None:
        with tempfile.TemporaryDirectory(prefix="semsearch-adversarial-") as folder:
            path = os.path.join(folder, f"a.{suffix}")
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(_repeated(beginning, tokens, end, size))
            for part in analyze_file(Task(folder, os.path.basename(path), size), *_rules()):
                assert "cannot be read" not in part.reason, part.reason

    return Trial(f".{suffix}: {beginning[-20:]!r} + {tokens} + {end!r}", run)


def _of_text(what: str, beginning: str, tokens: list[str]) -> Trial:
    return Trial(f"{what}: {beginning!r} + {tokens}", lambda size: _TEXT[what](_repeated(beginning, tokens, "", size)))


def _repeated(beginning: str, tokens: list[str], end: str, size: int) -> str:
    one = "".join(tokens)
    return beginning + one * (size // len(one)) + end


@cache
def _rules() -> tuple[ChunkRules, ReadRules]:
    source = resolve(DEFAULT_MODEL)
    chunking = Chunking(None, None, None, ANALYSIS_VERSION)
    rules = ReadRules(source.name, str(source.tokenizer_path()), source.window() or 0, chunking)
    return rules.chunk_rules(), rules


def _split(text: str) -> None:
    splitter.split(Document(text, "text", (Section(0, len(text)),), line_starts_of(text)), _rules()[0])


def _sentences(text: str) -> None:
    for type_name in ("text", "markdown", "python"):
        sentence_spans(text, type_name)
        label_spans(text, type_name)


def _snippets(text: str) -> None:
    keys = frozenset({"a", "b"})
    snippet(text, keys, frozenset({"en"}))
    match_spans(text, keys, frozenset({"en"}))


def _query(text: str) -> None:
    with contextlib.suppress(UsageError):  # what is no query is said
        parse_query(text)


def _glob(text: str) -> None:
    with contextlib.suppress(ValueError):  # what is no glob is said
        Globs([text[: LONGEST_GLOB - 1]]).match_file(text[:LONGEST_GLOB].replace("*", "a").replace("?", "a"))


_TEXT: dict[str, Callable[[str], object]] = {
    "splitter": _split,
    "analyzer": lambda text: analyze(text, "en"),
    "language": language.detect,
    "sentences": _sentences,
    "snippets": _snippets,
    "phrase": lambda text: list(Phrase("a b").spans_in(text)),
    "citations": citation_marks,
    "query": _query,
    "glob": _glob,
}


def run(count: int, seed: int, size: int = SIZE) -> list[tuple[str, float]]:
    """(what, seconds of CPU time) of each of `count` strings of `size` characters that takes more than its share of
    `MOST_SECONDS`, which are for `SIZE` characters."""
    most = MOST_SECONDS * size / SIZE
    for warm in _TEXT.values():
        warm("a warm cache and all imports.")
    slow = []
    for trial in trials(count, seed):
        taken = _seconds(trial, size)
        if taken > most:
            taken = min(taken, _seconds(trial, size))  # an import, or a busy machine
        if taken > most:
            half = _seconds(trial, size // 2)
            print(f"    {taken:6.2f} s, {half:.2f} s for half: {trial.name}", flush=True)
            slow.append((trial.name, taken))
    return slow


def _seconds(trial: Trial, size: int) -> float:
    began = time.process_time()
    trial.run(size)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=SIZE)
    chosen = parser.parse_args()
    slow = run(chosen.strings, chosen.seed, chosen.size)
    for what, number in sorted(Counter(name.split(":")[0] for name, _ in slow).items()):
        print(f"{what:12} {number:6} over {MOST_SECONDS:g} s")
    print(f"{chosen.strings} strings, {len(slow)} failures (over {MOST_SECONDS:g} s of CPU time)")


if __name__ == "__main__":
    main()
