"""How many tokens a text has for a language model, about: rather more than it has, as models have vocabularies of their
own and none is needed here."""

import re

# Words as vocabularies cut them: "camelCase" is two, three digits are one, of signs each is one.
_PIECE = re.compile(r" ?[A-Z]?[a-z]+| ?[A-Z]+|\d{1,3}|\s+|.", re.DOTALL)
_LETTERS_A_TOKEN = 7
# Of capitals, of what is too long for a word, and of what no space stands before, which may be none.
_OTHERS_A_TOKEN = 2
_LONGEST_WORD = 20
# First character after a range of Unicode -> tokens of a character in it.
_SCRIPTS = ((0x80, 1.0), (0x0900, 0.9), (0x0E80, 1.2), (0x2000, 3.0), (0x3000, 2.0), (0xE000, 1.5), (0x10000, 3.0))
_RAREST = 4.0


def tokens_in(text: str) -> float:
    """About how many tokens `text` has."""
    return sum(_tokens(piece) for piece in _PIECE.findall(text))


def cut(text: str, most: float) -> str:
    """`text` cut to about `most` tokens, which is then said."""
    total = 0.0
    for match in _PIECE.finditer(text):
        total += _tokens(match.group())
        if total > most:
            return text[: match.start()] + " … [cut]"
    return text


def parts_of(text: str, most: int) -> list[str]:
    """`text` in parts, which together are all of it, of about `most` tokens at most (more than ten)."""
    if len(text) * (1 if text.isascii() else _RAREST) <= most:
        return [text]
    parts, begin, total = [], 0, 0.0
    for match in _PIECE.finditer(text):
        tokens = _tokens(match.group())
        if total + tokens > most and match.start() > begin:
            parts.append(text[begin : match.start()])
            begin, total = match.start(), 0.0
        if tokens > most:  # a word without end
            step = int(most / _RAREST)
            while match.end() - begin > step:
                parts.append(text[begin : begin + step])
                begin += step
            tokens = _tokens(text[begin : match.end()])
        total += tokens
    return [*parts, text[begin:]]


def _tokens(piece: str) -> float:
    if piece.isascii():
        is_word = piece[0] == " " and len(piece) <= _LONGEST_WORD and not piece.isupper()
        return 1 + len(piece.strip()) // (_LETTERS_A_TOKEN if is_word else _OTHERS_A_TOKEN)
    code = ord(piece[0])
    return next((tokens for end, tokens in _SCRIPTS if code < end), _RAREST) * len(piece)
