"""Training in its own process: a big batch in small ones, and a run that was cut off."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from semsearch.tuning.batches import batches
from semsearch.tuning.train_job import LOSSES
from tests.support.folders import PROJECT
from tests.support.jargon import documents
from tests.support.tiny_models import make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


def start(folder: Path, model: Path, setup: str = "", **more: object) -> "subprocess.Popen[str]":
    """The trainer at work in `folder`; `setup`: what is changed in the module `train` before."""
    folder.mkdir(exist_ok=True)
    corpus = sorted(str(text) for text in documents().values())
    records = [
        {
            "query": f"which {text.split()[1]} {number}",
            "positive": text,
            "negatives": [corpus[100 + number]],
            "scores": [3.0, -2.0],
        }
        for number, text in enumerate(corpus[:64])
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    job = {
        "folder": str(model), "window": 64, "query_prefix": "", "passage_prefix": "",
        "rows": str(folder / "rows.jsonl"), "target": str(folder / "out"), "checkpoints": str(folder / "checkpoints"),
        "loss": "multiple-negatives", "epochs": 1, "batch_size": 32, "learning_rate": 1e-3,
        "dims": [], "batches": None, **more,
    }  # fmt: skip
    if job["loss"] == "multiple-negatives":
        job["batches"] = batches(records, int(str(job["batch_size"])))
    (folder / "job.json").write_text(json.dumps(job))
    code = f"import sys\nfrom semsearch.tuning import train_process as train\n{setup}\ntrain.main(sys.argv[1])"
    return subprocess.Popen(
        [sys.executable, "-c", code, folder / "job.json"], cwd=PROJECT, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def weights(folder: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = load_file(folder / "out" / "model.safetensors")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_that_does_not_fit_is_learnt_from_in_parts(model: Path, tmp_path: Path, loss: str) -> None:
    """Where memory is short, parts are computed one after another (by the cached loss, or added up): the gradients are
    those of the whole batch."""
    # Without dropout, which is drawn anew for each part.
    still = "import torch\ntorch.nn.Dropout.forward = lambda self, values: values\n"
    short = still + "train.texts_at_once = lambda model, tokens, where: 12"
    for name, setup in (("whole", still), ("parts", short)):
        assert start(tmp_path / name, model, setup, loss=loss).wait() == 0
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    before = load_file(model / "model.safetensors")
    moved = np.mean([float(np.abs(whole[name] - before[name]).mean()) for name in whole])
    apart = np.mean([float(np.abs(whole[name] - parts[name]).mean()) for name in whole])
    assert moved > 1e-4 and apart < 0.1 * moved


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(model: Path, tmp_path: Path) -> None:
    often = "train._SECONDS_A_CHECKPOINT = train._SAVES_A_CHECKPOINT = 0"
    assert start(tmp_path / "whole", model, epochs=30).wait() == 0
    process = start(tmp_path / "cut", model, often, epochs=30)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["step"] == 7:
            process.kill()
    process.wait()
    assert not (tmp_path / "cut" / "out").exists()
    # Being written when it was cut off.
    (tmp_path / "cut" / "checkpoints" / "checkpoint-999").mkdir()
    again = start(tmp_path / "cut", model, epochs=30)
    assert again.stdout is not None
    steps = [json.loads(line)["step"] for line in again.stdout]
    assert again.wait() == 0 and 5 <= steps[0] < 60 and steps[-1] == 60
    for name, value in weights(tmp_path / "whole").items():
        np.testing.assert_allclose(weights(tmp_path / "cut")[name], value, atol=1e-5)


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_not_written(model: Path, tmp_path: Path) -> None:
    process = start(tmp_path / "run", model, learning_rate=0.9, epochs=1, setup=(
        "import torch\nadam = torch.optim.AdamW.step\n"
        "def step(self, *a, **k):\n  [p.data.fill_(float('nan')) for g in self.param_groups for p in g['params']]\n"
        "torch.optim.AdamW.step = step"
    ))  # fmt: skip
    assert process.wait() == 1 and not (tmp_path / "run" / "out").exists()


@pytest.mark.slow
def test_few_pairs_are_learnt_from(model: Path, tmp_path: Path) -> None:
    """One step is no warm-up."""
    assert start(tmp_path / "run", model, batch_size=64).wait() == 0
    before = load_file(model / "model.safetensors")
    assert any(np.abs(value - before[name]).max() > 0 for name, value in weights(tmp_path / "run").items())


@pytest.mark.slow
def test_half_precision_is_trained_in_single(model: Path, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    half = SentenceTransformer(str(model), device="cpu").to(torch.bfloat16)
    half.save(str(tmp_path / "half"))
    assert start(tmp_path / "run", tmp_path / "half", learning_rate=1e-6).wait() == 0
    assert all(value.dtype == np.float32 for value in weights(tmp_path / "run").values() if value.dtype.kind == "f")
