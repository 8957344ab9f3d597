"""Numbers of a spreadsheet as it shows them: `7.5%`, `27:05`, `01234`, dates in ISO 8601.

The formats are those of ISO 29500-1, 18.8.30 and 18.8.31. What is decoration (colours, padding, fractions) is left out:
the number is to be found, and is then as it is stored.
"""

import datetime
import re
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
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]")
_DIGITS = re.compile(r"[0#?][0#?,. ]*")
_SECONDS_A_DAY = 86_400
_LAST_DAY = 2_958_465  # 9999-12-31


@lru_cache(maxsize=4096)
def _kind(code: str) -> tuple[str, int, int, bool]:
    """(kind, decimals, least digits before them, whether thousands are apart) of a format.

    The kind: general, number, percent, scientific, text, date, time, datetime, elapsed.
    """
    first = code.split(";")[0]
    bare = _QUOTED.sub("", first)
    if _ELAPSED.search(bare):
        return "elapsed", bare.count("s") and 1, 0, False
    bare = _BRACKETS.sub("", bare)
    lowered = bare.lower().replace("general", "")
    if "general" in bare.lower() or not bare.strip():
        return "general", 0, 0, False
    if "@" in bare:
        return "text", 0, 0, False
    has_clock = "h" in lowered or "s" in lowered
    has_day = "y" in lowered or "d" in lowered or ("m" in lowered and not has_clock) or "年" in bare
    if has_day or has_clock:
        return ("datetime" if has_day and has_clock else "date" if has_day else "time"), lowered.count("s"), 0, False
    digits = _DIGITS.search(bare)
    shown = digits.group() if digits else ""
    whole, _, fraction = shown.partition(".")
    decimals = sum(letter in "0#?" for letter in fraction)
    least = whole.replace(",", "").count("0")
    kind = "percent" if "%" in bare else "scientific" if re.search("[eE][+-]", bare) else "number"
    return kind, decimals, least, "," in whole.rstrip(",")


def shown_number(value: float, format_id: int, code: str, epoch_1904: bool = False) -> str:
    """`value` as the format number `format_id` shows it; `code`: the format where the file writes it out.

    `epoch_1904`: days are counted from 1904, as on old Macs.
    """
    kind, decimals, least, grouped = _kind(code or _BUILT_IN.get(format_id, "General"))
    if kind == "percent":
        return f"{value * 100:.{decimals}f}%"
    if kind == "number" and least > 1 and decimals == 0 and value == int(value):
        return f"{int(value):0{least + (value < 0)}d}"
    if kind == "number" and decimals and round(value, decimals) == round(value, 10):
        return f"{value:,.{decimals}f}" if grouped else f"{value:.{decimals}f}"
    if kind in ("date", "time", "datetime", "elapsed") and 0 <= value <= _LAST_DAY:
        return _moment(value, kind, decimals, epoch_1904)
    return plain_number(value)


def plain_number(value: float) -> str:
    """`value` without a fraction where it is whole, and with the ten digits that a spreadsheet shows."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.10g}"


def _moment(value: float, kind: str, seconds: int, epoch_1904: bool) -> str:
    days, rest = divmod(round(value * _SECONDS_A_DAY), _SECONDS_A_DAY)
    if kind == "elapsed":
        hours, left = divmod(days * _SECONDS_A_DAY + rest, 3600)
        return f"{hours}:{left // 60:02}" + (f":{left % 60:02}" if seconds else "")
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
