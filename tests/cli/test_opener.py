"""Files are opened by name and line in whichever editor, never by a shell, and none is run."""

import os
import sys
from pathlib import Path

import pytest

from semsearch.cli.last_results import ShownPlace
from semsearch.cli.opener import in_editor, open_file, open_place
from semsearch.errors import SemsearchError
from tests.support.folders import write
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    ("editor", "command"),
    [
        (["vim"], ["vim", "+7", "/d/a b.md"]),
        (["/usr/bin/emacs", "-nw"], ["/usr/bin/emacs", "-nw", "+7", "/d/a b.md"]),
        (["code", "--wait"], ["code", "--wait", "-g", "/d/a b.md:7"]),
        (["subl"], ["subl", "/d/a b.md:7"]),
    ],
)
def test_editors_are_told_the_line(editor: list[str], command: list[str]) -> None:
    assert in_editor(editor, "/d/a b.md", 7) == command
    assert in_editor(editor, "/d/a b.md", None) == [*editor, "/d/a b.md"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is all there is; each writes down its name and arguments in `called`."""
    script = f'#!{sys.executable}\nimport sys\nopen("{tmp_path}/called", "a").write(repr(sys.argv[1:]))\n'
    said = "#!/bin/sh\necho $VIEWER\n"
    write(tmp_path / "bin", {"xdg-open": script, "edit": script, "less": script, "okular": script, "xdg-mime": said})
    for program in (tmp_path / "bin").iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("PAGER", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path / "bin"


def called(tmp_path: Path) -> str:
    file = tmp_path / "called"
    text = file.read_text() if file.exists() else ""
    file.unlink(missing_ok=True)
    return text


def test_text_goes_to_the_editor_and_all_else_to_the_desktop(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = "a; touch pwned $(x) '.txt"
    write(tmp_path / "docs", {odd: "text\n", "b.pdf": b"%PDF-1.4", "c.docx": b"PK\0\0"})
    text, pdf, docx = (str(tmp_path / "docs" / name) for name in (odd, "b.pdf", "c.docx"))
    open_file(text, 3)
    assert called(tmp_path) == repr([text]), "the desktop's, where no editor is set"
    monkeypatch.setenv("EDITOR", "edit --wait")
    open_file(text, 3)
    assert called(tmp_path) == repr(["--wait", "+3", text])
    for file in (pdf, docx):
        open_file(file, None)
        assert called(tmp_path) == repr([file])
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("viewer", "arguments"),
    [("org.kde.okular.desktop", ["--page=3"]), ("evince.desktop", []), ("", []), ("unknown.desktop", [])],
)
def test_a_viewer_is_told_the_page(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, viewer: str, arguments: list[str]
) -> None:
    """Evince is known and not there: the desktop opens the file at its beginning."""
    write(tmp_path / "docs", {"b.pdf": b"%PDF-1.4"})
    monkeypatch.setenv("VIEWER", viewer)
    file = str(tmp_path / "docs" / "b.pdf")
    open_file(file, None, 3)
    wait_until(lambda: (tmp_path / "called").exists() and (tmp_path / "called").stat().st_size > 0)
    assert called(tmp_path) == repr([*arguments, file])


def test_without_an_editor_the_pager_shows_the_line_on_a_terminal(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "docs", {"a.txt": "text\n"})
    file = str(tmp_path / "docs" / "a.txt")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    open_file(file, 3)
    assert called(tmp_path) == repr(["+3", file]), "less, where nothing is set"
    monkeypatch.setenv("PAGER", "edit -R")
    open_file(file, 3)
    assert called(tmp_path) == repr(["-R", file]), "of another one it is not known how to tell it the line"
    monkeypatch.setenv("EDITOR", "edit")
    open_file(file, 3)
    assert called(tmp_path) == repr(["+3", file])


def test_without_a_display_it_says_what_to_set(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "docs", {"a.txt": "text\n", "b.pdf": b"%PDF-1.4"})
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for name, hint in (("a.txt", "set VISUAL or EDITOR to your editor"), ("b.pdf", "there is no desktop here")):
        with pytest.raises(SemsearchError, match="nothing here opens") as raised:
            open_file(str(tmp_path / "docs" / name), 1, 2)
        assert hint in raised.value.hint
    assert called(tmp_path) == ""


def test_a_place_says_what_became_of_it(programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "docs", {"a.txt": "text\n"})
    file = tmp_path / "docs" / "a.txt"
    stamp = (file.stat().st_size, file.stat().st_mtime_ns)
    place = ShownPlace("a.txt", str(file), None, 3, "", stamp, "/my index")
    open_place(place)
    assert capsys.readouterr().err == "" and called(tmp_path) == repr([str(file)])
    file.write_text("another text\n")
    open_place(place)
    assert capsys.readouterr().err == (
        "semsearch: a.txt has changed since it was indexed: the place may be another by now\n"
    )
    file.unlink()
    with pytest.raises(SemsearchError, match="is not there any more") as raised:
        open_place(place)
    assert raised.value.hint == f"what was indexed of it: semsearch show {file} --index '/my index'"
    with pytest.raises(SemsearchError) as raised:
        open_place(ShownPlace("a.txt", "//elsewhere/docs/a.txt", None, 3, "elsewhere", None, "postgresql://db/team"))
    assert raised.value.message == "/docs/a.txt is on the machine elsewhere"
    shown = "semsearch show //elsewhere/docs/a.txt --index postgresql://db/team"
    assert raised.value.hint == f"open it there; what was indexed of it: {shown}"


def test_a_file_of_the_machine_that_searched_is_not_said_to_be_gone(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines may share a home, and so what is remembered, but not the folder that was searched."""
    monkeypatch.setenv("SEMSEARCH_HOST", "beta")
    place = ShownPlace("a.txt", str(tmp_path / "a.txt"), None, 3, searched_on="alpha")
    with pytest.raises(SemsearchError) as raised:
        open_place(place)
    assert raised.value.message.endswith("a.txt is not on this machine: the last search was on the machine alpha")
    assert raised.value.hint.startswith("open it there; ")
    write(tmp_path, {"a.txt": "text\n"})
    open_place(place)
    assert called(tmp_path) == repr([place.file]), "a folder that both have"


def test_what_a_desktop_might_run_is_not_handed_to_it(programs: Path, tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.desktop": "[Desktop Entry]\nExec=touch pwned\n", "run.sh": "#!/bin/sh\n"})
    (tmp_path / "docs" / "run.sh").chmod(0o755)
    for name in ("a.desktop", "run.sh"):
        with pytest.raises(SemsearchError, match="nothing here opens") as raised:
            open_file(str(tmp_path / "docs" / name), 1)
        assert "VISUAL or EDITOR" in raised.value.hint
    assert called(tmp_path) == ""


def test_an_editor_that_cannot_be_started_is_told(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "docs", {"a.txt": "text\n"})
    for editor, message in (
        ("no-such-editor", "cannot be started"),
        ("'", "not a command"),
        ("/bin/false", "exit code 1"),
    ):
        monkeypatch.setenv("VISUAL", editor)
        with pytest.raises(SemsearchError, match=message):
            open_file(str(tmp_path / "docs" / "a.txt"), 1)
    with pytest.raises(SemsearchError, match="cannot be opened"):
        open_file(str(tmp_path / "docs" / "gone.txt"), 1)


def test_a_name_is_never_an_argument_of_the_editor(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "docs", {"+:!touch pwned": "text\n"})
    monkeypatch.setenv("EDITOR", "edit")
    monkeypatch.chdir(tmp_path / "docs")
    open_file("+:!touch pwned", None)
    assert called(tmp_path) == repr([str(tmp_path / "docs" / "+:!touch pwned")])


def test_what_became_a_pipe_is_not_waited_for(programs: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(SemsearchError, match="is no file any more"):
        open_file(str(tmp_path / "pipe.md"), 1)
