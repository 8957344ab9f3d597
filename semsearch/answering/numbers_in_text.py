"""Numbers in a text, in figures or in words, each with the values it may have."""

import re
import unicodedata

# Not within a word; scripts without blanks between words write their numbers into the text.
_SCRIPTS_WITHOUT_BLANKS = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_NUMBER = re.compile(
    rf"(?:(?<![^\W_])|(?<=[{_SCRIPTS_WITHOUT_BLANKS}]))(?:[0-2]?[0-9]:[0-5][0-9](?![\d:])|\d+(?:[.,’'\u00a0\u202f٫٬]\d+)*)"
)
_GROUPED = re.compile(r"\d{1,3}(?:[.,’'\u00a0\u202f]\d{3})+")
_ARABIC_POINTS = {ord("٫"): ".", ord("٬"): ","}
_NUMBER_WORDS = {
    word: value
    for value, words in {
        "2": "two twice zwei zweimal deux dos due", "3": "three drei trois tres tre", "4": "four vier quatre cuatro",
        "5": "five fünf cinq cinco cinque", "6": "six sechs seis sei", "7": "seven sieben sept siete sette",
        "8": "eight acht huit ocho otto", "9": "nine neun neuf nueve nove", "10": "ten zehn dix diez dieci",
        "11": "eleven elf onze once", "12": "twelve zwölf douze doce", "13": "thirteen", "14": "fourteen",
        "15": "fifteen", "16": "sixteen", "17": "seventeen", "18": "eighteen", "19": "nineteen",
        "20": "twenty zwanzig vingt veinte", "30": "thirty dreißig trente treinta", "40": "forty", "50": "fifty",
        "60": "sixty", "70": "seventy", "80": "eighty", "90": "ninety",
    }.items()
    for word in words.split()
}  # fmt: skip
# Read as numbers in a passage but not in an answer, where they are mostly articles and pronouns.
_MAYBE_NUMBERS = {"one": "1", "ein": "1", "eine": "1", "einen": "1", "un": "1", "une": "1", "una": "1", "uno": "1",
                  "once": "1", "single": "1", "zero": "0", "null": "0", "hundred": "100", "thousand": "1000",
                  "sei": "6", "sept": "7", "elf": "11", "due": "2", "dos": "2", "nove": "9"}  # fmt: skip


def numbers_of(text: str, *, loose: bool = False) -> list[tuple[int, frozenset[str]]]:
    """(position, possible values) of each number in `text`, in figures or in words, by position.

    A number may be read in two ways: `1.000` is one or a thousand. `loose` also reads words that are mostly articles or
    pronouns as numbers ("one", "ein").
    """
    numbers = [(match.start(), _readings(match.group())) for match in _NUMBER.finditer(text)]
    for match in re.finditer(r"[^\W\d_]+", text):
        word = match.group().lower()
        value = _NUMBER_WORDS.get(word) if word not in _MAYBE_NUMBERS else None
        if loose and word in _MAYBE_NUMBERS:
            value = _MAYBE_NUMBERS[word]
        if value:
            numbers.append((match.start(), frozenset({value})))
    return sorted(numbers, key=lambda item: item[0])


def _readings(number: str) -> frozenset[str]:
    """The values a number in figures may have, as decimal strings without leading or trailing zeros, or as `8:30`."""
    readings = set()
    if ":" in number:  # a time of day, of which half says nothing
        hour, minute = number.split(":")
        return frozenset({f"{int(hour)}:{minute}", *([str(int(hour))] if minute == "00" else [])})
    if not number.isascii():
        number = "".join(str(unicodedata.digit(letter, letter)) for letter in number).translate(_ARABIC_POINTS)
    if _GROUPED.fullmatch(number):
        readings.add(re.sub(r"\D", "", number).lstrip("0") or "0")
    if not _GROUPED.fullmatch(number) or len(_GROUPED.findall(number)) == 1:
        whole, *parts = re.split(r"\D", number)
        whole = whole.lstrip("0") or "0"
        if len(parts) == 1:
            decimals = parts[0].rstrip("0")
            readings.add(f"{whole}.{decimals}" if decimals else whole)
        readings.add(".".join((whole, *parts)))
    return frozenset(readings)


def decimals(values: frozenset[str]) -> list[float]:
    """Those of `values` (`numbers_of`) that can be calculated with: no times of day, and no versions, as `2.10.3`."""
    return [float(value) for value in values if value.count(".") < 2 and ":" not in value]


def is_number(word: str) -> bool:
    """Whether `word` is a number in figures, or several: `20-30`."""
    return bool(_NUMBER.fullmatch(word)) or not any(letter.isalpha() for letter in word)
