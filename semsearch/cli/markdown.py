"""An answer as a section of a Markdown file, in which nothing that documents or models say is markup."""

import os
import re
import time
from urllib.parse import quote

from semsearch.answering.answer import Answer, Citation
from semsearch.cli.formats import file_uri, on_host
from semsearch.cli.render import one_line

# What Markdown or HTML would take for more than text: a picture in a model's answer would be fetched from elsewhere
# when the file is opened, and some dialects make links of addresses, and formulas of dollars. `[1]` means nothing by
# itself, and is left as it is.
_MARKUP = re.compile(r"[\\`*_<>#|~&!$]|:(?=//)|(?<=\bwww)\.|\[(?!\d{1,3}\](?![(:]))|(?<!\d)\]|(?<=\d)\](?=[(:])")
_AT_THE_BEGINNING = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def section(answer: Answer, folder: str, first: bool) -> str:
    """`answer` in Markdown: question, answer, sources with paths from `folder`. `first`: nothing stands before it."""
    lines = [f"## {plain(answer.question)}\n"]
    lines.append(f"*{_when()}*\n" if answer.llm is None else f"*{_when()}, {plain(answer.llm)}*\n")
    for line in answer.text.splitlines():
        if line.strip():
            lines.append(f"{plain(line)}\n")
    for sentence in answer.unsupported:
        lines.append(f"Not supported by the documents: {plain(sentence)}\n")
    if answer.citations:
        lines.append("Sources:\n")
        lines += dict.fromkeys(_source(answer, citation, folder) for citation in answer.citations)
        lines.append("")
    return ("" if first else "\n") + "\n".join(lines)


def _source(answer: Answer, citation: Citation, folder: str) -> str:
    hit = answer.contexts[citation.n - 1]
    place = _place(citation)
    # Of a name that is not UTF-8 its own bytes.
    target = quote(os.fsencode(os.path.relpath(hit.file, folder))) if hit.is_here else file_uri(hit)
    told = f"- [{citation.n}] [{plain(citation.path + place + on_host(hit))}](<{target}>)"
    return f"{told}: {plain(citation.shown)}" if answer.llm is not None else told


def _place(citation: Citation) -> str:
    if citation.page is not None:
        return f", page {citation.page}"
    if citation.line_start is None:
        return ""
    if citation.line_end in (None, citation.line_start):
        return f", line {citation.line_start}"
    return f", lines {citation.line_start}-{citation.line_end}"


def plain(text: str) -> str:
    """`text` as one line of Markdown that reads as it is.

    >>> plain("see [1] and ![x](http://a) <b>")
    'see [1] and \\\\!\\\\[x\\\\](http://a) \\\\<b\\\\>'
    """
    escaped = _MARKUP.sub(lambda match: "\\" + match[0], one_line(text))
    escaped = _AT_THE_BEGINNING.sub(lambda m: f"{m[1]}{m[2]}\\" if m[2].isdigit() else f"{m[1]}\\{m[2]}", escaped)
    return escaped.encode("utf-8", "replace").decode("utf-8")


def _when() -> str:
    return time.strftime("%Y-%m-%d %H:%M")
