"""Lines of the mdoc macros, in which manuals of BSD are written: `.Op Fl a Ar file` is `[-a file]`."""

from collections.abc import Sequence

from semsearch.sources.readers.roff_text import Strings, shown

_ENCLOSING = {
    "Op": "[]", "Bq": "[]", "Brq": "{}", "Aq": "<>", "Pq": "()", "Dq": "“”", "Qq": '""', "Sq": "‘’", "Ql": "‘’",
}  # fmt: skip
_OPENING = {"Oo": "[", "Bo": "[", "Bro": "{", "Ao": "<", "Po": "(", "Do": "“", "Qo": '"', "So": "‘"}
_CLOSING = {"Oc": "]", "Bc": "]", "Brc": "}", "Ac": ">", "Pc": ")", "Dc": "”", "Qc": '"', "Sc": "’"}
_SYSTEMS = {
    "Ux": "UNIX", "Bx": "BSD", "Fx": "FreeBSD", "Nx": "NetBSD", "Ox": "OpenBSD", "Dx": "DragonFly", "Bsx": "BSD/OS",
    "At": "AT&T UNIX",
}  # fmt: skip
# Macros whose arguments are printed as they are; their fonts are lost.
_PLAIN = frozenset(
    """Ad An Ar Cd Cm Dv Em Er Ev Fa Fd Ft Ic Li Lk Ms Mt No Pa Sx Sy Tn Va Vt Nd St Lb Ta Dl D1 It Xo Xc Fo Fc Bf Ef
    %A %B %C %D %I %J %N %O %P %Q %R %T %U %V""".split()  # noqa: SIM905
)
_CALLABLE = frozenset(
    {"Fl", "Nm", "Xr", "Ns", "Pf", "Ap", "Fn", "In", *_ENCLOSING, *_OPENING, *_CLOSING, *_SYSTEMS, *_PLAIN}
)
# Macros that stand for a sentence about a program or function.
_SENTENCES = {
    "Ex": "The {} utility exits 0 on success, and >0 if an error occurs.",
    "Rv": "The {}() function returns the value 0 if successful; otherwise the value -1 is returned and the global "
    "variable errno is set to indicate the error.",
}
MACROS = _CALLABLE | _SENTENCES.keys()
_AFTER = frozenset(".,:;)]?!")
_BEFORE = frozenset("([")


def line(macro: str, words: Sequence[str], name: str, strings: Strings) -> str:
    """What a line of `macro` with the arguments `words` prints; `name`: that of what the page describes."""
    if macro in _SENTENCES:
        named = next((word for word in words if not word.startswith("-")), name)
        return _SENTENCES[macro].format(shown(named, strings))
    writer = _Writer(name, strings)
    position = writer.macro(macro, words, 0)
    last = len(words)
    while last and words[last - 1] in _AFTER:
        last -= 1
    while position < len(words):
        word = words[position]
        if position == last:
            writer.close()  # what encloses the line ends before the punctuation at its end
        position += 1
        if word in _CALLABLE:
            position = writer.macro(word, words, position)
        else:
            writer.word(word)
    writer.close()
    return "".join(writer.parts)


class _Writer:
    """Puts the words of one line together, in `parts`."""

    def __init__(self, name: str, strings: Strings) -> None:
        self._name = name
        self._strings = strings
        self.parts: list[str] = []
        self._glued = True  # the next word follows without a blank
        self._open: list[str] = []
        self._flag = False  # words are flags

    def macro(self, macro: str, words: Sequence[str], position: int) -> int:
        """Begins `macro`, whose arguments begin at `position` of `words`; returns where reading goes on."""
        following = words[position] if position < len(words) else ""
        is_bare = not following or following in _CALLABLE or following in _AFTER
        self._flag = macro == "Fl"
        if macro in _ENCLOSING:
            self._add(_ENCLOSING[macro][0])
            self._glued = True
            self._open.append(_ENCLOSING[macro][1])
        elif macro in _OPENING:
            self._add(_OPENING[macro])
            self._glued = True
        elif macro in _CLOSING:
            self._glued = True
            self._add(_CLOSING[macro])
        elif macro in ("Ns", "Ap", "Pf"):
            if macro == "Pf":
                self._add(shown(following, self._strings))
                position += 1
            self._glued = True
            if macro == "Ap":
                self._add("'")
                self._glued = True
        elif macro in _SYSTEMS:
            self._add(_SYSTEMS[macro])
        elif macro == "Xr" and not is_bare:
            return self._reference(words, position)
        elif macro == "Fn" and not is_bare:
            return self._function(words, position)
        elif macro == "In" and not is_bare:
            self._add(f"{'' if self.parts else '#include '}<{shown(following, self._strings)}>")
            position += 1
        elif is_bare and macro in ("Fl", "Nm", "Ar", "Pa"):
            self._add({"Fl": "-", "Nm": self._name, "Ar": "file ...", "Pa": "~"}[macro])
            self._glued = following == "Fl"
        elif macro == "Nd":
            self._add("-")
        return position

    def word(self, word: str) -> None:
        if word in _AFTER:
            self.parts.append(word)
            self._glued = False
        else:
            self._add(("-" if self._flag and word not in _BEFORE else "") + shown(word, self._strings))
            self._glued = word in _BEFORE

    def close(self) -> None:
        """Ends what encloses the rest of the line."""
        self.parts += reversed(self._open)
        self._open = []

    def _reference(self, words: Sequence[str], position: int) -> int:
        section = words[position + 1] if position + 1 < len(words) else ""
        is_section = bool(section) and section[0].isalnum() and section not in _CALLABLE
        self._add(shown(words[position], self._strings) + (f"({section})" if is_section else ""))
        return position + 1 + is_section

    def _function(self, words: Sequence[str], position: int) -> int:
        end = position + 1
        while end < len(words) and words[end] not in _CALLABLE and words[end] not in _AFTER:
            end += 1
        values = ", ".join(shown(word, self._strings) for word in words[position + 1 : end])
        self._add(f"{shown(words[position], self._strings)}({values})")
        return end

    def _add(self, text: str) -> None:
        shown = text if self._glued or not self.parts else " " + text
        if shown:
            self.parts.append(shown)
        self._glued = False
