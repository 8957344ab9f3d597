"""Recognises an answer that says the documents do not hold it, in the words the prompt asks for or in others."""

import re

# Characters. A refusal is short; a longer text that mentions what is not known is an answer.
_LONGEST = 500

_ALONE = re.compile(
    r"\W*(?:(?:the answer|it|this|information|that) (?:is|was) )?not found in (?:these|the) (?:documents|sources)\W*",
    re.IGNORECASE,
)
_PLACES = (
    r"\b(?:sources?|documents?|passages?|contexts?|texts?|excerpts?|materials?|files?|information|"
    r"quellen?|dokumenten?|textstellen|fuentes|documentos|textos)\b"
)
_TELL = (
    r"(?:contain|mention|provide|include|say|state|specify|hold|have|answer|address|cover|discuss|give|describe|"
    r"explain|offer|indicate|list|talk|refer|tell)"
)
_TOLD = (
    r"(?:mentioned|found|specified|provided|stated|covered|described|discussed|given|included|available|present|"
    r"addressed|answered)"
)
_CANNOT = r"(?:can(?:not|['’]t| not)|could(?: not|n['’]t))"
_NOT_FOUND = re.compile(
    "|".join(
        (
            rf"not found in (?:these|the|this|any of the|your)\b.{{0,40}}{_PLACES}",
            rf"{_PLACES}.{{0,60}}?\b(?:do|does|did)(?: not|n['’]t) (?:\w+ly )?{_TELL}\b",
            rf"\bnone of the\b.{{0,40}}{_PLACES}.{{0,60}}?\b{_TELL}s?\b",
            rf"\b(?:no|not enough|insufficient)\b.{{0,30}}\b(?:information|details?|mention|answer|data)\b"
            rf".{{0,80}}{_PLACES}",
            r"\b(?:there is|there's|i (?:have|found|see)) (?:no|not enough|insufficient)\b.{0,30}"
            r"\b(?:information|mention|answer)\b",
            rf"\b(?:is|are|was|were)(?: not|n['’]t) (?:\w+ly )?{_TOLD}\b.{{0,40}}{_PLACES}",
            rf"\b{_CANNOT} be (?:found|answered|determined)\b.{{0,60}}{_PLACES}",
            rf"\bi (?:{_CANNOT}|(?:was |am )?unable to|do(?: not|n['’]t)) (?:find|answer|determine|locate|know|see)\b",
            r"\b(?:i['’]m|i am|i was) (?:unable|not able) to (?:find|answer|determine|locate)\b",
            r"\bi (?:do not|don['’]t) have (?:enough |any |the |sufficient )?(?:information|knowledge|context)\b",
            rf"\bin (?:den|diesen) {_PLACES}.{{0,60}}\bnicht\b",
            rf"{_PLACES} (?:enthalten|nennen|erwähnen)\b.{{0,60}}\b(?:nicht|keine?)\b",
            r"\b(?:pas|introuvable|aucune)\b.{0,60}\bdans (?:ces|les) (?:documents|sources)\b",
            r"\bno\b.{0,60}\b(?:en|los) (?:estos |las |los )?(?:documentos|fuentes)\b",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)


def is_refusal(text: str, *, cites: bool) -> bool:
    """Whether `text`, its citation marks removed, is a refusal.

    `cites`: it cites sources; then only the phrase of the prompt, alone, is one.
    """
    if not text.strip() or _ALONE.fullmatch(text):
        return True
    return not cites and len(text) <= _LONGEST and bool(_NOT_FOUND.search(text))
