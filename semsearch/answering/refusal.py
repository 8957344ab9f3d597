"""Recognises an answer that says the documents do not hold it: by the token the prompt asks for, or by its words."""

import re
from collections.abc import Callable

# What the prompt asks for in place of an answer, on a line of its own; no text of a document is likely to hold it.
REFUSAL_TOKEN = "NOT_IN_SOURCES"
# What is shown where a model writes the token alone.
REFUSAL_TEXT = "Not found in these documents."

# Characters. What says that nothing is known is short.
_LONGEST = 400

_MARKUP = r"[\s*_`\"'“”„«»\[\]()#>]"
_TOKEN = r"NOT(?:_|\\_)IN(?:_|\\_)SOURCES"
_TOKEN_FIRST = re.compile(rf"\A{_MARKUP}*{_TOKEN}{_MARKUP}*[.:!,;–—-]*{_MARKUP}*")
# Not over lines: each of many empty ones would be begun with, and gone through to the last.
_TOKEN_LINE = re.compile(rf"(?:\A|\n)[ \t*_`\"'“”„«»\[\]()#>]*{_TOKEN}{_MARKUP}*[.:!]?[ \t*_`\"'“”«»\])]*(?=\n|\Z)")
_ALONE = re.compile(
    r"\W*(?:(?:the answer|it|this|information|that) (?:is|was) )?not found in (?:these|the) (?:documents|sources)\W*",
    re.IGNORECASE,
)
_PLACES = (
    r"\b(?:sources?|documents?|passages?|contexts?|texts?|excerpts?|materials?|files?|information|"
    r"quellen?|dokumenten?|textstellen|fuentes|documentos|textos)\b"
)
# "If the file does not contain a header, ..." says what then.
_CONDITION = re.compile(r"\W*(?:if|when|whenever|unless|should|where|wenn|falls|sofern|si|se|als|om)\b", re.IGNORECASE)
_TELL = (
    r"(?:contain|mention|provide|include|say|state|specify|hold|have|answer|address|cover|discuss|give|describe|"
    r"explain|offer|indicate|list|talk|refer|tell)"
)
# What can be said of documents alone.
_SAY = r"(?:mention|say|state|specify|answer|address|discuss|describe|explain|indicate|talk|refer|tell)"
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
            # "It does not cover water damage" is said of something else than the documents.
            rf"\b(?:they|it)\b.{{0,20}}\b(?:do|does|did)(?: not|n['’]t) (?:\w+ly )?{_SAY}\b",
            rf"\b(?:answer|information|that|this|it) (?:is|was)(?: not|n['’]t) (?:\w+ )?in (?:these|the|any of the|"
            rf"your)\b.{{0,40}}{_PLACES}",
            rf"\bnothing in (?:these|the|any of the|your)\b.{{0,40}}{_PLACES}",
            rf"^\W*(?:(?:it|this|that) (?:is|was)(?: not|n['’]t)|not) {_TOLD}\W*$",
            r"^\W*(?:unknown|unanswerable|n/a|no (?:answer|information|mention)|not given)\W*$",
            r"^\W*(?:(?:das )?weiß ich nicht|ich weiß (?:es|das) nicht|keine angaben?|unbekannt|je (?:ne )?sais pas|"
            r"no (?:lo )?sé|non (?:lo )?so|não sei|ik weet het niet|jag vet inte|nie wiem|(?:я )?не знаю|不知道|"
            r"我不知道|わかりません|分かりません|모르겠습니다|bilmiyorum)\W*$",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)


# (documents, not) in other languages. A short sentence with both says that these do not hold something.
_OTHER_LANGUAGES = [
    (r"\b(?:dokument\w*|quellen?|textstellen|unterlagen|kontext|texten?)\b", r"\b(?:nicht|keine?\w*|nichts)\b"),
    (r"\b(?:documents?|sources?|extraits?|textes?|passages?)\b",
     r"\b(?:pas|aucune?|introuvables?|ni|rien|ne permettent)\b"),
    (r"\b(?:documentos?|fuentes?|fontes?|textos?|pasajes?)\b", r"\b(?:no|não|ning[uú]n\w*|nenhum\w*|nada|sin|sem)\b"),
    (r"\b(?:documenti|documento|fonti|testi|testo)\b", r"\b(?:non|nessun\w*|nulla)\b"),
    (r"\b(?:documenten|bronnen|teksten)\b", r"\b(?:niet|geen|niets)\b"),
    (r"\b(?:dokument\w*|käll\w*|kild\w*|tekst\w*)\b", r"\b(?:inte|ikke|ej|ingen|inget|inga|ingenting)\b"),
    (r"\b(?:dokument\w*|źród\w*|zdroj\w*|tekst\w*)\b", r"\b(?:nie|brak|není|není\w*|nejsou|žádn\w*|ne\w+)\b"),
    (r"(?:документ|источник|джерел|текст)", r"\b(?:не|нет|нема|немає|ні|отсутств\w*|відсутн\w*)\b"),
    (r"(?:belge|kaynak|doküman|metin)", r"(?:yok|değil|bulun(?:a)?ma|içermi|yer almı|bulamad)"),
    (r"(?:asiakirj|lähte|dokument)", r"\b(?:ei|eivät|eikä)\b"),
    (r"(?:dokumentum|forrás)", r"\b(?:nem|nincs\w*)\b"),
    (r"(?:έγγραφ|πηγ)", r"\b(?:δεν|καμία|κανένα)\b"),
    (r"(?:文档|文件|来源|資料|资料|文書|ドキュメント|情報源|出典|原文|材料|文献|文本)",
     r"(?:未|没|沒|無|无|不|ません|ない|なし|ありませ)"),
    (r"(?:문서|자료|출처|소스)", r"(?:없|않|못)"),
    (r"(?:مستند|وثائق|المصادر|الوثائق|النصوص)", r"(?:\bلا\b|\bلم\b|\bليس|غير|\bلن\b)"),
    (r"(?:مدارک|اسناد|منابع|سند)", r"(?:نشد|نیست|نمی|ندارد|ندارند)"),
    (r"(?:दस्तावेज|स्रोत)", r"(?:नहीं)"),
    (r"(?:מסמכ|מקורות)", r"(?:\bלא\b|\bאין\b)"),
    (r"(?:tài liệu|nguồn|văn bản)", r"(?:không|chưa)"),
    (r"(?:dokumen|sumber)", r"\b(?:tidak|tak|belum|bukan)\b"),
    (r"(?:เอกสาร|แหล่ง)", r"(?:ไม่)"),
]  # fmt: skip
_ELSEWHERE = [
    (re.compile(places, re.IGNORECASE), re.compile(negation, re.IGNORECASE)) for places, negation in _OTHER_LANGUAGES
]
# The words for documents are those of English, too.
_ENGLISH = re.compile(r"\b(?:the|is|are|was|does|do|not|of|this|that|these)\b", re.IGNORECASE)


def says_nothing_is_known(sentence: str) -> bool:
    """Whether `sentence`, without its citation marks, says that the documents do not hold something."""
    if not sentence.strip() or len(sentence) > _LONGEST or _CONDITION.match(sentence):
        return False
    if _ALONE.fullmatch(sentence) or _NOT_FOUND.search(sentence):
        return True
    if len(_ENGLISH.findall(sentence)) > 1 or any(letter.isdigit() for letter in sentence):
        return False
    return any(places.search(sentence) and negation.search(sentence) for places, negation in _ELSEWHERE)


def without_token(text: str) -> tuple[str, bool]:
    """`text` without the token that the prompt asks for in place of an answer, and whether it held it."""
    first = _TOKEN_FIRST.match(text)
    rest = text[first.end() :] if first else text
    shown = _TOKEN_LINE.sub("", rest)
    return shown.strip(), first is not None or shown != rest


class TokenFilter:
    """Hands on the pieces of an answer to `on_text`, without the token that the prompt asks for in place of one."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._held = ""
        self._shown = False
        self._line = ""  # of the line that is being shown, what was

    def feed(self, text: str) -> None:
        """Shows `text`, as far as it cannot become the token with what follows."""
        for line in re.split(r"(?<=\n)", self._held + text):
            if line:
                self._feed_line(line)

    def _feed_line(self, line: str) -> None:
        self._held = ""
        if self._line:
            self._show(line)
            return
        bare = re.sub(rf"\A{_MARKUP}+", "", line).replace("\\_", "_")
        if bare.startswith(REFUSAL_TOKEN):
            # What stands around the token goes with it, and may come with the next piece.
            rest = bare[len(REFUSAL_TOKEN) :]
            said = re.sub(rf"\A{_MARKUP}*[.:!,;–—-]*{_MARKUP}*", "", rest)
            if said:
                self._show(said)
            elif not line.endswith("\n"):
                self._held = line
        elif REFUSAL_TOKEN.startswith(bare) and not line.endswith("\n"):
            self._held = line
        else:
            self._show(line)

    def _show(self, text: str) -> None:
        if not self._shown:
            text = text.lstrip()
        if text:
            self._shown = True
            self._line = "" if text.endswith("\n") else text
            self._on_text(text)

    def end(self) -> bool:
        """Shows what was held and is no token; whether anything was shown."""
        held, self._held = self._held, ""
        if not without_token(held)[1] and held.strip():
            self._show(held)
        return self._shown
