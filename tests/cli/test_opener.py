"""Files are opened by name and line in whichever editor, never by a shell, and none is run."""

import os
import sys
from pathlib import Path

import pytest

from semsearch.cli.opener import in_editor, open_file
from semsearch.errors import SemsearchError
from tests.support.folders import write


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
    write(tmp_path / "bin", {"xdg-open": script, "edit": script})
    for program in (tmp_path / "bin").iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
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
