"""Automatic numbers as word processors write them: `iv`, `(b)`, `2nd`, `Twelfth`, `三`."""

_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen""".split()  # noqa: SIM905
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
              "twelve": "twelfth"}  # fmt: skip
_RUSSIAN = "абвгдежзиклмнопрстуфхцчшщыэюя"
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_FOOTNOTE_MARKS = "*†‡§"
# Letters and marks are repeated up to here.
_MOST_REPEATED = 780
_CHINESE = "〇一二三四五六七八九"


def numeral(number: int, form: str) -> str:
    """`number` in the format `form` of Word (ISO 29500-1, 17.18.59), as a plain number in those that are not known.

    `form` may also be how 1 is written, with zeros before it. Ordinals and words are English ones.
    """
    if number <= 0:
        return str(number)
    if form in ("lowerLetter", "upperLetter") and number <= _MOST_REPEATED:
        return _cased(_letters(number, _LATIN), form)
    if form in ("russianLower", "russianUpper") and number <= _MOST_REPEATED:
        letters = _letters(number, _RUSSIAN)
        return letters.upper() if form == "russianUpper" else letters
    if form in ("lowerRoman", "upperRoman") and number < 5000:
        return _cased(_roman(number), form)
    if form == "decimalZero":
        return f"{number:02}"
    if form.isdigit():
        return f"{number:0{len(form)}}"
    if form == "ordinal":
        return f"{number}{_ordinal_end(number)}"
    if form in ("cardinalText", "ordinalText") and number < 1_000_000:
        words = _words(number)
        return (_ordinal_words(words) if form == "ordinalText" else words).capitalize()
    if form == "chicago" and number <= _MOST_REPEATED:
        return _FOOTNOTE_MARKS[(number - 1) % 4] * ((number - 1) // 4 + 1)
    if form == "hex":
        return f"{number:X}"
    if form == "numberInDash":
        return f"- {number} -"
    if form.startswith("decimalEnclosedCircle") and number <= 20:
        return chr(ord("①") + number - 1)
    if form in ("chineseCounting", "chineseCountingThousand", "taiwaneseCounting", "japaneseCounting") and number < 100:
        tens, ones = divmod(number, 10)
        return (_CHINESE[tens] if tens > 1 else "") + ("十" if tens else "") + (_CHINESE[ones] if ones else "")
    if form in ("ideographDigital", "japaneseDigitalTenThousand", "taiwaneseDigital"):
        return "".join(_CHINESE[int(digit)] for digit in str(number))
    return str(number)


def _cased(text: str, form: str) -> str:
    return text.upper() if form.startswith("upper") else text


def _letters(number: int, alphabet: str) -> str:
    """a to z, then aa to zz, as word processors count."""
    return alphabet[(number - 1) % len(alphabet)] * ((number - 1) // len(alphabet) + 1)


def _roman(number: int) -> str:
    text = ""
    for value, mark in _ROMAN:
        text, number = text + mark * (number // value), number % value
    return text


def _ordinal_end(number: int) -> str:
    return "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _words(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = _TENS[number // 10 - 2], number % 10
        return f"{tens}-{_ONES[ones]}" if ones else tens
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    rest = number % size
    return f"{_words(number // size)} {name}" + (f" {_words(rest)}" if rest else "")


def _ordinal_words(words: str) -> str:
    """`twenty-one` -> `twenty-first`: the last word changes."""
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    return words[:cut] + (_IRREGULAR.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th"))
