"""Globs in the syntax of gitignore(5), matched in time that grows with the length of the path and of the glob alone.

A glob comes from a folder or an index that somebody else may have made, and is matched in the main process. So nothing
is tried twice: of what stands between two stars the first place that fits is taken, which leaves most room for what
follows, and atomic groups keep it. Globs without stars, most of an ignore file, are looked up.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

# No path is longer on Linux (PATH_MAX, with its NUL), and no name of a file than 255 bytes.
LONGEST_GLOB = 4096
# Globs with stars, which are tried one after the other on each path.
MOST_WITH_STARS = 5000
_SPECIAL = frozenset("*?[\\")
_NEVER = r"(?!)"
_ANY = "[^/]"
# Those of git's wildmatch, which are ASCII.
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class TooManyGlobsError(ValueError):
    """More globs, or longer ones, than can be asked of each path in little time."""


class Globs:
    """Several globs, of which the last that matches a path decides.

    `lines`: the globs; those that begin with `!` keep what earlier ones match, those that begin with `#` are comments.
    Raises `ValueError` for one that is none, `TooManyGlobsError` for more or longer ones than are asked.
    """

    __slots__ = ("_folders", "_keeps", "_names", "_paths", "_with_stars")

    def __init__(self, lines: "Iterable[str]") -> None:
        self._keeps: list[bool] = []
        # What matches, by its last glob: any file or folder, and folders alone; by name and by path.
        self._names: dict[str, int] = {}
        self._paths: dict[str, int] = {}
        self._folders: tuple[dict[str, int], dict[str, int]] = {}, {}
        self._with_stars: list[_Glob] = []
        for number, line in enumerate(lines):
            self._add(number, line)

    def _add(self, number: int, line: str) -> None:
        self._keeps.append(line.startswith("!"))
        text = _without_blanks_at_end(line.removesuffix("\r"))
        if not text or text[0] == "#" or text == "/":
            return
        glob = text.removeprefix("!")
        if len(glob) > LONGEST_GLOB:
            raise TooManyGlobsError(f"a glob of more than {LONGEST_GLOB:,} characters")
        folder_only = glob.endswith("/")
        glob = glob.removesuffix("/")
        anchored = "/" in glob
        glob = glob.removeprefix("/")
        if not glob:
            raise ValueError(f"{line!r} names nothing")
        if _SPECIAL.isdisjoint(glob):
            names, paths = self._folders if folder_only else (self._names, self._paths)
            (paths if anchored else names)[glob] = number
            return
        if len(self._with_stars) == MOST_WITH_STARS:
            raise TooManyGlobsError(f"more than {MOST_WITH_STARS:,} globs with *, ? or [")
        self._with_stars.append(_Glob(number, glob, anchored, folder_only))

    def count_with_stars(self) -> int:
        """How many globs have to be tried one after the other."""
        return len(self._with_stars)

    def last(self, path: str, is_folder: bool) -> int | None:
        """The number, from 0, of the last glob that matches `path` itself, whatever is said of the folders it is in;
        None when none does."""
        name = path[path.rfind("/") + 1 :]
        found = max(self._names.get(name, -1), self._paths.get(path, -1))
        if is_folder:
            names, paths = self._folders
            found = max(found, names.get(name, -1), paths.get(path, -1))
        for glob in reversed(self._with_stars):
            if glob.number < found:
                break
            if (is_folder or not glob.folder_only) and glob.matches(path, name):
                return glob.number
        return found if found >= 0 else None

    def keeps(self, number: int) -> bool:
        """Whether the glob `number` begins with `!`."""
        return self._keeps[number]

    def match_file(self, path: str) -> bool:
        """Whether the globs match `path`, or a folder that it is in; the path of a folder ends with `/`.

        What is said of the path itself goes before what is said of the folders that it is in.
        """
        bare = path.rstrip("/")
        found = self.last(bare, path.endswith("/"))
        if found is None:
            found = self.last_above(bare)
        return found is not None and not self._keeps[found]

    def last_above(self, path: str) -> int | None:
        """The number of the last glob that matches a folder that `path` is in; None when none does."""
        found = -1
        names = path.split("/")[:-1]
        end = -1
        for name in names:
            end += 1 + len(name)
            folder = path[:end]
            for by_name, by_path in ((self._names, self._paths), self._folders):
                found = max(found, by_name.get(name, -1), by_path.get(folder, -1))
        for glob in reversed(self._with_stars):
            if glob.number < found:
                break
            if glob.matches_above(path, names):
                return glob.number
        return found if found >= 0 else None


class _Glob:
    """One glob with stars, compiled when it is first asked."""

    __slots__ = ("_above", "_anchored", "_itself", "_text", "folder_only", "number")

    def __init__(self, number: int, text: str, anchored: bool, folder_only: bool) -> None:
        self.number = number
        self.folder_only = folder_only
        self._anchored = anchored
        self._text = text
        self._itself: re.Pattern[str] | None = None
        self._above: re.Pattern[str] | None = None
        for _ in _tokens(text):  # raises where a backslash stands before nothing
            pass

    def matches(self, path: str, name: str) -> bool:
        """Whether it matches `path`, whose last part is `name`."""
        if self._itself is None:
            self._itself = _compiled(_expression(self._text, self._anchored))
        return self._itself.fullmatch(path if self._anchored else name) is not None

    def matches_above(self, path: str, names: list[str]) -> bool:
        """Whether it matches a folder that `path` is in; `names`: those of the folders."""
        if not self._anchored:
            return any(self.matches(name, name) for name in names)
        if self._above is None:
            self._above = _compiled(_expression(self._text, self._anchored) + "/")
        return self._above.match(path) is not None


def _compiled(expression: str) -> "re.Pattern[str]":
    import re  # an index whose folders have no rules does not need it

    return re.compile(expression)


def _without_blanks_at_end(line: str) -> str:
    """`line` without the blanks at its end, but for one after a backslash."""
    bare = line.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if escapes % 2 and len(bare) < len(line) else bare


def _expression(glob: str, anchored: bool, cut: bool = False) -> str:
    """The regular expression that matches the whole of a path, or of a name where the glob is not `anchored`; `cut`: of
    what is left of a path, whose first name may be empty or all there is."""
    parts = _parts(glob)
    if not anchored:
        return _part(parts[0])
    most = "*+" if cut else "++"
    # git takes off what stands before the first star or the like, and what is left may begin with `**`: `a**/b` matches
    # `ab` and `a/b`, too.
    plain = next((at for at, character in enumerate(glob) if character in _SPECIAL), 0)
    after_stars = glob[plain:].lstrip("*")
    if plain and glob[plain - 1] != "/" and glob.startswith("**", plain) and after_stars[:1] in ("", "/"):
        literal = "".join(map(_escaped, glob[:plain]))
        return literal + (_expression(glob[plain:], True, True) if after_stars else "(?s:.)*")
    # Between `**` stand parts that follow one another. Those that do not begin the path are looked for.
    runs: list[list[str]] = [[]]
    for number, part in enumerate(parts):
        if len(part) > 1 and set(part) == {"*"}:
            if number == 0 or runs[-1]:
                runs.append([])
        else:
            runs[-1].append(_part(part, cut))
    first, *others = ["/".join(run) for run in runs]
    expression = first + "/" if first and others else first
    for run in others[:-1]:
        expression += f"(?>(?:{_ANY}{most}/)*?{run}/)"
    if others:
        expression += f"(?:{_ANY}{most}/)*?{others[-1]}" if runs[-1] else f"(?s:.){most[0]}"
    return expression


def _parts(glob: str) -> list[list[str]]:
    """The tokens of `glob`, parted where its slashes stand."""
    parts: list[list[str]] = [[]]
    for token in _tokens(glob):
        if token == "/":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _part(tokens: list[str], cut: bool = False) -> str:
    """The regular expression of what stands between two slashes; `cut`: it may be empty."""
    if not tokens:
        return "" if cut else _NEVER
    pieces: list[list[str]] = [[]]
    for token in tokens:
        if token != "*":
            pieces[-1].append(token)
        elif pieces[-1] or len(pieces) == 1:
            pieces.append([])
    first, *others = ["".join(piece) for piece in pieces]
    if others == [""]:
        return f"{first}{_ANY}*+" if first or cut else f"{_ANY}++"
    middle = "".join(f"(?>{_ANY}*?{piece})" for piece in others[:-1])
    return first + middle + (f"{_ANY}*{others[-1]}" if others else "")


def _tokens(glob: str) -> "Iterator[str]":
    """The parts of `glob` as regular expressions of one character each; `*` and `/` are themselves.

    Raises `ValueError` for a backslash at the end.
    """
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character in "*/":
            yield character
        elif character == "?":
            yield _ANY
        elif character == "[":
            expression, at = _bracketed(glob, at)
            yield expression
        else:
            if character == "\\":
                if at == len(glob):
                    raise ValueError(f"{glob!r} ends with a backslash")
                character = glob[at]
                at += 1
            yield _escaped(character)


def _bracketed(glob: str, at: int) -> tuple[str, int]:
    """The expression of the characters in the brackets that were opened before `at`, and where they end.

    Without an end nothing matches, as for git.
    """
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    begin = at
    allowed = ""
    low = ""  # what a range may begin with
    while True:
        character = glob[at : at + 1]
        if not character:
            return _NEVER, len(glob)
        if character == "]" and at > begin:
            break
        name, end = _class_name(glob, at)
        if end:
            if name not in _CLASSES:
                return _NEVER, len(glob)
            allowed += _CLASSES[name]
            at, low = end, ""
            continue
        following = glob[at + 1 : at + 2]
        if character == "-" and low and following not in ("", "]"):
            escaped = following == "\\"
            high = glob[at + 1 + escaped : at + 2 + escaped]
            if low <= high:
                allowed += f"{_escaped(low)}-{_escaped(high)}"
            at, low = at + 2 + escaped, ""
            continue
        escaped = character == "\\"
        low = glob[at + escaped : at + 1 + escaped]
        if not low:
            return _NEVER, len(glob)
        allowed += _escaped(low)
        at += 1 + escaped
    if negated:
        return f"[^/{allowed}]", at + 1
    return f"(?!/)[{allowed}]" if allowed else _NEVER, at + 1


def _class_name(glob: str, at: int) -> tuple[str, int]:
    """The `digit` of `[:digit:]` at `at`, and where that ends; 0: no class stands there."""
    end = glob.find("]", at + 2) if glob.startswith("[:", at) else -1
    return (glob[at + 2 : end - 1], end + 1) if end > at + 2 and glob[end - 1] == ":" else ("", 0)


def _escaped(character: str) -> str:
    return character if character.isalnum() or character > "\x7f" else f"\\x{ord(character):02x}"
