"""Parses the dates of documents and of `--since` and `--before` into seconds since the epoch (float)."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from email.utils import parsedate_to_datetime

# Metadata keys of a document's date, the one to prefer first: the last change before the creation.
_DATE_KEYS = ("updated", "modified", "lastmod", "date", "published", "sent", "created")
_PDF_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(?:(\d\d)'?)?)?")
_YEAR_MONTH = re.compile(r"(\d{4})(?:-(\d\d?))?(?:-(\d\d?))?")
# As people write dates: what stands around them, in words (`Thursday, January 2nd, 2020`, `2. Jan 2020`), in figures.
_WRAPPED = re.compile(r"[<\[](.*)[>\]]|\$\w+:\s*(.*?)\s*\$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(?:uary|ruary|ch|il|ust|ember|tember|ober)?\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th|\.)?"
_WEEKDAY = r"(?:[a-z]{3,9}\.?,?\s+)?"
_MONTH_FIRST = re.compile(rf"{_WEEKDAY}{_MONTH}(?:\s+{_DAY})?,?\s+(\d{{4}})", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"{_WEEKDAY}{_DAY}\s+{_MONTH},?\s+(\d{{4}})", re.IGNORECASE)
_YEAR_FIRST = re.compile(
    r"(\d{4})([/.-])(\d{1,2})\2(\d{1,2})(?:\s+[a-z]{2,9}\.?)?(?:\s+(\d{1,2}):(\d\d)(?::\d\d)?)?", re.IGNORECASE
)
_YEAR_LAST = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})")
_AGO = re.compile(r"(\d+)\s*(h|d|w|m|y)(?:ours?|ays?|eeks?|onths?|ears?)?", re.IGNORECASE)
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30.44, "y": 365.25}


def document_date(metadata: Mapping[str, object]) -> float | None:
    """The date of a document by its `metadata`, in seconds since the epoch; None when none can be parsed."""
    lowered = {key.lower(): value for key, value in metadata.items()}
    for key in _DATE_KEYS:
        if (value := lowered.get(key)) is not None and (seconds := parse(str(value))) is not None:
            return seconds
    return None


def parse(text: str) -> float | None:
    """The time `text` gives, in seconds since the epoch; None when it is no date.

    ISO 8601, a year or a month alone (its beginning), the format of PDF (`D:20250301...`) or of e-mail (RFC 5322), of
    Org (`<2020-01-02 Thu>`), or as it is written in English (`January 2, 2020`); 2020/01/02 and 2.1.2020.
    """
    text = text.strip()
    if wrapped := _WRAPPED.fullmatch(text):
        text = (wrapped.group(1) or wrapped.group(2) or "").strip()
    try:
        if pdf := _PDF_DATE.match(text):
            parts = [int(part) for part in pdf.groups()[:6] if part]
            zulu, sign, hours, minutes = pdf.groups()[6:]
            zone = None
            if zulu or sign:
                offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
                zone = timezone(-offset if sign == "-" else offset)
            return _seconds(datetime(*(parts + [1, 1][len(parts) - 1 :]), tzinfo=zone))  # type: ignore[arg-type,misc]
        if short := _YEAR_MONTH.fullmatch(text):
            year, month, day = (int(part or 1) for part in short.groups())
            return _seconds(datetime.combine(date(year, month, day), time()))
        try:
            return _seconds(datetime.fromisoformat(text))
        except ValueError:
            written = _written(text)
            return _seconds(parsedate_to_datetime(text) if written is None else written)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _written(text: str) -> datetime | None:
    """The date that `text` gives as people write dates; None where it does not. Raises `ValueError` for a 31st June."""
    if match := _MONTH_FIRST.fullmatch(text):
        return datetime(int(match[3]), _month(match[1]), int(match[2] or 1))
    if match := _DAY_FIRST.fullmatch(text):
        return datetime(int(match[3]), _month(match[2]), int(match[1]))
    if match := _YEAR_FIRST.fullmatch(text):
        return datetime(int(match[1]), int(match[3]), int(match[4]), int(match[5] or 0), int(match[6] or 0))
    if match := _YEAR_LAST.fullmatch(text):
        return datetime(int(match[3]), int(match[2]), int(match[1]))
    return None


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1


def parse_flag(text: str, now: datetime | None = None) -> float | None:
    """As `parse`; also `today`, `yesterday` and spans back from `now`: `12h`, `30d`, `6 weeks`, `3m` (months), `1y`."""
    now = now or datetime.now().astimezone()
    if ago := _AGO.fullmatch(text.strip()):
        try:
            return (now - timedelta(days=int(ago.group(1)) * _DAYS[ago.group(2).lower()])).timestamp()
        except (OverflowError, ValueError):
            return None
    if text in ("today", "yesterday"):
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - timedelta(days=text == "yesterday")).timestamp()
    return parse(text)


def _seconds(moment: datetime) -> float:
    """Seconds since the epoch; a time without a zone is in the zone of this machine."""
    return (moment if moment.tzinfo else moment.astimezone()).astimezone(UTC).timestamp()
