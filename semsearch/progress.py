"""How long work tells of its progress: the types of the callbacks."""

from collections.abc import Callable

# Told what is done next, or what a user should know meanwhile: one sentence.
Announce = Callable[[str], None]
# Told how far something is: (what, how many done, of how many).
Advance = Callable[[str, int, int], None]
