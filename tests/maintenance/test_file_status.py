"""Every file is accounted for: `status --files`, `why`, `--retry`, `--password-file`, `--files-from`, filters."""

import os
from pathlib import Path

import jsonschema
import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import Command, one_line_error
from tests.support.folders import write
from tests.support.office import mail, word
from tests.support.pdf import encrypted
from tests.support.schemas import COUNT, HIT, OPTIONAL_COUNT, TEXT, record

FILES = record(
    schema={"const": "semsearch.files/1"},
    index=TEXT,
    files={
        "type": "array",
        "items": record(
            path=TEXT, status={"enum": ["indexed", "pending", "new", "skipped", "failed", "ignored"]}, reason=TEXT,
            rule=TEXT, type=TEXT, language=TEXT, encoding=TEXT, chunks=COUNT, size=OPTIONAL_COUNT,
        ),
    },
)  # fmt: skip
WHY = record(
    schema={"const": "semsearch.why/1"}, query=TEXT, path=TEXT, reason=TEXT, rule=TEXT,
    status={"enum": ["found", "ranked", "filtered", "missing", "outside", "new", "skipped", "failed", "ignored"]},
    rank=OPTIONAL_COUNT, file_rank=OPTIONAL_COUNT, candidates=OPTIONAL_COUNT,
    passage={"anyOf": [{"type": "null"}, {**HIT, "additionalProperties": True}]},
)  # fmt: skip


@pytest.fixture
def folder(notes: Path) -> Path:
    write(
        notes,
        {
            ".gitignore": "*.log\n\ndrafts/\n",
            "trace.log": "x",
            "drafts/idea.md": "an idea",
            ".secret": "x",
            "picture.png": b"\x89PNG\r\n\x1a\n\0",
            "broken.pdf": b"%PDF-1.4 no more",
            "locked.pdf": encrypted("The night ferry leaves the harbour at ten.", "tide"),
            "japan.txt": "今日は良い天気ですね。散歩に行きましょう。".encode("cp932"),
        },
    )
    index_folders([str(notes)], None, IndexOptions(model="static"))
    write(notes, {"new.txt": "brand new"})
    return notes


def file_status(semsearch: Command, folder: Path, *flags: str) -> dict[str, dict[str, object]]:
    done = semsearch("status", "--files", *flags, "--json", "-i", folder)
    assert (done.code, done.err) == (0, "")
    jsonschema.validate(done.json, FILES)
    return {entry["path"]: entry for entry in done.json["files"]}


def test_every_file_is_listed_with_its_reason_and_rule(semsearch: Command, folder: Path) -> None:
    files = file_status(semsearch, folder)
    on_disk = {
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, below, names in os.walk(folder)
        for name in names
        if ".semsearch" not in parent
    }
    assert on_disk - set(files) == {"drafts/idea.md"}  # its folder is listed as a whole
    assert set(files) - on_disk == {"drafts/"}
    assert files["garden.md"]["status"] == "indexed"
    assert files["japan.txt"]["encoding"] == "cp932"
    assert (files["drafts/"]["status"], files["drafts/"]["rule"]) == ("ignored", f"{folder}/.gitignore:3: drafts/")
    assert files["trace.log"]["rule"] == f"{folder}/.gitignore:1: *.log"
    assert files[".secret"]["reason"] == "hidden (--hidden takes it in)"
    assert (files["picture.png"]["status"], files["picture.png"]["reason"]) == ("skipped", "an image (needs OCR)")
    assert files["broken.pdf"]["status"] == files["locked.pdf"]["status"] == "failed"
    assert files["locked.pdf"]["reason"] == "encrypted PDF: needs a password (--password-file)"
    assert (files["new.txt"]["status"], files["new.txt"]["reason"]) == ("new", "not indexed yet: run semsearch index")
    assert set(file_status(semsearch, folder, "--failed")) == {"broken.pdf", "locked.pdf"}
    assert set(file_status(semsearch, folder, "--skipped")) == {
        ".gitignore", ".secret", "drafts/", "picture.png", "trace.log", "broken.pdf", "locked.pdf",
    }, "all that is not in the index"  # fmt: skip
    assert set(file_status(semsearch, folder, "--pending")) == {"new.txt"}
    text = semsearch("status", "--files", "--failed", cwd=folder).out
    assert text.splitlines()[1] == "failed   locked.pdf  (encrypted PDF: needs a password (--password-file))"
    assert "add --files" in one_line_error(semsearch("status", "--failed", "-i", folder).err)
    listed = semsearch("status", "--files", "--skipped", "-i", folder, cwd=folder.parent).out.splitlines()
    paths = [line.split()[1] for line in listed]
    assert f"{folder.name}/drafts/" in paths and f"{folder.name}/broken.pdf" in paths
    assert all((folder.parent / path).exists() for path in paths), "paths that open from the working folder"
    write(folder, {"garden.md": "Something else.\n"})
    assert file_status(semsearch, folder)["garden.md"]["reason"] == "changed since it was indexed"
    search = semsearch("search", "roses", "-i", folder, "--json").json
    assert search["index"]["skipped"] == 3  # one skipped, two failed


@pytest.mark.slow
def test_what_is_not_encoded_is_pending(semsearch: Command, folder: Path) -> None:
    assert semsearch("index", folder, "--no-embed").code == 0
    assert file_status(semsearch, folder, "--pending")["new.txt"]["status"] == "pending"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "status", "reason"),
    [
        ("garden.md", "found", ""),
        ("kitchen/../garden.md", "found", ""),
        ("trace.log", "ignored", "left out by an ignore rule"),
        ("drafts/idea.md", "ignored", "left out by an ignore rule"),
        (".secret", "ignored", "hidden (--hidden takes it in)"),
        ("picture.png", "skipped", "an image (needs OCR)"),
        ("broken.pdf", "failed", "damaged PDF file"),
        ("new.txt", "new", "not indexed yet: run semsearch index"),
        ("nowhere.txt", "missing", "there is no such file"),
        ("/etc/passwd", "outside", "it is not below any indexed folder"),
    ],
)
def test_why(semsearch: Command, folder: Path, file: str, status: str, reason: str) -> None:
    done = semsearch("why", "prune roses", file, "-i", folder, "--json", cwd=folder)
    jsonschema.validate(done.json, WHY)
    assert (done.json["status"], done.code) == (status, 0 if status == "found" else 1)
    assert done.json["reason"].startswith(reason)
    text = semsearch("why", "prune roses", file, "-i", folder, cwd=folder)
    assert f": {status}" in text.out.splitlines()[0]


@pytest.mark.slow
def test_why_a_file_stands_where_it_does(semsearch: Command, folder: Path) -> None:
    def why(*arguments: str) -> dict[str, object]:
        done = semsearch("why", *arguments, "-i", folder, "--json")
        assert isinstance(done.json, dict)
        return done.json

    low = why("prune roses", "kitchen/soup.txt", "-k", "1")
    assert low["status"] == "ranked"
    assert f"below the first 1: -k {low['rank']} shows it" in str(low["reason"])
    ranked = semsearch("search", "prune roses", "-i", folder, "--json", "-k", "50").json["results"]
    shown = next(hit for hit in ranked if hit["path"] == "kitchen/soup.txt")
    assert (shown["rank"], shown["score"]) == (low["rank"], low["passage"]["score"])  # type: ignore[index]
    assert why("prune roses", "garden.md", "--type", "pdf")["status"] == "filtered"
    nothing = why("zebra", "garden.md", "--mode", "lexical")
    assert nothing["reason"] == "no word of the query occurs in it"
    write(folder, {"garden.md": "Something else.\n"})
    assert "changed since it was indexed" in str(why("prune roses", "garden.md")["reason"])


@pytest.mark.slow
def test_failed_files_are_tried_again_when_asked_or_changed(semsearch: Command, folder: Path, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords.txt"
    passwords.write_text("ebb\ntide\n")
    assert semsearch("index", folder, "--json").json["files"]["failed"] == 2
    report = semsearch("index", folder, "--password-file", passwords, "--json").json
    assert (report["files"]["added"], report["files"]["failed"]) == (1, 1)
    assert "tide" not in (folder / ".semsearch/catalog.db").read_bytes().decode("latin-1").split("password")
    assert (
        semsearch("search", "night ferry", "-i", folder, "--mode", "lexical", "-l").out.splitlines()[0]
        == "notes/locked.pdf"
    )
    assert semsearch("index", folder, "--retry", "--json").json["files"]["failed"] == 1
    assert "No such file" in one_line_error(semsearch("index", folder, "--password-file", tmp_path / "none").err)


@pytest.mark.slow
def test_files_from(semsearch: Command, folder: Path, tmp_path: Path) -> None:
    write(
        folder,
        {"garden.md": "Tulips everywhere.\n", "odd\nname.txt": "a name of two lines\n", "other.txt": "left alone"},
    )
    (folder / "kitchen/soup.txt").unlink()
    names = ["garden.md", "odd\nname.txt", "kitchen/soup.txt", "drafts/idea.md", "none.txt", "/etc/passwd"]
    done = semsearch("index", folder, "--files-from", "-", "-0", "--json", stdin="\0".join(names), cwd=folder)
    assert done.code == 0, done.err
    files = done.json["files"]
    assert (files["added"], files["changed"], files["removed"]) == (2, 1, 1)
    failed = {entry["path"]: entry["reason"] for entry in done.json["failed"]}
    assert failed["none.txt"] == "no such file"
    assert failed["/etc/passwd"] == "outside of the indexed folders"
    assert semsearch("search", "tulips", "-i", folder, "--mode", "lexical", "-l").out == "notes/garden.md\n"
    assert "other.txt" in file_status(semsearch, folder, "--pending")
    listed = tmp_path / "list.txt"
    listed.write_text(f"{folder}/other.txt\n")
    would = semsearch("index", folder, "--files-from", listed, "--dry-run", "--json").json
    assert would["files"]["added"] == 1
    assert semsearch("index", folder, "--files-from", listed, "--json").json["files"]["added"] == 1


@pytest.mark.slow
def test_metadata_and_dates_filter(semsearch: Command, folder: Path) -> None:
    write(
        folder,
        {
            "a.md": "---\nauthor: Ines Aldous\ntags: [sea, storm]\ndate: 2024-05-01\n---\nharbour report\n",
            "b.md": "---\nauthor: Olan Pryce\ntags: [land]\ndate: 2025-06-01\n---\nharbour report\n",
            "c.eml": mail("Report", "harbour report"),
            "d.docx": word("Report", "harbour report"),
        },
    )
    assert semsearch("index", folder).code == 0

    def found(*flags: str) -> list[str]:
        out = semsearch("search", "harbour report", "--mode", "lexical", "-l", "-i", folder, *flags, cwd=folder).out
        return sorted(path for path in out.splitlines() if path in ("a.md", "b.md", "c.eml", "d.docx"))

    assert found() == ["a.md", "b.md", "c.eml", "d.docx"]
    assert found("--where", "author=ines aldous") == ["a.md", "d.docx"]
    assert found("--where", "Author=*o*", "--where", "tags=storm") == ["a.md"]
    assert found("--where", "tags=storm", "--where", "tags=land") == ["a.md", "b.md"]
    assert found("--where", "from=*ines*") == ["c.eml"]
    assert found("--since", "2025") == ["b.md", "c.eml"]  # python-docx's template is dated 2013
    assert found("--since", "2025-06-02", "--before", "2025-06-04") == ["c.eml"]
    assert found("--before", "2025", "--type", "md") == ["a.md"]
    assert "not KEY=VALUE" in one_line_error(semsearch("search", "x", "-i", folder, "--where", "author").err)
    assert "not a date" in one_line_error(semsearch("search", "x", "-i", folder, "--since", "soon").err)


@pytest.mark.slow
def test_names_and_files_of_every_kind(semsearch: Command, tmp_path: Path) -> None:
    """FIFOs, sockets' names, loops, names with newlines and undecodable bytes: named, and the run goes on."""
    folder = tmp_path / "odd"
    write(folder, {"a\nb.txt": "new line in the name\n", "plain.txt": "harbour\n"})
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("latin name\n")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder)
    (folder / "null").symlink_to("/dev/null")
    done = semsearch("index", folder, "--model", "static", "--json")
    assert done.code == 0
    assert done.json["files"]["added"] == 3
    assert {entry["path"]: entry["reason"].split(" (")[0] for entry in done.json["skipped"]} == {
        "pipe": "not a regular file", "loop": "symbolic link", "null": "symbolic link",
    }  # fmt: skip
    followed = semsearch("index", folder, "--follow", "--json").json["skipped"]
    assert {entry["path"]: entry["reason"] for entry in followed} == {
        "pipe": "not a regular file",
        "loop": "symbolic link to a folder it is in",
        "null": "symbolic link that leaves the folder",
    }
    paths = [
        hit["path"] for hit in semsearch("search", "name", "-i", folder, "--json", "--mode", "lexical").json["results"]
    ]
    assert sorted(paths) == ["a\nb.txt", "caf\\xe9.txt"]


@pytest.mark.slow
def test_a_large_file_is_indexed_in_parts_or_not_at_all(semsearch: Command, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    lines = [f"entry {number} of the long log" for number in range(90_000)]
    write(folder, {"big.log": "\n".join(lines), "note.txt": "a short note\n"})
    done = semsearch("index", folder, "--model", "static", "--no-embed", "--json")
    assert (done.json["files"]["added"], done.json["failed"]) == (2, [])
    hit = semsearch("search", "entry 89990", "--mode", "lexical", "-i", folder, "--json").json["results"][0]
    assert "entry 89990 of the long log" in hit["text"]
    assert lines[hit["line_start"] - 1] == hit["text"].split("\n")[0]
    before = done.json["chunks"]["total"]
    lines[40_000] = "a whale was seen"
    write(folder, {"big.log": "\n".join(lines)})
    changed = semsearch("index", folder, "--no-embed", "--json").json
    assert (changed["files"]["changed"], changed["chunks"]["total"]) == (1, before)
    assert semsearch("search", "whale", "--mode", "lexical", "-i", folder, "-l").out == "logs/big.log\n"
