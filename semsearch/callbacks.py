"""Types of the functions that long operations call to report their progress."""

from collections.abc import Callable

# Called with one sentence for the user: what is done next, or a warning.
Announce = Callable[[str], None]
# Called with (what is done, how much of it is done, how much there is in all).
Advance = Callable[[str, int, int], None]
