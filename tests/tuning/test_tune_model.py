"""A model is trained, judged by what it did not see, gone on with after a kill, and refused where it cannot be."""

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError, SemsearchError, UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.store.local.reader import Reader
from semsearch.tuning.base_model import base_model_of
from semsearch.tuning.held_out import split_questions
from semsearch.tuning.question_source import QuestionSource
from semsearch.tuning.train_options import TrainOptions
from semsearch.tuning.tune_model import tune_model
from tests.support.commands import Command
from tests.support.folders import PROJECT, write
from tests.support.jargon import documents, questions, silent
from tests.support.tiny_models import make_cross_encoder, make_model
from tests.support.waiting import CEILING_SECONDS, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the jargon corpus made with a random model that wants prefixes."""
    base = tmp_path_factory.mktemp("tiny")
    make_model(base, prompts={"query": "old: ", "document": "the: "})
    write(base / "folder", documents())
    index_folders([str(base / "folder")], str(base / "index"), IndexOptions(model=str(base / "model")))
    return base


def judged() -> QuestionSource:
    queries, qrels = questions()
    return QuestionSource(queries=queries, qrels=qrels)


def files_of(base: Path) -> tuple[Path, Path]:
    """Questions and judgements as files."""
    queries, qrels = questions()
    lines = [json.dumps({"_id": name, "text": text}) + "\n" for name, text in queries.items()]
    (base / "q.jsonl").write_text("".join(lines))
    (base / "judged.tsv").write_text("".join(f"{name} 0 {file} 1\n" for name, of in qrels.items() for file in of))
    return base / "q.jsonl", base / "judged.tsv"


def test_a_trained_model_finds_more_and_is_a_model_like_any_other(semsearch: Command, tmp_path: Path) -> None:
    write(tmp_path / "folder", documents())
    queries, qrels = files_of(tmp_path)
    flags = ("--queries", queries, "--qrels", qrels, "-i", tmp_path / "index", "--output", tmp_path / "ours")
    assert semsearch("index", tmp_path / "folder", "-i", tmp_path / "index").code == 0
    done = semsearch("tune", *flags, "--json", "--batch-size", "16", "--learning-rate", "4e-5")
    assert done.code == 0, done.err
    report = done.json
    assert report["better"] and not report["changed"] and report["questions"] == 32
    assert report["output"] == str(tmp_path / "ours") and report["pairs"] == 128
    assert report["rows"][0]["difference"]["low"] > 0
    assert not (tmp_path / "ours.unfinished").exists()
    card = (tmp_path / "ours" / "README.md").read_text()
    assert "32 questions" in card and "128 pairs" in card and "walrus" not in card
    done = semsearch("tune", *flags)
    assert done.code == 2 and "already there" in done.err
    assert semsearch("index", "--rebuild", "--model", tmp_path / "ours", "-i", tmp_path / "index").code == 0
    assert semsearch("models", "verify", tmp_path / "ours").code == 0
    done = semsearch("search", "which violin needs paint", "-i", tmp_path / "index", "--mode", "dense", "--json")
    assert done.json["results"]


def test_it_trains_and_keeps_what_the_model_wants(tiny: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = tune_model(
        str(tiny / "index"),
        judged(),
        TrainOptions(str(tmp_path / "ours"), epochs=2, learning_rate=1e-3),
        silent,
        lambda *step: told.append(step),
    )
    assert report.pairs == 128 and len(report.rows) == 2
    steps = [(done, total) for name, done, total in told if name == "training"]
    assert steps == [(number, len(steps)) for number in range(1, len(steps) + 1)] and len(steps) >= 8
    info = open_model(resolve(str(tmp_path / "ours")), silent).info
    assert (info.query_prefix, info.passage_prefix, info.window) == ("old: ", "the: ", 64)
    assert info.fingerprint != resolve(str(tiny / "model")).fingerprint
    assert not list(tmp_path.glob("*.unfinished"))


def test_vectors_that_were_cut_stay_so(tiny: Path, tmp_path: Path) -> None:
    """An index of truncated vectors is judged by vectors as short, and the model is trained for both lengths."""
    index_folders([str(tiny / "folder")], str(tmp_path / "index"), IndexOptions(model=str(tiny / "model"), dim=16))
    model = base_model_of(str(tmp_path / "index"))
    assert (model.dim, model.dims) == (16, (48, 16))
    options = TrainOptions(str(tmp_path / "ours"), loss="triplet", learning_rate=1e-3)
    report = tune_model(str(tmp_path / "index"), judged(), options, silent, silent)
    assert report.questions == 32


def test_learning_from_a_cross_encoder(tiny: Path, tmp_path: Path) -> None:
    teacher = make_cross_encoder(tmp_path, steps=5)
    options = TrainOptions(str(tmp_path / "ours"), teacher=str(teacher), learning_rate=1e-3)
    assert options.chosen_loss() == "distillation"
    assert tune_model(str(tiny / "index"), judged(), options, silent, silent).pairs == 128
    for wrong in (TrainOptions("x", loss="distillation"), TrainOptions("x", loss="triplet", teacher="y")):
        with pytest.raises(UsageError, match="belong together"):
            wrong.chosen_loss()


def test_a_model_that_is_not_better_is_not_recommended(tiny: Path, semsearch: Command, tmp_path: Path) -> None:
    """Answers drawn by lot teach nothing about other questions."""
    queries, qrels = files_of(tmp_path)
    files, chance = sorted(documents()), random.Random(3)
    qrels.write_text("".join(f"{name} 0 {chance.choice(files)} 1\n" for name in questions()[1]))
    done = semsearch(
        "tune", "--queries", queries, "--qrels", qrels, "-i", tiny / "index", "--output", tmp_path / "ours",
        "--loss", "multiple-negatives",
    )  # fmt: skip
    assert done.code == 1 and "not surely better: keep the model you have" in done.err
    assert (tmp_path / "ours" / "model.safetensors").is_file()


def test_documents_alone(tiny: Path, tmp_path: Path) -> None:
    """Without questions they are made, and nothing is learnt from the passages that are asked for."""
    folder = tmp_path / "folder"
    write(
        folder,
        {
            f"{number}.md": "".join(
                f"# The old {word} of {number}\n\n{word} {number} runs in the water house all day. "
                f"The valve of {word} {number} stops the tide in the old house. "
                f"Nobody knows how {word} {number} and its pump were made in the house.\n\n"
                for word in ("pump", "valve", "tide")
            )
            for number in range(40)
        },
    )
    index = str(tmp_path / "index")
    index_folders([str(folder)], index, IndexOptions(model=str(tiny / "model")))
    report = tune_model(index, QuestionSource(questions=60), TrainOptions(str(tmp_path / "ours")), silent, silent)
    assert report.questions >= 20 and report.pairs is not None and report.pairs > report.questions
    assert any("made from the documents" in notice for notice in report.notices)


def test_an_interrupted_run_goes_on(tiny: Path, tmp_path: Path) -> None:
    """Ended while it trains, the command leaves no model; the same command then ends well."""
    queries, qrels = files_of(tmp_path)
    command = [
        sys.executable, "-m", "semsearch", "tune", "-i", tiny / "index", "--queries", queries, "--qrels", qrels,
        "--epochs", "3", "--output", tmp_path / "ours",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    unfinished = tmp_path / "ours.unfinished"
    wait_until((unfinished / "key").exists, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=CEILING_SECONDS)
    assert process.returncode == 130 and "run again" in errors and not (tmp_path / "ours").exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode in (0, 1), again.stderr
    assert (tmp_path / "ours" / "model.safetensors").is_file() and not unfinished.exists()


def test_two_runs_do_not_write_one_folder(tiny: Path, semsearch: Command, tmp_path: Path) -> None:
    from semsearch.file_lock import WriterLock

    queries, qrels = files_of(tmp_path)
    (tmp_path / "ours.unfinished").mkdir()
    with WriterLock(str(tmp_path / "ours.unfinished" / "lock"), wait=False):
        done = semsearch(
            "tune", "--queries", queries, "--qrels", qrels, "-i", tiny / "index", "--output", tmp_path / "ours"
        )
    assert done.code == 75 and "another run" in done.err


def test_what_cannot_be_trained(tiny: Path, notes: Path, tmp_path: Path, semsearch: Command) -> None:
    index_folders([str(notes)], str(tmp_path / "static"), IndexOptions(model="static"))
    with pytest.raises(ModelError, match="static cannot be trained"):
        tune_model(str(tmp_path / "static"), judged(), TrainOptions(str(tmp_path / "ours")), silent, silent)
    queries, qrels = questions()
    few = QuestionSource(queries=queries, qrels=dict(list(qrels.items())[:30]))
    with pytest.raises(UsageError, match="30 questions are too few"):
        tune_model(str(tiny / "index"), few, TrainOptions(str(tmp_path / "ours")), silent, silent)
    assert "only a model" in semsearch("tune", "-i", tiny / "index", "--epochs", "3", "--dry-run").err
    (tmp_path / "mine.unfinished" / "letters").mkdir(parents=True)
    with pytest.raises(UsageError, match="not by tune"):
        tune_model(str(tiny / "index"), few, TrainOptions(str(tmp_path / "mine")), silent, silent)
    for wrong in ({"epochs": 0}, {"batch_size": 1}, {"learning_rate": 2.0}):
        with pytest.raises(UsageError):
            tune_model(str(tiny / "index"), few, TrainOptions(str(tmp_path / "ours"), **wrong), silent, silent)  # type: ignore[arg-type]
    flags = ("-i", tiny / "index", "--output", tmp_path / "ours")
    assert "exclude each other" in semsearch("tune", *flags, "--adapter").err
    assert "both bring questions" in semsearch("tune", *flags, "--pairs", "x", "--llm", "y").err
    assert "no loss" in semsearch("tune", *flags, "--loss", "hinge").err
    assert semsearch("tune", *flags, "--teacher", "nobody/knows").code == 2
    assert "names a server" in semsearch("tune", "--base-url", "http://127.0.0.1:9/v1", *flags).err
    assert not list(tmp_path.glob("ours*"))


def test_too_little_memory_or_a_missing_package_is_said_before(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from semsearch.tuning import train_memory

    with pytest.raises(ValueError, match="needs 112 GB of memory"):
        train_memory.check_memory(7_000_000_000, "cpu")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SemsearchError, match="needs the package accelerate"):
        tune_model(str(tiny / "index"), judged(), TrainOptions(str(tmp_path / "ours")), silent, silent)


def test_a_failing_trainer_says_why(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "model"
    shutil.copytree(tiny / "model", broken)
    index_folders([str(tiny / "folder")], str(tmp_path / "index"), IndexOptions(model=str(broken)))
    (broken / "1_Pooling" / "config.json").write_text("{}")
    with pytest.raises(SemsearchError) as raised:
        tune_model(str(tmp_path / "index"), judged(), TrainOptions(str(tmp_path / "ours")), silent, silent)
    assert "\n" not in raised.value.message and not (tmp_path / "ours").exists()


def test_halves_share_no_question(tiny: Path) -> None:
    source = judged()
    reader = Reader(str(tiny / "index"))
    reader.close()
    from semsearch.evaluation.query_sets import labelled

    one = labelled(str(tiny / "index"), "labelled", source.queries, source.qrels, [])
    for name in list(one.qrels)[:9]:  # the same question under another id, written otherwise
        one.queries[name + "b"] = one.queries[name].upper() + " "
        one.qrels[name + "b"] = one.qrels[name]
    held_out, rest = split_questions([one])
    asked = [{" ".join(text.lower().split()) for text in part[0].queries.values()} for part in (held_out, rest)]
    assert not asked[0] & asked[1]
    assert not set(held_out[0].qrels) & set(rest[0].qrels)
    assert set(held_out[0].qrels) | set(rest[0].qrels) == set(one.qrels)
    assert split_questions([one]) == (held_out, rest)
