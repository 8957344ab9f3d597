"""Tells what a model says from what it thinks, in a text that comes in pieces; knows the marks of all common models."""

import re
from typing import Literal, NamedTuple


class Piece(NamedTuple):
    """A part of a reply: `text` that is said or thought; `retracted`: what was said so far was thought."""

    kind: Literal["said", "thought", "retracted"]
    text: str = ""


# Words that also are names of ordinary elements; they begin a thought only where an answer or a line begins.
_ORDINARY = r"thoughts?|reasoning|reflection|scratchpad|analysis"
_TAGS = rf"(?:\w{{1,10}}:)?think(?:ing)?|{_ORDINARY}"
_TOKEN = re.compile(
    rf"(?P<open><(?:{_TAGS})>|\[THINK\]|◁think▷|<\|(?:START_THINKING|begin_of_thought)\|>|<\|channel>\w*\n?)"
    rf"|(?P<close></(?:{_TAGS})>|\[/THINK\]|◁/think▷|<\|(?:END_THINKING|end_of_thought)\|>|<channel\|>)"
    r"|(?P<header><\|(?:start|channel|constrain)\|>)"
    r"|(?P<message><\|message\|>)"
    r"|(?P<part><\|end\|>)"
    r"|(?P<end><\|(?:im_end|eot_id|eom_id|endoftext|end_of_text|return|call|END_OF_TURN_TOKEN)\|>"
    r"|<(?:end_of_turn|turn\||eos)>|</s>|<｜end▁of▁sentence｜>)"
    r"|(?P<struck><s>)"
    r"|(?P<wrap></?(?:answer|final_answer)>|<\|(?:begin_of_solution|end_of_solution|START_RESPONSE|END_RESPONSE)\|>)"
    r"|(?P<stripped>assistantfinal)"
    r"|(?P<escape>\x1b(?:\[[0-?]{0,40}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)))",
    re.IGNORECASE,
)
_ORDINARY_OPEN = re.compile(rf"<(?:{_ORDINARY})>", re.IGNORECASE)
# What may become a mark with the next piece.
_PARTIAL = re.compile(
    r"(?:<[^<>\n]{0,40}|<\|channel>\w{0,20}|\[/?[A-Z]{0,6}|◁/?\w{0,6}|"
    r"\x1b(?:\[[0-?]{0,40}[ -/]{0,8}|\][^\x07\x1b]{0,200})?|\x1b)\Z"
)
_PARTIAL_STRIPPED = re.compile(r"a[a-z]{0,13}\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# gpt-oss behind a server that drops its control tokens: "analysisWe need ...assistantfinalThe answer".
_STRIPPED_CHANNEL = "analysis"
_LONGEST_HEADER = 200


def cleaned(text: str) -> str:
    """`text` without control characters and lone surrogates."""
    return _CONTROL.sub("", _whole_characters(text))


def _whole_characters(text: str) -> str:
    """`text` with its pairs of surrogates joined, and lone ones replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class ThoughtSplitter:
    """Splits a reply, fed piece by piece, into what is said and what is thought, cleaned of control characters.

    Thoughts stand between marks such as <think>, in a channel of gpt-oss, or before a closing mark that nothing opened:
    then what was said before is retracted. What follows a mark that ends the answer is left out.
    """

    def __init__(self) -> None:
        self._held = ""
        self._mode: Literal["said", "thought", "header"] = "said"
        self._header = ""
        self._said = ""  # the line that is being said, of which the end is looked at
        self._begun = self._opened = self._stripped = self._ended = self._struck = False

    @property
    def thinking(self) -> bool:
        """Whether the reply so far ends within a thought."""
        return self._mode == "thought"

    def feed(self, text: str) -> list[Piece]:
        """What can be told of the text so far and was not told before."""
        text = self._held + text
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]  # its other half comes next
        text = _whole_characters(text)
        if not self._begun and self._mode == "said":
            opening = text.lstrip()
            if len(opening) <= len(_STRIPPED_CHANNEL) and _STRIPPED_CHANNEL.startswith(opening):
                self._held = text + self._held
                return []
            if opening.startswith(_STRIPPED_CHANNEL) and opening[len(_STRIPPED_CHANNEL)].isupper():
                self._stripped, self._mode, text = True, "thought", opening[len(_STRIPPED_CHANNEL) :]
        partial = _PARTIAL.search(text, max(0, len(text) - 250))
        if partial is None and self._stripped:
            partial = _PARTIAL_STRIPPED.search(text, max(0, len(text) - 14))
        if partial is not None:
            text, self._held = text[: partial.start()], text[partial.start() :] + self._held
        return self._split(text)

    def end(self) -> list[Piece]:
        """What is left when the reply has ended."""
        held, self._held = self._held, ""
        return self._split(_whole_characters(held))

    def _split(self, text: str) -> list[Piece]:
        pieces: list[Piece] = []
        position = 0
        for match in _TOKEN.finditer(text):
            self._tell(text[position : match.start()], pieces)
            position = match.end()
            self._obey(str(match.lastgroup), match.group(), pieces)
        self._tell(text[position:], pieces)
        return pieces

    def _tell(self, text: str, pieces: list[Piece]) -> None:
        if self._mode == "header":
            self._header = (self._header + text)[:_LONGEST_HEADER]
            return
        text = cleaned(text)
        if not text or (self._ended and self._mode == "said"):
            return
        if self._mode == "said":
            self._begun = self._begun or bool(text.strip())
            self._said = (self._said + text)[-_LONGEST_HEADER:]
        pieces.append(Piece(self._mode, text))

    def _obey(self, token: str, text: str, pieces: list[Piece]) -> None:
        """Does what the mark `text`, of the kind `token`, says."""
        if token in ("open", "close") and self._mode == "said" and self._said.endswith("`"):
            self._tell(text, pieces)  # a document about models, quoted
        elif token == "open":
            if _ORDINARY_OPEN.fullmatch(text) and self._said.rpartition("\n")[2].strip():
                self._tell(text, pieces)
            else:
                self._mode, self._opened = "thought", True
        elif token == "close":
            if self._mode == "said" and self._begun and not self._opened:
                pieces.append(Piece("retracted"))
                self._begun = False
            self._mode, self._opened, self._said = "said", True, ""
        elif token == "header":
            self._header = "" if self._mode != "header" else self._header
            self._mode = "header"
        elif token == "message":
            name = self._header.strip().lower()
            self._mode = "said" if "final" in name or name in ("", "assistant") else "thought"
            self._opened = True
        elif token == "part":
            self._mode = "said"
        elif token == "stripped" and self._stripped:
            self._mode, self._stripped = "said", False
        elif token == "struck":
            self._struck = True
            self._tell(text, pieces)
        elif token == "end" and text == "</s>" and self._struck:
            self._tell(text, pieces)
        elif token == "end":
            self._ended = self._ended or self._begun
            self._mode = "said"
        elif token == "stripped":
            self._tell(text, pieces)
