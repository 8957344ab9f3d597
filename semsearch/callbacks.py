"""The types of the functions that long work calls to tell of itself."""

from collections.abc import Callable

# Called with one sentence: what is done next, or what a user should know meanwhile.
Announce = Callable[[str], None]
# Called with what is done, how much of it is done, and how much there is.
Advance = Callable[[str, int, int], None]
