"""Every flag of `search` beyond the basic ones, through the real command."""

import csv
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from tests.support.commands import Command, one_line_error
from tests.support.folders import PROJECT, write
from tests.support.waiting import CEILING_SECONDS

TEXTS = {
    "pumps.md": "# Pumps\n\nThe station has two pumps.\n\n## Starting\n\nOpen the inlet valve first. Then press the "
    "green button for three seconds.\nThe motor hums before it turns.\n\n## Stopping\n\nPress the red button. "
    "Drain the pipe.\n",
    "ferry.txt": "The night ferry leaves the harbour at ten.\nDogs stay on a lead.\n",
    "menu/soup.txt": "Simmer the leek soup for forty minutes and season it with nutmeg.\n",
    "menu/bread.txt": "The sourdough bread rests twelve hours in the fridge before it is baked.\n",
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    write(tmp_path / "docs", TEXTS)
    return tmp_path / "docs"


@pytest.fixture
def index(docs: Path) -> Path:
    index_folders([str(docs)])
    return docs


def test_a_query_without_a_good_answer_finds_nothing_and_says_how_to_see_the_nearest(
    semsearch: Command, index: Path
) -> None:
    done = semsearch("search", "who won the chess championship in 1972", "-i", index)
    assert (done.code, done.out) == (1, "")
    assert "--min-score 0 shows it" in done.err
    assert semsearch("search", "who won the chess championship in 1972", "-i", index, "--min-score", "0").code == 0
    good = semsearch("search", "how do I start the pump", "-i", index, "--json").json["results"]
    assert good[0]["path"] == "pumps.md" and good[0]["score"] > 0.5
    few = semsearch("search", "how do I start the pump", "-i", index, "--json", "--min-score", "0.5").json["results"]
    assert [hit["score"] for hit in few] == [hit["score"] for hit in good if hit["score"] >= 0.5]
    assert semsearch("search", "qqqq zzzz", "-i", index, "--mode", "dense").code == 1
    assert "out of range" in one_line_error(semsearch("search", "x", "-i", index, "--min-score", "7").err)


def test_the_best_sentence_has_its_span_and_lines(semsearch: Command, index: Path) -> None:
    query = "what noise does the motor make"
    hit = semsearch("search", query, "-i", index, "--json", "--min-score", "0").json["results"][0]
    sentence = hit["sentence"]
    assert sentence["text"] == hit["text"][sentence["start"] : sentence["end"]] == "The motor hums before it turns."
    lines = (index / "pumps.md").read_text().splitlines()
    assert sentence["text"] in lines[sentence["line_start"] - 1]
    assert sentence["text"] in hit["snippet"]


@pytest.mark.slow
def test_context_lines_come_from_the_index_even_without_the_file(semsearch: Command, index: Path) -> None:
    (index / "pumps.md").unlink()
    out = semsearch("search", "red button", "-i", index, "-k1", "-C", "2").out.splitlines()
    assert [line.strip() for line in out[1:]] == [
        "10-## Stopping", "11-", "12:Press the red button. Drain the pipe.",
    ]  # fmt: skip
    record = semsearch("search", "red button", "-i", index, "-k1", "-C", "1", "--json").json["results"][0]
    assert {"number": 12, "text": "Press the red button. Drain the pipe.", "match": True} in record["context"]
    assert "negative" in one_line_error(semsearch("search", "x", "-i", index, "-C", "-1").err)


@pytest.mark.slow
def test_paths_for_other_commands(semsearch: Command, index: Path, tmp_path: Path) -> None:
    done = semsearch("search", "red button", "-i", index, "-l", "-0", "--absolute", "--mode", "lexical")
    assert done.out == f"{index / 'pumps.md'}\0"
    assert (
        semsearch("search", "red button", "-i", index, "-l", "-0", "--mode", "lexical", cwd=index).out == "pumps.md\0"
    )
    for flags in (["-0"], ["--absolute"], ["-0", "--format", "csv"]):
        assert "with -l" in one_line_error(semsearch("search", "red", "-i", index, *flags).err)


@pytest.mark.slow
def test_vimgrep_lines_can_be_opened(semsearch: Command, index: Path, tmp_path: Path) -> None:
    for folder in (index, index / "menu", tmp_path):
        line = semsearch("search", "red button", "-i", index, "--format", "vimgrep", "-k1", cwd=folder).out
        file, number, column, text = line.rstrip("\n").split(":", 3)
        shown = (folder / file).read_text().splitlines()[int(number) - 1]
        assert (number, text) == ("12", shown)
        assert shown[int(column) - 1 :].startswith("red button"), "the column is that of the words"
    assert (
        semsearch("search", "red button", "-i", index, "--format", "vimgrep", "-k1", cwd=index).out[:9] == "pumps.md:"
    )


@pytest.mark.slow
def test_csv(semsearch: Command, index: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(semsearch("search", "red button", "-i", index, "--format", "csv").out)))
    assert rows[0]["path"] == "pumps.md" and rows[0]["rank"] == "1"
    assert int(rows[0]["line_start"]) <= int(rows[0]["line"]) <= int(rows[0]["line_end"])
    many = semsearch("search", "--queries", "-", "-i", index, "--format", "csv", stdin="red button\nferry\n").out
    batch = list(csv.DictReader(io.StringIO(many)))
    assert {row["query_id"] for row in batch} == {"1", "2"}, "one header, then every query"


@pytest.mark.slow
def test_several_indexes_are_one_ranking(semsearch: Command, index: Path, tmp_path: Path) -> None:
    write(tmp_path / "more" / "docs", {"notes.txt": "The harbour master logs every ferry that leaves at night.\n"})
    semsearch("index", tmp_path / "more" / "docs", "-q")
    done = semsearch("search", "night ferry harbour", "-i", index, "-i", tmp_path / "more" / "docs", "--json")
    results = done.json["results"]
    assert {hit["path"] for hit in results[:2]} == {"docs/ferry.txt", "docs-2/notes.txt"}
    assert [hit["rank"] for hit in results] == list(range(1, len(results) + 1))
    assert [hit["score"] for hit in results] == sorted((hit["score"] for hit in results), reverse=True)
    assert done.json["index"]["files"] == 5
    only = semsearch("search", "night ferry", "-i", index, "-i", tmp_path / "more/docs", "--path", "docs-2/", "-l")
    assert only.out == "more/docs/notes.txt\n"
    assert "named twice" in one_line_error(semsearch("search", "x", "-i", index, "-i", index).err)
    answer = semsearch("ask", "when does the ferry leave", "-i", index, "-i", tmp_path / "more" / "docs", "--json")
    assert answer.json["citations"][0]["path"] == "docs/ferry.txt"


@pytest.mark.slow
def test_new_since_tells_only_what_is_new_or_changed(semsearch: Command, index: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    ask = ("search", "night ferry harbour", "-i", index, "--new-since", state, "--json")
    assert semsearch(*ask).json["results"][0]["path"] == "ferry.txt"
    again = semsearch(*ask)
    assert (again.code, again.json["results"]) == (1, [])
    write(index, {"late.txt": "A second night ferry to the harbour starts in May.\n", "cheese.txt": "Cheese ripens.\n"})
    semsearch("index", index, "-q")
    assert [hit["path"] for hit in semsearch(*ask).json["results"]] == ["late.txt"], "new, and about it"
    assert semsearch(*ask).code == 1
    write(index, {"ferry.txt": "The night ferry leaves the harbour at eleven now.\nDogs stay on a lead.\n"})
    os.utime(index / "late.txt")
    semsearch("index", index, "-q")
    assert [hit["path"] for hit in semsearch(*ask).json["results"]] == ["ferry.txt"], "changed, not merely touched"
    semsearch("index", index, "-q", "--rebuild")
    assert semsearch(*ask).code == 1, "a rebuilt index brings nothing up again"
    other = semsearch("search", "leek soup", "-i", index, "--new-since", state)
    assert other.code == 0, "each query has its own state"
    state.write_text("{]")
    assert "is not a state file" in semsearch(*ask).err
    assert state.read_text() == "{]", "a file that is not ours is left alone"


def test_new_since_remembers_nothing_that_was_not_shown(semsearch: Command, index: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    command = f"{sys.executable} -m semsearch search ferry -i {index} --new-since {state} > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    assert done.returncode == 2
    assert not state.exists()


def test_the_language_of_queries_and_none(semsearch: Command, index: Path) -> None:
    write(
        index,
        {"mole.txt": "The east mole is closed to\nlorries.\n", "swap.txt": "Lorries and what is closed to them.\n"},
    )
    semsearch("index", index, "-q")
    phrase = semsearch("search", '"closed to lorries"', "-i", index, "-l", cwd=index)
    assert phrase.out == "mole.txt\n"
    none = semsearch("search", '"to closed lorries"', "-i", index, "-l")
    assert (none.code, none.out) == (1, "")
    assert one_line_error(none.err) == 'semsearch: no passage holds "to closed lorries" as it is written'
    literal = semsearch("search", '"to closed lorries"', "--literal", "--mode", "lexical", "-i", index, "-l", cwd=index)
    assert set(literal.out.split()) == {"mole.txt", "swap.txt"}
    assert "has no word to look for" in one_line_error(semsearch("search", "type:md", "-i", index).err)


@pytest.mark.slow
def test_search_by_example(semsearch: Command, index: Path) -> None:
    write(index, {"other.txt": "To begin, open the valve at the inlet and push the green button.\n"})
    semsearch("index", index, "-q")
    done = semsearch("search", "--like", "pumps.md:7", "-i", index, "--json")
    assert done.json["results"][0]["path"] == "other.txt"
    assert all(hit["line_start"] != 1 or hit["path"] != "pumps.md" for hit in done.json["results"])
    write(index, {"quoted.txt": 'Pumps are "seldom seen" near ports -- type:pdf says -pumps.'})
    semsearch("index", index, "-q")
    assert len(semsearch("search", "--like", "quoted.txt", "-i", index, "-l").out.splitlines()) > 1, "plain text"
    assert semsearch("search", "--like", "./pumps.md", "-i", ".", "-l", cwd=index).code == 0
    for place, message in (("none.md:3", "no indexed file is shown so"), ("pumps.md:900", "no passage")):
        assert message in one_line_error(semsearch("search", "--like", place, "-i", index).err)
    assert "only one of" in one_line_error(semsearch("search", "x", "--like", "pumps.md", "-i", index).err)


@pytest.mark.slow
def test_unlike_pushes_down(semsearch: Command, index: Path) -> None:
    def paths(*flags: str) -> list[str]:
        done = semsearch("search", "recipe with bread or soup", "-l", "--min-score", "0", *flags, cwd=index)
        return done.out.splitlines()

    assert paths("--unlike", "sourdough bread").index("menu/soup.txt") < paths("--unlike", "leek soup").index(
        "menu/soup.txt"
    )
    assert paths("--unlike", "sourdough bread").index("menu/bread.txt") > 0
    assert "empty" in one_line_error(semsearch("search", "x", "-i", index, "--unlike", " ").err)


@pytest.mark.slow
def test_copies_are_folded(semsearch: Command, index: Path) -> None:
    write(index, {"copy/ferry.txt": TEXTS["ferry.txt"], "old/ferry.txt": TEXTS["ferry.txt"]})
    semsearch("index", index, "-q")
    best = semsearch("search", "night ferry", "-i", index, "--json").json["results"][0]
    places = {best["path"], *(copy["path"] for copy in best["copies"])}
    assert places == {"ferry.txt", "copy/ferry.txt", "old/ferry.txt"}
    assert "(+2 copies)" in semsearch("search", "night ferry", "-i", index, "-k1").out
    flat = semsearch("search", "night ferry", "-i", index, "--json", "--no-fold").json["results"]
    assert sum(hit["path"].endswith("ferry.txt") for hit in flat) == 3
    assert len(semsearch("search", "night ferry", "-i", index, "-l").out.splitlines()) >= 3


@pytest.mark.slow
def test_a_path_filter_as_the_shell_writes_it_and_one_that_matches_nothing(semsearch: Command, index: Path) -> None:
    for glob in ("menu/", "./menu/", "./menu", str(index / "menu"), "*.txt"):
        done = semsearch("search", "leek soup", "-i", index, "--path", glob, "-l", cwd=index)
        assert done.out.splitlines()[0] == "menu/soup.txt", glob
    missed = semsearch("search", "leek soup", "-i", index, "--path", "manu/")
    assert missed.code == 1
    assert "--path manu/ matches no indexed file" in missed.err


def test_queries_are_answered_as_they_come(index: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "semsearch", "search", "--queries", "-", "--jsonl", "-k1", "-i", str(index)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert process.stdin and process.stdout
    for query, path in (("red button", "pumps.md"), ("leek soup", "menu/soup.txt")):
        process.stdin.write(query.encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["path"] == path
    process.stdin.close()
    assert process.wait(CEILING_SECONDS) == 0


def test_notices_say_which_of_many_queries_they_are_about(semsearch: Command, index: Path) -> None:
    asked = {"a": '"wet paint"', "b": "leek soup", "c": '"wet paint"'}
    queries = "".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in asked.items())
    flags = ("--queries", "-", "-i", index)
    assert semsearch("search", *flags, "--mode", "lexical", stdin=queries).err.splitlines() == [
        'semsearch: query a: no passage holds "wet paint" as it is written',
        'semsearch: query c: no passage holds "wet paint" as it is written',
    ]
    done = semsearch("search", *flags, "--mode", "lexical", "--path", "manu/", stdin="leek\nsoup\n")
    assert one_line_error(done.err) == "semsearch: --path manu/ matches no indexed file", "about all of them"
    done = semsearch("ask", *flags, stdin="who won the chess championship in 1972\n")
    assert "semsearch: query 1: nothing here answers that well" in done.err


@pytest.mark.slow
def test_rerank(semsearch: Command, index: Path, cross_encoder: Path) -> None:
    folder = cross_encoder
    plain = semsearch("search", "the water tide pump", "-i", index, "--min-score", "0", "--json").json["results"]
    done = semsearch("search", "the water tide pump", "-i", index, "--rerank", folder, "--min-score", "0", "--json")
    assert done.code == 0, done.err
    scores = [hit["scores"]["rerank"] for hit in done.json["results"]]
    assert scores == sorted(scores, reverse=True)
    assert scores == [hit["score"] for hit in done.json["results"]]
    assert {hit["chunk_id"] for hit in done.json["results"]} <= {hit["chunk_id"] for hit in plain} | set(range(99))
    explained = semsearch("search", "pump", "--rerank", folder, "-i", index, "--explain", "--min-score", "0")
    assert "reranked 0." in explained.out
    named = semsearch("search", "pump", "--rerank", "-i", index, env={"SEMSEARCH_RERANK_MODEL": str(folder)})
    assert named.code == 0, "without a value the configured one is taken"
    for arguments in (["--rerank", "pump"], ["pump", "--rerank"], ["pump", "--rerank", "cross-encoder/none"]):
        missing = semsearch("search", "-i", index, *arguments)
        assert missing.code == 2
        assert "no reranker called cross-encoder/" in missing.err
        assert "SEMSEARCH_DOWNLOAD=1" in missing.err


@pytest.mark.slow
def test_hostile_and_odd_queries(semsearch: Command, index: Path) -> None:
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    for query in ("pump " * 20_000, "\x1b[31m [/red] pump", "-- pump", "[/red]", "%s{0}\\", "🙂", "a" * 100_000):
        done = semsearch("search", "-i", index, "--", query)
        assert done.code in (0, 1), (query[:20], done.err)
        assert "\x1b" not in done.out + done.err
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime < 60, "seconds of work, not of waiting"
    assert semsearch("search", "-i", index, "--", "-k").code in (0, 1), "a query may begin with a dash after --"
    assert semsearch("search", "pump", "-i", index, "--color", "pink").code == 2
    assert "Possible options: --format" in semsearch("search", "pump", "--fromat", "json").err


@pytest.mark.slow
def test_links_and_colours_on_a_terminal_only(semsearch: Command, index: Path) -> None:
    always = semsearch("search", "red button", "-i", index, "--color", "always").out
    assert f"file://{index}/pumps.md" in always and "\x1b[" in always
    for flags in ([], ["--color", "never"], ["--color", "auto"]):
        assert "\x1b" not in semsearch("search", "red button", "-i", index, *flags).out


@pytest.mark.slow
def test_a_configured_list_of_settings(semsearch: Command, index: Path) -> None:
    assert semsearch("why", "red button", "pumps.md", "-i", index).code == 0
    low = semsearch("why", "who won the chess championship in 1972", "ferry.txt", "-i", index)
    assert low.code == 1
    assert "nothing that answers well enough" in low.out


@pytest.mark.slow
def test_index_flags_that_choose_files_and_chunks(semsearch: Command, docs: Path) -> None:
    write(docs, {".secret.txt": "hidden words\n", "left.log": "ignored words\n", ".gitignore": "*.log\n"})
    base = ("index", docs, "--model", "static", "--json")
    assert semsearch(*base, "--overlap", "4", "--chunk-size", "32").json["files"]["added"] == 4
    assert semsearch(*base, "--hidden").json["files"]["added"] == 2
    assert semsearch(*base, "--no-ignore").json["files"]["added"] == 1
    assert semsearch(*base, "--include", "*.md", "--prune").json["files"]["removed"] == 6
    (docs / "pumps.md").touch()
    checked = semsearch(*base, "--verify").json["files"]
    assert (checked["unchanged"], checked["changed"]) == (1, 0), "touched, not changed"


@pytest.mark.slow
def test_ask_and_why_take_the_filters_and_the_ranking_of_search(semsearch: Command, index: Path) -> None:
    question = "when does the night ferry leave"
    flags = [
        "-i", index, "--mode", "hybrid", "--alpha", "0.5", "--fusion", "rrf", "--type", "text", "--since", "2000",
        "--before", "2999", "--where", "type=text", "--path", "*.txt",
    ]  # fmt: skip
    answer = semsearch("ask", question, *flags, "--min-score", "0.1", "--json")
    assert answer.json["citations"][0]["path"] == "ferry.txt"
    assert all(hit["type"] == "text" for hit in answer.json["contexts"])
    assert semsearch("ask", question, *flags, "--before", "2001").code == 1
    assert semsearch("why", question, "ferry.txt", *flags, "--group", "file", "-k", "3", "--json").code == 0
    found = semsearch("search", question, *flags, "--no-smoothing", "--group", "file", "-l").out.splitlines()
    assert found[0].endswith("ferry.txt")


def test_a_second_passage_of_a_file_follows_in_text_and_json_alone(semsearch: Command, tmp_path: Path) -> None:
    sections = ("Starting the ferry pump", "Painting the hull", "Starting the spare pump of the ferry")
    filler = "Nobody on the quay has ever said a word about the weather of that week. " * 12
    write(tmp_path / "docs", {
        "manual.md": "".join(f"# {name}\n\n{name} takes {number + 3} minutes. {filler}\n\n"
                             for number, name in enumerate(sections)),
        "note.txt": "The ferry leaves at ten.\n",
    })  # fmt: skip
    index_folders([str(tmp_path / "docs")], None, IndexOptions(model="static"))
    asked = ["search", "starting the ferry pump", "-i", tmp_path / "docs", "--group", "file", "--mode", "lexical"]
    lines = semsearch(*asked).out.splitlines()
    (also,) = (line for line in lines if line.startswith("    also "))
    assert lines[0].startswith("1  ") and "manual.md:" in lines[0] and lines.index(also) == 2
    assert also.startswith("    also line ") and "minutes" in also and len(also) < 260
    first, *others = semsearch(*asked, "--json").json["results"]
    assert first["second"]["chunk_id"] != first["chunk_id"] and first["second"]["score"] <= first["score"]
    assert "path" not in first["second"] and not any("second" in hit for hit in others)
    for flags, count in ((["-l"], 2), (["--format", "vimgrep"], 2), (["--format", "csv"], 3)):
        assert len(semsearch(*asked, *flags).out.splitlines()) == count
