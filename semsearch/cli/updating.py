"""`--update` of `search` and `ask`: the folders of an index are brought up to date before it is asked."""

from semsearch import settings
from semsearch.cli import unchanged
from semsearch.cli.interrupts import interruptible
from semsearch.cli.render import announce
from semsearch.errors import LockedError, SemsearchError
from semsearch.shortage import as_told


def bring_up_to_date(indexes: list[str]) -> None:
    """Does for each of `indexes` (none: the default one) what `semsearch index` does without flags, and prints nothing.

    What keeps it from that is told on stderr in one line, also that another run writes to the index, which is not
    waited for: the index is asked as it is. Raises `SemsearchError` where there is no index.
    """
    import sqlite3

    default: list[str | None] = [None]
    for index in indexes or default:
        location = settings.index_for_reading(index)
        try:
            with interruptible():
                _update(location)
        except LockedError as error:
            announce(f"{location} is asked as it is, without --update: {error.message}")
        except (SemsearchError, OSError, sqlite3.Error) as error:
            told = as_told(error) if isinstance(error, OSError) else error
            hint = getattr(told, "hint", "")
            announce(f"{location} could not be brought up to date: {told}" + (f" ({hint})" if hint else ""))


def _update(location: str) -> None:
    ocr = bool(settings.effective("ocr")[0])
    checked = None if ocr else unchanged.compared(location, [])
    if checked is not None and checked.nothing_changed():
        return
    from semsearch.indexing import IndexOptions, index_folders

    index_folders([], location, IndexOptions(ocr=ocr), seen=checked)
