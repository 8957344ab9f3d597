import os
import subprocess
from pathlib import Path

import pytest

from semsearch.sources.beneath import Descent
from semsearch.sources.walk import walk
from semsearch.sources.walk_rules import WalkRules
from tests.support.folders import write


def found(root: Path, **rules: object) -> list[str]:
    return [file.path for file in walk(str(root), WalkRules(**rules), "", _no_error) if not file.skip]


def skipped(root: Path, **rules: object) -> dict[str, str]:
    return {file.path: file.skip for file in walk(str(root), WalkRules(**rules), "", _no_error) if file.skip}


def _no_error(path: str, error: OSError) -> None:
    raise error


def test_every_level_of_ignore_files_counts_also_outside_a_repository(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".gitignore": "*.log\nbuild/\n/top.txt\n",
            "a.txt": "",
            "top.txt": "",
            "x.log": "",
            "build/out.txt": "",
            "sub/.gitignore": "!keep.log\nsecret.txt\n",
            "sub/keep.log": "",
            "sub/other.log": "",
            "sub/secret.txt": "",
            "sub/top.txt": "",
            "sub/.ignore": "from-ignore.txt\n",
            "sub/from-ignore.txt": "",
            ".semsearchignore": "from-semsearch.txt\n",
            "sub/deep/from-semsearch.txt": "",
        },
    )
    assert found(tmp_path) == ["a.txt", "sub/keep.log", "sub/top.txt"]
    assert "x.log" in found(tmp_path, no_ignore=True)


def test_ignored_paths_are_those_of_git(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".gitignore": "*.tmp\n!important.tmp\ndocs/*.txt\n**/cache/\n# a comment\n\\#literal\nfoo/**/bar\n",
            "a.tmp": "",
            "important.tmp": "",
            "docs/a.txt": "",
            "docs/sub/a.txt": "",
            "x/cache/y": "",
            "#literal": "",
            "foo/1/2/bar": "",
            "foo/bar": "",
            "sub/.gitignore": "*\n!*.md\n",
            "sub/a.md": "",
            "sub/a.rst": "",
        },
    )
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    visible = sorted(path for path in listed if not os.path.basename(path).startswith("."))
    assert sorted(found(tmp_path)) == visible


def test_the_ignore_files_above_an_indexed_folder_hold_up_to_the_repository(tmp_path: Path) -> None:
    write(tmp_path, {"repo/.gitignore": "*.log\n", "repo/docs/a.log": "", "repo/docs/a.md": "", ".gitignore": "*.md\n"})
    (tmp_path / "repo" / ".git" / "info").mkdir(parents=True)
    (tmp_path / "repo" / ".git" / "info" / "exclude").write_text("private.txt\n")
    write(tmp_path, {"repo/docs/private.txt": ""})
    assert found(tmp_path / "repo" / "docs") == ["a.md"]


def test_hidden_files_are_left_out_unless_asked_for_or_the_root_itself_is_hidden(tmp_path: Path) -> None:
    write(tmp_path, {".hidden/a.txt": "", ".b.txt": "", "c.txt": "", ".git/config": ""})
    assert found(tmp_path) == ["c.txt"]
    assert found(tmp_path, hidden=True) == [".b.txt", "c.txt", ".hidden/a.txt"]
    assert found(tmp_path / ".hidden") == ["a.txt"]


def test_include_exclude_and_size(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "1", "b.txt": "2", "sub/c.md": "3", "sub/d.md": "4" * 100})
    assert found(tmp_path, include=("*.md",)) == ["a.md", "sub/c.md", "sub/d.md"]
    assert found(tmp_path, exclude=("sub/",)) == ["a.md", "b.txt"]
    assert skipped(tmp_path, max_file_size=50) == {"sub/d.md": "larger than --max-file-size (100 > 50)"}
    write(tmp_path, {"sub/d.md": "x" * 1025})
    few_too_many = "larger than --max-file-size (1,025 > 1,024 bytes)"
    assert skipped(tmp_path, max_file_size=1024) == {"sub/d.md": few_too_many}, "not 1.0K > 1K"


def test_symbolic_links_are_named_and_followed_only_inside(tmp_path: Path) -> None:
    write(tmp_path, {"root/real/a.txt": "", "outside.txt": "secret"})
    root = tmp_path / "root"
    (root / "in").symlink_to("real")
    (root / "out").symlink_to("../outside.txt")
    (root / "loop").symlink_to(".")
    (root / "broken").symlink_to("nowhere")
    assert found(root) == ["real/a.txt"]
    assert set(skipped(root)) == {"in", "out", "loop", "broken"}
    assert found(root, follow=True) == ["in/a.txt", "real/a.txt"]
    assert skipped(root, follow=True)["out"] == "symbolic link that leaves the folder"
    assert skipped(root, follow=True)["loop"] == "symbolic link to a folder it is in"


def test_another_index_and_special_files_are_not_documents(tmp_path: Path) -> None:
    write(tmp_path, {"idx/catalog.db": "", "idx/CACHEDIR.TAG": "", "a.txt": ""})
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == ["a.txt"]
    assert skipped(tmp_path) == {"pipe": "not a regular file"}


def test_a_folder_that_cannot_be_listed_is_reported_and_the_walk_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"bad/a.txt": "", "good/b.txt": ""})
    real = Descent.open

    def open_folder(self: Descent, path: str) -> int:
        if path == "bad":
            raise PermissionError(13, "Permission denied", path)
        return real(self, path)

    monkeypatch.setattr(Descent, "open", open_folder)
    errors: list[str] = []
    files = [file.path for file in walk(str(tmp_path), WalkRules(), "", lambda path, error: errors.append(path))]
    assert files == ["good/b.txt"]
    assert errors == ["bad/"]


def test_what_is_left_out_is_told_with_file_and_line(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".gitignore": "# comment\n\n!\n\\\n*.log\n",
            "x.log": "",
            "a.txt": "",
            ".hidden/b.txt": "",
            "no.bin": "",
            "sub/.ignore": "deep/\n",
            "sub/deep/c.txt": "",
        },
    )
    (tmp_path / "more").mkdir()
    os.mkfifo(tmp_path / "more/.gitignore")
    told = {}
    rules = WalkRules(exclude=("*.bin",))
    files = list(walk(str(tmp_path), rules, "", _no_error, lambda path, *why: told.update({path: why})))
    assert [file.path for file in files] == ["a.txt"]
    assert told == {
        ".gitignore": ("hidden (--hidden takes it in)", ""),
        ".hidden/": ("hidden (--hidden takes it in)", ""),
        "more/.gitignore": ("hidden (--hidden takes it in)", ""),
        "no.bin": ("matches --exclude", "*.bin"),
        "sub/.ignore": ("hidden (--hidden takes it in)", ""),
        "sub/deep/": ("left out by an ignore rule", f"{tmp_path}/sub/.ignore:1: deep/"),
        "x.log": ("left out by an ignore rule", f"{tmp_path}/.gitignore:5: *.log"),
    }


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """A folder with a file and folders that may be swapped, beside a folder that nobody is to see."""
    write(
        tmp_path,
        {
            "root/a.txt": "",
            "root/m/deep/b.txt": "",
            "root/z/c.txt": "",
            "secret/deep/key.txt": "k",
            "secret/c.txt": "k",
        },
    )
    return tmp_path / "root"


def swap(path: Path, target: Path) -> None:
    """Puts a link to `target` in the place of `path`, as somebody who may write to its folder can at any moment."""
    path.rename(path.with_name(path.name + "-was"))
    path.symlink_to(target)


def test_a_folder_that_becomes_a_link_after_it_was_listed_is_not_entered(guarded: Path) -> None:
    errors: list[tuple[str, str | None]] = []
    files = walk(str(guarded), WalkRules(), "", lambda path, error: errors.append((path, error.strerror)))
    assert next(files).path == "a.txt"
    swap(guarded / "m", guarded.parent / "secret")
    swap(guarded / "z", guarded.parent / "secret")
    assert list(files) == []
    assert errors == [("m/", "it is a symbolic link now"), ("z/", "it is a symbolic link now")]


def test_a_folder_above_that_becomes_a_link_leads_nowhere_else(guarded: Path) -> None:
    write(guarded, {"m/b.txt": "", "m/deep/key.txt": ""})
    files = walk(str(guarded), WalkRules(), "", _no_error)
    assert [next(files).path, next(files).path] == ["a.txt", "m/b.txt"]
    inode = (guarded / "m/deep/key.txt").stat().st_ino
    swap(guarded / "m", guarded.parent / "secret")
    listed = {file.path: file.inode for file in files}
    assert listed["m/deep/key.txt"] == inode, "that of the folder that was listed, by whatever name"
    assert set(listed) == {"m/deep/b.txt", "m/deep/key.txt", "z/c.txt"}


def test_a_file_that_becomes_a_link_after_its_folder_was_listed_is_none(guarded: Path) -> None:
    write(guarded, {"b.txt": ""})
    files = walk(str(guarded), WalkRules(), "", _no_error)
    assert next(files).path == "a.txt"
    swap(guarded / "b.txt", guarded.parent / "secret/c.txt")
    assert {file.path: (file.size, file.skip) for file in files}["b.txt"][1] == "not a regular file"


def test_a_folder_that_another_one_replaces_is_listed_as_it_is(guarded: Path) -> None:
    files = walk(str(guarded), WalkRules(), "", _no_error)
    assert next(files).path == "a.txt"
    (guarded / "z").rename(guarded / "z-was")
    write(guarded, {"z/new.txt": ""})
    assert [file.path for file in files] == ["m/deep/b.txt", "z/new.txt"]


def test_a_followed_link_that_is_bent_while_the_folder_is_walked_leads_nowhere_else(guarded: Path) -> None:
    (guarded / "A").symlink_to("z")  # listed, and followed, before the first file
    errors: list[str] = []
    files = walk(str(guarded), WalkRules(follow=True), "", lambda path, error: errors.append(path))
    assert next(files).path == "a.txt"
    swap(guarded / "z", guarded.parent / "secret")
    assert [file.path for file in files if not file.skip] == ["m/deep/b.txt"]
    assert errors == ["A/", "z/"]


def test_a_followed_link_within_a_followed_folder_is_found_once_more(tmp_path: Path) -> None:
    write(tmp_path, {"real/deep/a.txt": "", "other/b.txt": ""})
    (tmp_path / "real/deep/up").symlink_to("..")
    (tmp_path / "real/deep/beside").symlink_to(tmp_path / "other")
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "top").symlink_to(".")
    assert found(tmp_path, follow=True) == [
        "alias/deep/a.txt",
        "alias/deep/beside/b.txt",
        "other/b.txt",
        "real/deep/a.txt",
        "real/deep/beside/b.txt",
    ]
    told = skipped(tmp_path, follow=True)
    assert set(told) == {"alias/deep/up", "real/deep/up", "top"}
    assert set(told.values()) == {"symbolic link to a folder it is in"}


@pytest.mark.parametrize("name", [".gitignore", ".ignore", ".semsearchignore"])
def test_ignore_files_that_are_links_or_pipes_have_no_rules(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"rules": "*.txt\n", "repo/a.txt": "", "repo/sub/b.txt": "", "repo/sub/c.txt": ""})
    (tmp_path / "repo" / name).symlink_to("../rules")
    os.mkfifo(tmp_path / "repo/sub" / name)
    told: dict[str, str] = {}
    rules = WalkRules()
    files = walk(str(tmp_path / "repo"), rules, "", _no_error, lambda path, why, _: told.update({path: why}))
    assert [file.path for file in files] == ["a.txt", "sub/b.txt", "sub/c.txt"]
    assert told == {name: "symbolic link: its rules are not read", f"sub/{name}": "hidden (--hidden takes it in)"}


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_rules_above_an_indexed_folder_are_read_from_files_alone(tmp_path: Path, kind: str) -> None:
    write(tmp_path, {"rules": "*.txt\n", "repo/docs/a.txt": "", "repo/.git/info/other": ""})
    for path in (tmp_path / "repo/.gitignore", tmp_path / "repo/.git/info/exclude"):
        if kind == "link":
            path.symlink_to(tmp_path / "rules")
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()
    assert found(tmp_path / "repo/docs") == ["a.txt"]


def test_a_walk_leaves_no_descriptor_open_however_it_ends(guarded: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    files = walk(str(guarded), WalkRules(), "", _no_error)
    assert next(files).path == "a.txt"
    files.close()  # type: ignore[attr-defined]
    assert len(found(guarded)) == 3
    assert len(os.listdir("/dev/fd")) == before
    with pytest.raises(FileNotFoundError):
        found(guarded / "none")


def test_folders_that_a_rule_keeps_are_walked_as_git_does(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "*\n!*/\n!*.md\n", "a.md": "", "sub/deep/b.md": "", "sub/c.txt": ""})
    assert found(tmp_path) == ["a.md", "sub/deep/b.md"]


def test_a_folder_within_one_that_is_ignored_above_is_left_out(tmp_path: Path) -> None:
    write(
        tmp_path, {"repo/.gitignore": "build/\n!keep.md\n", "repo/build/docs/a.md": "", "repo/build/docs/keep.md": ""}
    )
    (tmp_path / "repo" / ".git").mkdir()
    assert found(tmp_path / "repo" / "build" / "docs") == ["keep.md"]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("x" * 2_000_001, "its .gitignore has more than 2,000,000 bytes"),
        ("\n".join(f"*{number}" for number in range(5001)), "its .gitignore has more than 5,000 globs with"),
        ("*a" * 2100, "its .gitignore has a glob of more than 4,096 characters"),
    ],
)
def test_a_folder_with_more_rules_than_can_be_asked_is_not_read(tmp_path: Path, rules: str, why: str) -> None:
    """Without its rules more would be read than is wanted."""
    write(tmp_path, {"a.txt": "", "sub/.gitignore": rules, "sub/b.txt": "", "sub/deep/c.txt": ""})
    errors: dict[str, str] = {}
    walked = walk(str(tmp_path), WalkRules(), "", lambda path, error: errors.update({path: error.strerror}))
    assert [file.path for file in walked] == ["a.txt"]
    assert list(errors) == ["sub/"] and errors["sub/"].startswith(why) and "--no-ignore" in errors["sub/"]
    assert found(tmp_path, no_ignore=True) == ["a.txt", "sub/b.txt", "sub/deep/c.txt"]


def test_the_rules_of_all_levels_are_counted_together(tmp_path: Path) -> None:
    rules = "\n".join(f"*{number}" for number in range(3000))
    write(tmp_path, {".gitignore": rules, "sub/.ignore": rules, "sub/b.txt": "", "c.txt": ""})
    errors: list[str] = []
    walked = walk(str(tmp_path), WalkRules(), "", lambda path, error: errors.append(f"{path}: {error.strerror}"))
    assert [file.path for file in walked] == ["c.txt"]
    assert errors == [
        "sub/: its .ignore and those above have more than 5,000 patterns with stars; --no-ignore reads it without rules"
    ]


@pytest.mark.parametrize("globs", ["*.txt", ["\ud800"], [7], 7, {"a": 1, "b": "\ud800"}])
def test_recorded_globs_that_no_flag_can_have_said_are_refused(globs: object) -> None:
    assert WalkRules.from_record({"exclude": ["\udcff*"]}).exclude == ("\udcff*",)
    with pytest.raises(ValueError, match="rules of a walk"):
        WalkRules.from_record({"exclude": globs})
