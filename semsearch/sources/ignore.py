"""Ignore files and globs: which paths they leave out, and which line of which file decides.

The rules are those of gitignore(5), matched by `globs`. Every folder may have a `.gitignore`, a `.ignore` and a
`.semsearchignore`. Where they disagree, the later one in this list and the one in the deeper folder decide. They hold
outside git repositories, too.
"""

import errno
import os

from semsearch.errors import ReadError, UsageError
from semsearch.sources.beneath import open_beneath, open_folder, open_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from semsearch.sources.globs import Globs

IGNORE_FILES = (".gitignore", ".ignore", ".semsearchignore")
# Bytes. Those that people write are a thousandth of it.
_LARGEST = 2_000_000


class Rule:
    """One line of an ignore file that matches a path.

    `file`: its path; `line`: from 1; `keeps`: the pattern begins with `!`, so that the path is not left out.
    """

    __slots__ = ("file", "keeps", "line", "pattern")

    def __init__(self, file: str, line: int, pattern: str, keeps: bool) -> None:
        self.file = file
        self.line = line
        self.pattern = pattern
        self.keeps = keeps

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.pattern}"


class _RuleFile:
    """The rules of the ignore file at `path`: `lines` are (line number, pattern) of each of its `globs`."""

    __slots__ = ("globs", "lines", "path")

    def __init__(self, path: str, lines: list[tuple[int, str]], globs: "Globs") -> None:
        self.path = path
        self.lines = lines
        self.globs = globs

    def rule(self, number: int | None) -> Rule | None:
        """The glob `number` as a rule."""
        if number is None:
            return None
        line, pattern = self.lines[number]
        return Rule(self.path, line, pattern, self.globs.keeps(number))


class IgnoreLevel:
    """The ignore files of the folder `base`, the one that decides first in front.

    `for_all`: what they say of a folder that everything walked is in.
    """

    __slots__ = ("base", "files", "for_all")

    def __init__(self, base: str, files: list[_RuleFile], for_all: Rule | None = None) -> None:
        self.base = base
        self.files = files
        self.for_all = for_all

    def decision(self, path: str, is_dir: bool) -> Rule | None:
        """The rule of this folder that matches `path` (absolute); None when none does.

        The folders that it is in, below what is walked, were let in before.
        """
        relative = path[len(self.base) :].lstrip("/")
        for file in self.files:
            number = file.globs.last(relative, is_dir)
            if number is not None:
                return file.rule(number)
        return self.for_all

    def above(self, root: str) -> "IgnoreLevel":
        """This level for a walk of the folder `root` (absolute), which is in `base`."""
        relative = root[len(self.base) :].strip("/")
        for file in self.files:
            number = file.globs.last(relative, True)
            if number is None:
                number = file.globs.last_above(relative)
            if number is not None:
                return IgnoreLevel(self.base, self.files, file.rule(number))
        return self


def compile_globs(lines: "Iterable[str]") -> "Globs":
    """A matcher of the globs `lines`, in gitignore syntax. Raises `UsageError` for an invalid one."""
    from semsearch.sources.globs import Globs  # most folders need no rule at all

    lines = list(lines)
    try:
        return Globs(lines)
    except ValueError as error:
        raise UsageError(f"not a glob: {' '.join(lines)[:200]}", str(error)) from None


def read_level(folder: str, descriptor: int, names: "Iterable[str]") -> IgnoreLevel | None:
    """The rules of the ignore files in `folder`, which is open as `descriptor` and whose files are called `names`; None
    when there are none. Symbolic links are not followed, as git does not: the rules are shown to whoever asks why.

    Raises `OSError` for more rules than can be asked of each path: without them more would be read than is wanted.
    """
    files = [
        _read_rules(os.path.join(folder, name), lambda name=name: open_in(descriptor, name))  # type: ignore[misc]
        for name in reversed(IGNORE_FILES)
        if name in names
    ]
    with_rules = [file for file in files if file is not None]
    return IgnoreLevel(folder, with_rules) if with_rules else None


def deeper(levels: list[IgnoreLevel], level: IgnoreLevel) -> list[IgnoreLevel]:
    """`levels` and the one below them. Raises `OSError` as `read_level` does."""
    from semsearch.sources.globs import MOST_WITH_STARS

    together = [*levels, level]
    if sum(file.globs.count_with_stars() for one in together for file in one.files) > MOST_WITH_STARS:
        raise _too_many(level.files[0].path, f"and those above have more than {MOST_WITH_STARS:,} patterns with stars")
    return together


def _too_many(path: str, why: str) -> OSError:
    return OSError(errno.EFBIG, f"its {os.path.basename(path)} {why}; --no-ignore reads it without rules")


def levels_above(root: str) -> list[IgnoreLevel]:
    """The rules of the folders above `root`, up to the top of the git repository it is in; none outside of one.

    Raises `OSError` as `read_level` does.
    """
    folders = []
    folder = root
    while not os.path.exists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return []
        folder = parent
        folders.append(folder)
    levels: list[IgnoreLevel] = []
    of_git = ".git/info/exclude"
    exclude = _read_rules(os.path.join(folder, of_git), lambda: open_beneath(folder, of_git))
    if exclude:
        levels = deeper(levels, IgnoreLevel(folder, [exclude]).above(root))
    for above in reversed(folders):
        try:
            descriptor = open_folder(above)
        except OSError:
            continue  # passed over like a file that cannot be read
        try:
            level = read_level(above, descriptor, IGNORE_FILES)
        finally:
            os.close(descriptor)
        if level:
            levels = deeper(levels, level.above(root))
    return levels


def ignored_by(levels: list[IgnoreLevel], path: str, is_dir: bool) -> Rule | None:
    """The rule that leaves out `path` (absolute); None when none does. The deepest rule that matches decides."""
    for level in reversed(levels):
        rule = level.decision(path, is_dir)
        if rule is not None:
            return None if rule.keeps else rule
    return None


def _read_rules(path: str, open_file: "Callable[[], int]") -> _RuleFile | None:
    """The rules of the file at `path`, which `open_file` opens; None when it has none, or is no file that can be read,
    which git passes over, too."""
    from semsearch.sources.globs import Globs, TooManyGlobsError

    try:
        with open(open_file(), "rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ReadError):
        return None
    if len(data) > _LARGEST:
        raise _too_many(path, f"has more than {_LARGEST:,} bytes")
    lines = data.decode("utf-8-sig", "surrogateescape").split("\n")
    patterns = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    try:
        globs = Globs(line for _, line in patterns)
    except TooManyGlobsError as error:
        raise _too_many(path, f"has {error}") from None
    except ValueError:
        patterns = [(number, line) for number, line in patterns if _is_pattern(line)]
        globs = Globs(line for _, line in patterns)
    return _RuleFile(path, patterns, globs) if patterns else None


def _is_pattern(line: str) -> bool:
    try:
        compile_globs([line])
    except UsageError:
        return False  # git passes over invalid patterns, too
    return True
