"""How the key of a term is written.

A term key is a string: the language, \\x1f and the stem (`en\\x1fevict`), or \\x1f and the bare word where nothing is
stemmed (numbers, identifiers, scripts without spaces). So keys of two languages never collide: German stems "news" to
"new". A word with accents has a key without them, too, with \\x1f\\x1f in it (`fr\\x1f\\x1fcafe`), so that `cafe` finds
`café`, and finds `cafe` first.

A word that has a stem has a key as it is written, too (`\\x1f\\x03evicted`): for phrases, for what words begin with,
and to find what was meant by a slip. Such keys are no part of the length of a passage.
"""

SEPARATOR = "\x1f"
WRITTEN = "\x1f\x03"


def parted(key: str) -> tuple[str, str]:
    """(what stands before the word in the term key `key`, the word).

    >>> parted("en\\x1fevict"), parted("\\x1f\\x03evicted")
    (('en\\x1f', 'evict'), ('\\x1f\\x03', 'evicted'))
    """
    if key.startswith(WRITTEN):
        return WRITTEN, key[len(WRITTEN) :]
    mark, separator, word = key.rpartition(SEPARATOR)
    return mark + separator, word
