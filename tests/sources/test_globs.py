"""Globs mean what they mean to git, and none makes a path take long."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsearch.sources.globs import LONGEST_GLOB, MOST_WITH_STARS, Globs, TooManyGlobsError

_TOKENS = st.sampled_from(
    ["a", "b", "ab", ".", "*", "**", "***", "?", "/", "/**/", "[ab]", "[!a]", "[a-c]", "\\*", "\\a", "é"]
)
_GLOB = st.tuples(st.sampled_from(["", "", "!"]), st.lists(_TOKENS, max_size=8).map("".join)).map("".join)
_NAME = st.text("abcé.*", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
_PATH = st.lists(_NAME, min_size=1, max_size=5).map("/".join)


def _is_pattern(line: str) -> bool:
    try:
        Globs([line])
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


@settings(max_examples=1000, deadline=None)
@given(st.lists(_GLOB.filter(_is_pattern), min_size=1, max_size=5), st.lists(_PATH, min_size=1, max_size=8))
def test_a_file_is_ignored_when_git_ignores_it(repository: Path, lines: list[str], paths: list[str]) -> None:
    """By the rules of one file, a folder after the other, as the walk goes."""
    paths = [path.replace("é", "e") for path in paths]  # of which `?` is a byte for git
    paths = list(dict.fromkeys(paths))
    (repository / ".gitignore").write_text("\n".join(lines) + "\n")
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"], cwd=repository, capture_output=True, check=False,
        input="\0".join(paths).encode(),
    )  # fmt: skip
    assert asked.returncode in (0, 1), asked.stderr
    by_git = asked.stdout.decode().split("\0")[:-1]
    assert [path for path in paths if _is_ignored(Globs(lines), path)] == by_git


def _is_ignored(globs: Globs, path: str) -> bool:
    names = path.split("/")
    for depth in range(1, len(names) + 1):
        number = globs.last("/".join(names[:depth]), depth < len(names))
        if number is not None and not globs.keeps(number):
            return True
    return False


@pytest.mark.parametrize(
    ("glob", "matched", "not_matched"),
    [
        ("[[:digit:]_].txt", ["1.txt", "_.txt"], ["a.txt", "[.txt"]),
        ("[^[:alpha:]]x", ["1x"], ["ax"]),
        ("[[:nothing:]]x", [], ["nx", ":x"]),
        ("[]-]x", ["]x", "-x"], ["ax"]),
        ("[a\\]b]x", ["]x", "bx"], ["\\x"]),
        ("[z-a]x", [], ["bx"]),
        ("[a", [], ["[a", "a"]),
        ("a[.-0]b", ["a.b", "a0b"], ["a/b"]),
        ("a?b", ["axb", "a\nb"], ["a/b"]),
        ("a\n", ["a\n"], ["a"]),
        ("b\\ ", ["b "], ["b"]),
        ("b  ", ["b"], ["b "]),
        ("\\!b", ["!b"], ["b"]),
        ("b/**/", ["b/c/d"], ["b/c"]),
        ("***/b", ["b", "x/b", "x/y/b"], ["xb"]),
        ("b/****/c", ["b/c", "b/x/y/c"], ["b/xc"]),
        ("b/***", ["b/x", "b/x/y"], ["b"]),
        ("b**/c", ["bc", "bx/c", "bx/y/c", "b/c", "b/x/c"], ["bxc", "xb/c"]),
        ("x/b**/**/c*", ["x/bc", "x/b/c", "x/b/y/cd", "x/by/cd"], ["x/bxc", "b/c"]),
        ("x**/**/", ["x/b", "xy/b", "x/b/c"], ["x", "b/x"]),
        ("b**/*/c", ["b/c", "bx/c", "b/x/c"], ["bc"]),
        ("b***/**//**/", ["b/x/c", "b/x/y/c"], ["bx/c"]),
        ("x/b**", ["x/b", "x/bc", "x/bc/d"], ["x/c", "b"]),
        ("/b", ["b", "b/c"], ["c/b"]),
        ("x*\udce4", ["x1\udce4"], ["x1a"]),
    ],
)
def test_what_globs_mean(glob: str, matched: list[str], not_matched: list[str]) -> None:
    globs = Globs([glob])
    assert [path for path in matched + not_matched if globs.match_file(path)] == matched


def test_the_last_glob_decides_and_the_path_before_its_folders() -> None:
    globs = Globs(["docs/", "!docs/private", "*.log", "!keep.log"])
    matched = [path for path in ("docs/a", "docs/private/a", "docs/a.log", "x/keep.log") if globs.match_file(path)]
    assert matched == ["docs/a", "docs/a.log"]


@pytest.mark.parametrize("line", ["!", "a\\", "//", "!/"])
def test_what_is_no_glob(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Globs([line])


_LONG = 4000


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a*a*a*a*a*a*a*b", "a" * _LONG),
        ("*a" * 2000 + "b", "a" * _LONG),
        ("[ab]*" * 800 + "x", "a" * _LONG),
        ("?*" * 2000 + "x", "a" * _LONG),
        ("a**a**a**" * 400 + "x", "a" * _LONG),
        ("*" + "a" * 2000 + "*b", "a" * _LONG),
        ("**/" * 1300 + "x", "a/" * 2000 + "y"),
        ("**/" + "a/" * 1000 + "b", "a/" * 2000 + "a"),
        ("**/" + "*/" * 1000 + "b", "a/" * 2000 + "a"),
        ("**/" + "*a*/" * 700 + "b", "aa/" * 1300 + "a"),
        ("**/*a*a*a/" * 300 + "b", "aaaa/" * 800 + "a"),
        ("**/a/**/a/**/*a*/**/b/", "a/" * 2000 + "a"),
    ],
)
def test_no_glob_takes_long(glob: str, path: str) -> None:
    began = time.process_time()
    assert not Globs([glob]).match_file(path)
    assert time.process_time() - began < 1


def test_more_and_longer_globs_than_are_asked_are_refused() -> None:
    Globs(f"name-{number}" for number in range(100_000))
    for lines in (["*" * (LONGEST_GLOB + 1)], [f"*{number}" for number in range(MOST_WITH_STARS + 1)]):
        with pytest.raises(TooManyGlobsError, match=re.escape("more than")):
            Globs(lines)
