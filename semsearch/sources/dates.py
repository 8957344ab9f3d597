"""Dates of documents and of `--since`/`--before`, as seconds since the epoch."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime

# What documents call their own date, the most telling first: what was last changed says more than what was begun.
_DATE_KEYS = ("updated", "modified", "lastmod", "date", "published", "sent", "created")
_PDF_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?")
_YEAR_MONTH = re.compile(r"(\d{4})(?:-(\d\d?))?(?:-(\d\d?))?")
_AGO = re.compile(r"(\d+)\s*(h|d|w|m|y)(?:ours?|ays?|eeks?|onths?|ears?)?", re.IGNORECASE)
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30.44, "y": 365.25}


def document_date(metadata: Mapping[str, object]) -> float | None:
    """The date `metadata` gives its document; None when it gives none that can be read."""
    lowered = {key.lower(): value for key, value in metadata.items()}
    for key in _DATE_KEYS:
        if (value := lowered.get(key)) is not None and (found := parse(str(value))) is not None:
            return found
    return None


def parse(text: str) -> float | None:
    """The moment `text` names: ISO 8601, a year or month alone (its beginning), a PDF's or an e-mail's date."""
    text = text.strip()
    try:
        if pdf := _PDF_DATE.match(text):
            parts = [int(part) for part in pdf.groups() if part]
            return _seconds(datetime(*(parts + [1, 1][len(parts) - 1 :])))  # type: ignore[arg-type]
        if short := _YEAR_MONTH.fullmatch(text):
            year, month, day = (int(part or 1) for part in short.groups())
            return _seconds(datetime.combine(date(year, month, day), time()))
        try:
            return _seconds(datetime.fromisoformat(text))
        except ValueError:
            return _seconds(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def parse_asked(text: str, now: datetime | None = None) -> float | None:
    """`parse`, and `today`, `yesterday`, and spans back from now: `12h`, `30d`, `6 weeks`, `3m` (months), `1y`."""
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
    """A time without a zone is the user's own."""
    return (moment if moment.tzinfo else moment.astimezone()).astimezone(UTC).timestamp()
