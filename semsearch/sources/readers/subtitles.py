"""Subtitles (SRT, WebVTT, SBV, SubStation Alpha, MicroDVD, LRC): what is said and by whom, with the line of the file.

Captions that roll up repeat what was said before: each line is read once.
"""

import html
import re

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.text import decode

_TIME = r"\d*:?\d{1,2}:\d{2}[.,:]?\d*"
_CUE = re.compile(rf"\s*{_TIME}\s*(?:-->|,)\s*{_TIME}")
_SKIPPED_BLOCKS = ("NOTE", "STYLE", "REGION")
_VOICE = re.compile(r"<v(?:\.[^ >]*)?\s+([^>]+)>")
_TAG = re.compile(r"<[^>]*>")
_STYLE = re.compile(r"\{\\[^}]*\}|\{[^}]*\}")
_FRAMES = re.compile(r"\{\d+\}\{\d+\}")
_STAMPED = re.compile(r"(?:\[\d+:\d+(?:[.:]\d+)?\])+")
_DIALOGUE = re.compile(r"Dialogue:\s*(.*)", re.IGNORECASE)
_USUAL_FORMAT = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
# A line that was said in one of so many cues before is the same line, rolled up.
_ROLLED = 2


def read(data: bytes, type_name: str) -> Document:
    """What is said in `data`, line by line."""
    text, metadata = decode(data)
    lines = text.split("\n")
    if any(line.startswith("[Events]") for line in lines):
        said = _substation(lines)
    elif any(_FRAMES.match(line) for line in lines[:20]):
        said = [(number, _FRAMES.sub("", line).replace("|", " "), number) for number, line in enumerate(lines, 1)]
    elif any(_STAMPED.match(line) for line in lines[:50]) and not any(_CUE.match(line) for line in lines[:50]):
        said = [(number, _STAMPED.sub("", line), number) for number, line in enumerate(lines, 1)]
    else:
        said = _cues(lines)
    builder = DocumentBuilder(type_name)
    recent: list[tuple[int, str]] = []
    for number, line, cue in said:
        shown = _shown(line)
        if not shown:
            continue
        recent = [(at, earlier) for at, earlier in recent if cue - at <= _ROLLED]
        if all(earlier != shown or at == cue for at, earlier in recent):
            builder.lines(shown, number)
        recent.append((cue, shown))
    return builder.document(metadata)


def _shown(line: str) -> str:
    """A line as it is read, the speaker before it."""
    spoken = _VOICE.sub(lambda match: f"{match.group(1).strip()}: ", line)
    return html.unescape(_STYLE.sub("", _TAG.sub("", spoken))).replace("\\N", " ").replace("\\n", " ").strip()


def _cues(lines: list[str]) -> list[tuple[int, str, int]]:
    """(number, text, number of its cue) of the lines that are said."""
    said: list[tuple[int, str, int]] = []
    in_cue, skipped, cue = False, False, 0
    for number, line in enumerate(lines, 1):
        if _CUE.match(line):
            in_cue, skipped, cue = True, False, cue + 1
        elif not line.strip():
            in_cue = skipped = False
        elif not in_cue and line.split(" ")[0] in _SKIPPED_BLOCKS:
            skipped = True
        elif in_cue and not skipped:
            said.append((number, line, cue))
    return said


def _substation(lines: list[str]) -> list[tuple[int, str, int]]:
    """The same of SubStation Alpha, whose `Format` line names the fields of each dialogue, the text last."""
    fields = _USUAL_FORMAT.split(", ")
    said: list[tuple[int, str, int]] = []
    for number, line in enumerate(lines, 1):
        if line.lower().startswith("format:"):
            fields = [name.strip() for name in line.partition(":")[2].split(",")]
        elif match := _DIALOGUE.match(line):
            values = dict(zip(fields, match.group(1).split(",", max(0, len(fields) - 1)), strict=False))
            speaker = values.get("Name") or values.get("Actor") or ""
            text = values.get("Text", "")
            said.append((number, f"{speaker.strip()}: {text}" if speaker.strip() else text, number * (_ROLLED + 1)))
    return said
