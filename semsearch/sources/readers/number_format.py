"""Numbers of a spreadsheet as it shows them: `7.5%`, `27:05`, `01234`, `555-0134`, dates in ISO 8601.

The formats are those of ISO 29500-1, 18.8.30 and 18.8.31. Decoration (colours, padding, currencies) is left out.
Numbers in fractions, powers of ten or thousands are given as they are stored: so they can be found.
"""

import datetime
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

# Ids of formats that are not written out in the file.
_BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 14: "yyyy-mm-dd",
    15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm", 37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss",
    47: "mm:ss.0", 49: "@",
}  # fmt: skip
# In East Asian versions these are dates, too.
_BUILT_IN |= dict.fromkeys((*range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd")
_BUILT_IN |= dict.fromkeys((32, 33, 34, 35), "h:mm:ss")
_QUOTED = re.compile(r'"[^"]*"|\\.|_.|\*.')
# What may hold a semicolon that ends no section, and one that does.
_SEPARATOR = re.compile(r'"[^"]*"|[\\_*].|;')
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?\d{1,20}(?:\.\d{1,20})?)\]")
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<>": operator.ne, "<": operator.lt, ">": operator.gt, "=": operator.eq,
}  # fmt: skip
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\[\]]*\]")
_SYMBOLS = re.compile(r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[[^\[\]]*\]|(?P<digit>[0#?])|(?P<other>.)')
_OPEN_THOUSANDS = re.compile(r"(?<=\d)(?=(?:\d{3})+$)")
_NUMBERS = ("number", "percent")
_SECONDS_A_DAY = 86_400
_LAST_DAY = 2_958_465  # 9999-12-31
# Excel keeps so many digits of a number, and rounds what these say.
_KEPT_DIGITS = 15
_LONGEST_WHOLE = 1e21
_MOST_DECIMALS = 30
# Excel knows no longer format.
_LONGEST_CODE = 255
_ROUNDING = Context(prec=64, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class _Format:
    """`kind`: general, number, percent, text, date, time, datetime, elapsed.

    `decimals`: the most, `fixed` of them always; `least`: digits before them; `grouped`: thousands are apart; `mask`:
    digits (as `0`) and the text between them, empty where there is none.
    """

    kind: str
    decimals: int = 0
    fixed: int = 0
    least: int = 0
    grouped: bool = False
    mask: tuple[tuple[bool, str], ...] = ()


@dataclass(frozen=True)
class _Section:
    """One of the formats that a code has for different numbers; `condition`: which, where it says so."""

    form: _Format
    condition: tuple[str, float] | None


@lru_cache(maxsize=4096)
def _sections(code: str) -> list[_Section]:
    """The sections of a format for numbers, at least one. Those without digits write a word; they are taken to be like
    the first."""
    parts = _SEPARATOR.sub(lambda match: "\0" if match.group() == ";" else match.group(), code).split("\0")
    forms = [_format(part) for part in parts[:3]]
    sections: list[_Section] = []
    for part, form in zip(parts, forms, strict=False):
        if sections and form.kind == "text":
            break  # what follows is for texts
        found = _CONDITION.search(part)
        condition = (found.group(1), float(found.group(2))) if found else None
        sections.append(_Section(forms[0] if form.kind == "general" else form, condition))
    return sections


def _format_for(value: float, code: str) -> _Format:
    """The format of `value`: that of the first section whose condition it fulfils.

    Where a section has none, the first is for numbers above zero, the second for those below, the last for all others;
    of two, the first is also for zero.
    """
    sections = _sections(code[:_LONGEST_CODE])
    for place, section in enumerate(sections[:-1]):
        compare, limit = section.condition or (("<", 0) if place else (">=", 0) if len(sections) == 2 else (">", 0))
        if _COMPARED[compare](value, limit):
            return section.form
    last = sections[-1]
    fits = last.condition is None or _COMPARED[last.condition[0]](value, last.condition[1])
    return last.form if fits else sections[0].form


def _format(section: str) -> _Format:
    bare = _QUOTED.sub("", section)
    if _ELAPSED.search(bare):
        return _Format("elapsed", bare.count("s") and 1)
    bare = _BRACKETS.sub("", bare)
    lowered = bare.lower().replace("general", "")
    if "general" in bare.lower() or not bare.strip():
        return _Format("general")
    if "@" in bare:
        return _Format("text")
    has_clock = "h" in lowered or "s" in lowered
    has_day = "y" in lowered or "d" in lowered or ("m" in lowered and not has_clock) or "年" in bare
    if has_day or has_clock:
        kind = "datetime" if has_day and has_clock else "date" if has_day else "time"
        return _Format(kind, lowered.count("s"))
    if "/" in bare or re.search("[eE][+-]", bare) or not re.search("[0#?]", bare):
        return _Format("general")
    whole, _, fraction = bare.partition(".")
    if re.search(r"[0#?],+(?![0#?,])", fraction or whole):
        return _Format("general")  # in thousands
    return _Format(
        "percent" if "%" in bare else "number",
        min(sum(letter in "0#?" for letter in fraction), _MOST_DECIMALS),
        fraction.count("0"),
        whole.count("0"),
        re.search("[0#?],[0#?]", whole) is not None,
        _mask(section),
    )


def _mask(section: str) -> tuple[tuple[bool, str], ...]:
    """The digits before the decimals of a format and the text around them; empty where no text is between them."""
    symbols: list[tuple[bool, str]] = []
    for match in _SYMBOLS.finditer(section):
        if match.group("digit"):
            symbols.append((True, match.group("digit")))
        elif match.group("other") == ".":
            break
        elif match.group("other") != ",":
            symbols.append((False, match.group("quoted") or match.group("escaped") or match.group("other") or ""))
    digits = [place for place, (is_digit, _) in enumerate(symbols) if is_digit]
    between = symbols[digits[0] : digits[-1]] if digits else []
    return tuple(symbols) if any(text for is_digit, text in between if not is_digit) else ()


def shown_number(value: float | Decimal, format_id: int, code: str, epoch_1904: bool = False) -> str:
    """`value` as the format number `format_id` shows it; `code`: the format where the file writes it out.

    `epoch_1904`: days are counted from 1904, as on old Macs.
    """
    form = _format_for(float(value), code or _BUILT_IN.get(format_id, "General"))
    if form.kind in _NUMBERS and abs(float(value)) < _LONGEST_WHOLE:
        return _written(_exact(value), form)
    if form.kind in ("date", "time", "datetime", "elapsed") and 0 <= value <= _LAST_DAY:
        return _moment(float(value), form.kind, form.decimals, epoch_1904)
    return plain_number(value)


def plain_number(value: float | Decimal) -> str:
    """`value` without a fraction where it is whole, and with the ten digits that a spreadsheet shows."""
    if abs(float(value)) < _LONGEST_WHOLE and value == int(value):
        return str(int(_exact(value)))
    return f"{float(value):.10g}"


def _exact(value: float | Decimal) -> Decimal:
    """`value` by its decimal digits, as people see it: 2.675 is half of a hundredth above 2.67."""
    if isinstance(value, Decimal) or value == int(value):
        return Decimal(str(value))
    return Decimal(f"{float(value):.{_KEPT_DIGITS}g}")


def _written(value: Decimal, form: _Format) -> str:
    if form.kind == "percent":
        value *= 100
    rounded = abs(value).quantize(Decimal(1).scaleb(-form.decimals), context=_ROUNDING)
    whole, _, fraction = f"{rounded:f}".partition(".")
    fraction = fraction[: form.fixed] + fraction[form.fixed :].rstrip("0")
    if form.mask:
        whole = _filled(form.mask, whole)
    else:
        whole = whole.zfill(form.least)
        if form.grouped:
            whole = _OPEN_THOUSANDS.sub(",", whole)
    text = (f"{whole}.{fraction}" if fraction else whole) + ("%" if form.kind == "percent" else "")
    return f"-{text}" if value < 0 and rounded else text


def _filled(mask: tuple[tuple[bool, str], ...], digits: str) -> str:
    """`digits` in the places of `mask`, from the last one on; what is left over stands in the first place."""
    left = digits.lstrip("0")
    places = sum(is_digit for is_digit, _ in mask)
    parts = []
    for is_digit, text in reversed(mask):
        if not is_digit:
            parts.append(text)
            continue
        places -= 1
        taken = left if places == 0 else left[-1:]
        left = left[: len(left) - len(taken)]
        parts.append(taken or ("0" if text == "0" else ""))
    return "".join(reversed(parts)).strip()


def _moment(value: float, kind: str, seconds: int, epoch_1904: bool) -> str:
    days, rest = divmod(round(value * _SECONDS_A_DAY), _SECONDS_A_DAY)
    if kind == "elapsed":
        return elapsed(days * _SECONDS_A_DAY + rest, seconds > 0)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}" + (f":{rest % 60:02}" if seconds or rest % 60 else "")
    if kind == "time" or (days == 0 and not epoch_1904):
        return clock
    # Excel counts a 29 February 1900 that there was not.
    start = datetime.date(1904, 1, 1) if epoch_1904 else datetime.date(1899, 12, 31 if days < 60 else 30)
    try:
        day = (start + datetime.timedelta(days=days)).isoformat()
    except OverflowError:
        return plain_number(value)
    return f"{day} {clock}" if rest else day


def elapsed(seconds: int, shows_seconds: bool) -> str:
    """A span of time: `27:05`, `27:05:30`."""
    hours, left = divmod(seconds, 3600)
    return f"{hours}:{left // 60:02}" + (f":{left % 60:02}" if shows_seconds else "")
