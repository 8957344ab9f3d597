"""Numbers with their units: whether two are the same amount, and whether one follows from others by a calculation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from semsearch.answering.numbers_in_text import decimals, numbers_of

# Dimension -> unit words and symbols with how many of the dimension's base unit one of them is. Words of English,
# German, French, Spanish and Italian. A word that is a unit of two dimensions ("second" an ordinal, "ton", "point")
# stands in none where its number would often be read wrongly.
_UNITS = {
    "time": {
        "s sec secs second seconds sekunde sekunden seconde secondes segundo segundos secondi": 1.0,
        "ms millisecond milliseconds millisekunden millisecondes milisegundos": 0.001,
        "min mins minute minutes minuten minuto minutos minuti": 60.0,
        "h hr hrs hour hours stunde stunden betriebsstunden heure heures hora horas ora ore": 3600.0,
        "day days tag tage tagen jour jours día días giorno giorni": 86400.0,
        "week weeks woche wochen semaine semaines semana semanas settimana settimane": 604800.0,
        "month months monat monate monaten mois mes meses mese mesi": 2629800.0,
        "year years jahr jahre jahren an ans année années año años anno anni": 31557600.0,
    },
    "length": {
        "mm millimetre millimetres millimeter millimeters": 0.001,
        "cm centimetre centimetres centimeter centimeters zentimeter": 0.01,
        "m metre metres meter meters metern mètre mètres metro metros metri": 1.0,
        "km kilometre kilometres kilometer kilometers kilometern kilomètres kilómetros chilometri": 1000.0,
        "inch inches zoll": 0.0254, "ft foot feet": 0.3048, "yd yard yards": 0.9144, "mile miles meilen": 1609.344,
    },
    "mass": {
        "mg milligram milligrams milligramm": 0.001,
        "g gram grams gramme grammes gramm gramo gramos grammi": 1.0,
        "kg kilo kilos kilogram kilograms kilogramm kilogrammes kilogramos chilogrammi": 1000.0,
        "t tonne tonnes tonnen tons toneladas tonnellate": 1_000_000.0,
        "oz ounce ounces": 28.349523, "lb lbs pound pounds": 453.59237,
    },
    "volume": {
        "ml millilitre millilitres milliliter milliliters": 0.001,
        "l litre litres liter liters litern litro litros litri": 1.0,
    },
    "money": {"€ eur euro euros": 1.0, "cent cents": 0.01},
    "dollars": {"$ usd dollar dollars": 1.0},
    "pounds": {"£ gbp": 1.0},
    "share": {"% percent prozent": 1.0, "‰ promille": 0.1},
    "power": {"w watt watts": 1.0, "kw kilowatt kilowatts": 1e3, "mw megawatt megawatts": 1e6, "gw gigawatt": 1e9},
    "energy": {"wh": 1.0, "kwh kilowatt-hours": 1e3, "mwh": 1e6, "gwh": 1e9},
    "voltage": {"mv": 0.001, "v volt volts": 1.0, "kv kilovolt kilovolts": 1e3},
    "frequency": {"hz hertz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    "celsius": {"°c celsius": 1.0},
    "fahrenheit": {"°f fahrenheit": 1.0},
    "data": {
        "byte bytes": 1.0, "kb kilobyte kilobytes": 1e3, "mb megabyte megabytes": 1e6,
        "gb gigabyte gigabytes": 1e9, "tb terabyte terabytes": 1e12,
    },
}  # fmt: skip
_UNIT_OF = {
    word: (dimension, factor)
    for dimension, units in _UNITS.items()
    for words, factor in units.items()
    for word in words.split()
}
# After a number: its unit, or that after one word that says which kind ("700 running hours").
_AFTER = re.compile(r"[ \t\u00a0\u202f-]{0,2}\n?(€|\$|£|%|‰|°[CcFf]\b|[^\W\d_]+(?:-hours)?)(?:[ \u00a0\n]([^\W\d_]+))?")
_BEFORE = re.compile(r"(€|\$|£)\s?\Z")
_FIGURES = re.compile(r"\d{1,2}:\d\d(?![\d:])|\d+(?:[.,’'\u00a0\u202f]\d+)*|[^\W\d_]+")
# What follows a number and multiplies it, in the languages of the units; a "billion" is not the same in all of them.
_SCALES = {
    word: factor
    for words, factor in {
        "thousand tausend mille mil mila tsd": 1e3,
        "million millions millionen million mio millón millones milione milioni": 1e6,
        "billion billions milliarde milliarden mrd milliard milliards miliardo miliardi": 1e9,
        "trillion trillions": 1e12,
    }.items()
    for word in words.split()
}
_SCALE = re.compile(r"[ \t\u00a0\u202f-]{0,2}([^\W\d_]+)\.?(?:[ \u00a0](?:of|de|d'))?")
# These come between a number and the unit of something else: "5 per hour".
_NO_ADJECTIVES = frozenset(
    {"per", "each", "every", "a", "an", "the", "of", "in", "at", "to", "for", "from", "by", "on", "and", "or", "with"}
    | {"after", "before", "until", "pro", "je", "par", "chaque", "por", "cada", "al"}
)
_DEGREES = frozenset({"degree", "degrees", "grad", "degrés", "grados", "gradi"})
_TOLERANCE = 0.005
_MOST_OPERANDS = 40
_MOST_RESULTS = 4


@dataclass(frozen=True)
class Quantity:
    """A number of a text: its possible `values`, as decimal strings, and its unit: `dimension` "" where it has none.

    `factor`: how many of the dimension's base unit one of its unit is, times its `scale`: a million for "million", 1
    where no such word follows it.
    """

    values: frozenset[str]
    dimension: str = ""
    factor: float = 1.0
    scale: float = 1.0

    def amounts(self) -> list[float]:
        """Its possible values in the dimension's base unit."""
        return [value * self.factor for value in decimals(self.values)]

    def may_be(self, other: "Quantity") -> bool:
        """Whether nothing that is said of both numbers, which have a value in common, makes them different ones."""
        if 1.0 not in (self.scale, other.scale) and self.scale != other.scale:
            return False
        unit, same = (self.dimension, self.factor / self.scale), (other.dimension, other.factor / other.scale)
        return not self.dimension or not other.dimension or unit == same


def quantities_of(text: str, *, loose: bool = False) -> list[Quantity]:
    """The numbers of `text` with their units, in order; `loose` as in `numbers_of`."""
    quantities = []
    for start, values in numbers_of(text, loose=loose):
        number = _FIGURES.match(text, start)
        end = number.end() if number else start
        scale, end = _scale(text, end)
        before = _BEFORE.search(text, max(0, start - 2), start)
        unit = before.group(1) if before else _unit_words(text, end)[-1]
        dimension, factor = _UNIT_OF.get(unit, ("", 1.0))
        quantities.append(Quantity(values, dimension, factor * scale, scale))
    return quantities


def unit_words(text: str) -> list[str]:
    """The words of `text` that are units of its numbers or multiply them, each behind its number."""
    words = []
    for start, _ in numbers_of(text):
        number = _FIGURES.match(text, start)
        end = number.end() if number else start
        after = _scale(text, end)[1]
        words += [f"{text[start:end]} {word}" for word in (text[end:after].strip(), *_unit_words(text, after)) if word]
    return words


def _scale(text: str, end: int) -> tuple[float, int]:
    """What the word after a number that ends at `end` multiplies it with, and where that word ends."""
    word = _SCALE.match(text, end)
    factor = _SCALES.get(word.group(1).lower()) if word else None
    return (factor, word.end()) if word and factor else (1.0, end)


def _unit_words(text: str, end: int) -> tuple[str, ...]:
    """The unit of the number that ends at `end`, with "degrees" before it; "" where it has none."""
    after = _AFTER.match(text, end)
    if after is None:
        return ("",)
    first, second = after.group(1).lower(), (after.group(2) or "").lower()
    if first in _UNIT_OF:
        return (first,)
    # Single letters are units next to their number alone.
    if first not in _NO_ADJECTIVES and len(second) > 2 and second in _UNIT_OF:
        return (first, second) if first in _DEGREES else (second,)
    return ("",)


def in_other_units(claimed: Quantity, known: Sequence[Quantity]) -> bool:
    """Whether one of `known` is the amount of `claimed` in another unit, or written out: two weeks, 14 days."""
    return any(
        _close(amount, other)
        for quantity in known
        if quantity.dimension == claimed.dimension and (claimed.dimension or claimed.scale != quantity.scale)
        for amount in claimed.amounts()
        for other in quantity.amounts()
    )


def has_another_unit(claimed: Quantity, known: Sequence[Quantity]) -> bool:
    """Whether every one of `known` with the number of `claimed` has another unit, or is another power of ten of it."""
    same = [quantity for quantity in known if quantity.values & claimed.values]
    return bool(same) and not any(claimed.may_be(quantity) for quantity in same) and not in_other_units(claimed, known)


def is_calculated(missing: Sequence[Quantity], claimed: Sequence[Quantity], known: Sequence[Quantity]) -> bool:
    """Whether each of `missing`, numbers that no source holds, may be calculated or calculated with.

    A result comes of two other numbers of the claim, or of one of them and one of `known`, at least one of which a
    source holds: "700 hours each, ten of them take 7,000 hours". Nothing is said of whether that calculation is meant.
    """
    operands = [*claimed, *known][:_MOST_OPERANDS]
    from_source = [any(operand.values & source.values for source in known) for operand in operands]
    explained: set[int] = set()
    for result in missing[:_MOST_RESULTS]:
        for one, other in permutations(range(len(operands)), 2):
            left, right = operands[one], operands[other]
            if left is result or right is result or min(one, other) >= len(claimed):
                continue
            if (from_source[one] or from_source[other]) and _follows(result, left, right):
                explained |= {id(result), id(left), id(right)}
                break
    return all(id(quantity) in explained for quantity in missing)


def _follows(result: Quantity, left: Quantity, right: Quantity) -> bool:
    """Whether `result` is the product, sum, difference or quotient of the other two, and not one of them again."""
    for goal in decimals(result.values):
        for one in decimals(left.values):
            for other in decimals(right.values):
                made = [one * other, one + other, one - other, *([one / other] if other else [])]
                if goal not in (one, other) and any(_close(goal, value) for value in made):
                    return True
    return False


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _TOLERANCE * max(abs(one), abs(other))
