"""Subtitles (SRT, WebVTT, SBV, SubViewer, SubStation Alpha, MicroDVD, MPL2, LRC): what is said and by whom, with the
line of the file.

Captions that roll up repeat what was said before: each line is read once.
"""

import html
import re

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.text import decode

_TIME = r"\d{0,3}:?\d{1,2}:\d{2}[.,:]?\d{0,6}"
_CUE = re.compile(rf"\s{{0,20}}{_TIME}\s{{0,20}}(?:-->|,)\s{{0,20}}{_TIME}")
_SKIPPED_BLOCKS = ("NOTE", "STYLE", "REGION")
_VOICE = re.compile(r"<v(?:\.[^ <>]{0,100})?[ \t]{1,10}([^<>]{1,200})>")
_BREAK = re.compile(r"<br\s?/?>|\[br\]|\\[Nn]", re.IGNORECASE)
# `a < b` is text.
_TAG = re.compile(
    r"</?(?:b|i|u|s|c|v|a|p|em|strong|small|big|ruby|rt|rb|font|lang|span|div)\b[^<>]{0,200}>|<\d[\d:.]{2,20}>",
    re.IGNORECASE,
)
# `{laughs}` is text, too, but not in SubStation Alpha.
_STYLE = re.compile(r"\{\\[^{}]{0,500}\}|\{[A-Za-z]:[^{}]{0,100}\}")
_FRAMES = re.compile(r"\{\d{1,9}\}\{\d{0,9}\}")
_RATE = re.compile(r"[\d.,]+")
_TENTHS = re.compile(r"\[\d{1,9}\]\[\d{0,9}\]")
_STAMPED = re.compile(r"(?:\[\d+:\d+(?:[.:]\d+)?\])+")
_DIALOGUE = re.compile(r"Dialogue:\s*(.*)", re.IGNORECASE)
_OVERRIDES = re.compile(r"(\{[^{}]{0,1000}\})")
_DRAWING = re.compile(r"\\p(\d+)")
_USUAL_FORMAT = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
# A line that was said in one of so many cues before is the same line, rolled up.
_ROLLED = 2
_NEVER = -_ROLLED - 1

# (number, text, number of its cue) of a line that is said
_Said = list[tuple[int, str, int]]


def read(data: bytes, type_name: str) -> Document:
    """What is said in `data`, line by line."""
    text, metadata = decode(data)
    lines = text.split("\n")
    if any(line.startswith("[Events]") for line in lines):
        said = _substation(lines)
    elif any(_FRAMES.match(line) for line in lines[:20]):
        said = _by_frames(lines, _FRAMES)
    elif any(_TENTHS.match(line) for line in lines[:20]):
        said = _by_frames(lines, _TENTHS)
    elif any(_STAMPED.match(line) for line in lines[:50]) and not any(_CUE.match(line) for line in lines[:50]):
        said = [(number, _STAMPED.sub("", line), number) for number, line in enumerate(lines, 1)]
    else:
        said = _cues(lines)
    builder = DocumentBuilder(type_name)
    spoken: dict[str, tuple[int, int]] = {}  # what was said -> the last two cues that say it
    for number, line, cue in said:
        shown = _shown(line)
        if not shown:
            continue
        before, latest = spoken.get(shown, (_NEVER, _NEVER))
        if cue - (before if latest == cue else latest) > _ROLLED:
            builder.lines(shown, number)
        if latest != cue:
            spoken[shown] = (latest, cue)
    return builder.document(metadata)


def _shown(line: str) -> str:
    """A line as it is read, the speaker before it."""
    line = _VOICE.sub(lambda match: f"{match.group(1).strip()}: ", line)
    return html.unescape(_STYLE.sub("", _TAG.sub("", _BREAK.sub(" ", line)))).strip()


def _cues(lines: list[str]) -> _Said:
    """The lines under the times; in SRT also those after an empty line in a cue."""
    said: _Said = []
    is_vtt = lines[0].lstrip("\ufeff").startswith("WEBVTT")
    in_cue, skipped, cue = False, False, 0
    for number, line in enumerate(lines, 1):
        if _CUE.match(line):
            in_cue, skipped, cue = True, False, cue + 1
        elif not line.strip():
            in_cue = cue > 0 and not is_vtt
            skipped = False
        elif not in_cue and line.split(" ")[0] in _SKIPPED_BLOCKS:
            skipped = True
        elif in_cue and not skipped and not (line.strip().isdigit() and _is_cue(lines, number)):
            said.append((number, line, cue))
    return said


def _is_cue(lines: list[str], position: int) -> bool:
    return position < len(lines) and _CUE.match(lines[position]) is not None


def _by_frames(lines: list[str], times: re.Pattern[str]) -> _Said:
    """The lines of MicroDVD and MPL2, each with its `times`; a bar is a line end, a slash makes a line italic."""
    said: _Said = []
    for number, line in enumerate(lines, 1):
        text = " ".join(part.strip().removeprefix("/") for part in times.sub("", line, count=1).split("|"))
        if said or not _RATE.fullmatch(text):  # the first line may tell how many pictures a second has
            said.append((number, text, number))
    return said


def _substation(lines: list[str]) -> _Said:
    """The dialogue of SubStation Alpha, whose `Format` line names the fields of each, the text last."""
    fields = _USUAL_FORMAT.split(", ")
    said: _Said = []
    for number, line in enumerate(lines, 1):
        if line.lower().startswith("format:"):
            fields = [name.strip() for name in line.partition(":")[2].split(",")]
        elif match := _DIALOGUE.match(line):
            values = dict(zip(fields, match.group(1).split(",", max(0, len(fields) - 1)), strict=False))
            speaker = values.get("Name") or values.get("Actor") or ""
            text = _without_overrides(values.get("Text", ""))
            said.append((number, f"{speaker.strip()}: {text}" if speaker.strip() else text, number * (_ROLLED + 1)))
    return said


def _without_overrides(text: str) -> str:
    """`text` without what stands in braces, and without shapes that are drawn by it."""
    shown = []
    drawing = False
    for part in _OVERRIDES.split(text):
        if part.startswith("{") and part.endswith("}"):
            for mode in _DRAWING.findall(part):
                drawing = int(mode) > 0
        elif not drawing:
            shown.append(part)
    return "".join(shown)
