"""Training in its own process: a big batch in small ones, and a run that was cut off."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.conftest import PROJECT
from tests.embedding.tiny import make_model
from tests.tuning.jargon import documents


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


def start(folder: Path, model: Path, setup: str = "", **more: object) -> "subprocess.Popen[str]":
    """The trainer at work in `folder`; `setup`: what is changed in the module `train` before."""
    folder.mkdir(exist_ok=True)
    corpus = sorted(str(text) for text in documents().values())
    records = [
        {"query": f"which {text.split()[1]} {number}", "positive": text, "negatives": [corpus[100 + number]]}
        for number, text in enumerate(corpus[:64])
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    job = {
        "folder": str(model), "window": 64, "query_prefix": "", "passage_prefix": "",
        "rows": str(folder / "rows.jsonl"), "target": str(folder / "out"), "checkpoints": str(folder / "checkpoints"),
        "loss": "multiple-negatives", "epochs": 1, "batch_size": 32, "learning_rate": 1e-3, "dims": [], **more,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    code = f"import sys\nfrom semsearch.tuning import train\n{setup}\ntrain.main(sys.argv[1])"
    return subprocess.Popen(
        [sys.executable, "-c", code, folder / "job.json"], cwd=PROJECT, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def weights(folder: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = load_file(folder / "out" / "model.safetensors")
    return found


def test_a_big_batch_is_learnt_from_in_small_ones(model: Path, tmp_path: Path) -> None:
    """Where memory is short the cached loss is taken, whose gradients are those of the whole batch."""
    # Without dropout, which is drawn anew for each small batch.
    still = "import torch\ntorch.nn.Dropout.forward = lambda self, values: values"
    short = still + "\ntrain._room = lambda device: 4 * 2 * 34 * 64 * 48 * 2"
    for name, setup in (("whole", still), ("small", short)):
        assert start(tmp_path / name, model, setup).wait() == 0
    whole, small = weights(tmp_path / "whole"), weights(tmp_path / "small")
    before = load_file(model / "model.safetensors")
    moved = np.mean([float(np.abs(whole[name] - before[name]).mean()) for name in whole])
    apart = np.mean([float(np.abs(whole[name] - small[name]).mean()) for name in whole])
    assert moved > 1e-4 and apart < 0.1 * moved


def test_a_killed_run_goes_on_from_its_last_whole_checkpoint(model: Path, tmp_path: Path) -> None:
    often = "train._SECONDS_A_CHECKPOINT = 0"
    assert start(tmp_path / "whole", model, epochs=10).wait() == 0
    process = start(tmp_path / "cut", model, often, epochs=10)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["step"] == 7:
            process.kill()
    process.wait()
    assert not (tmp_path / "cut" / "out").exists()
    # Being written when it was cut off.
    (tmp_path / "cut" / "checkpoints" / "checkpoint-19").mkdir()
    again = start(tmp_path / "cut", model, epochs=10)
    assert again.stdout is not None
    steps = [json.loads(line)["step"] for line in again.stdout]
    assert again.wait() == 0 and 5 <= steps[0] <= 9 and steps[-1] == 20
    for name, value in weights(tmp_path / "whole").items():
        np.testing.assert_allclose(weights(tmp_path / "cut")[name], value, atol=1e-5)


def test_weights_that_are_no_numbers_are_not_written(model: Path, tmp_path: Path) -> None:
    process = start(tmp_path / "run", model, learning_rate=0.9, epochs=1, setup=(
        "import torch\nadam = torch.optim.AdamW.step\n"
        "def step(self, *a, **k):\n  [p.data.fill_(float('nan')) for g in self.param_groups for p in g['params']]\n"
        "torch.optim.AdamW.step = step"
    ))  # fmt: skip
    assert process.wait() == 1 and not (tmp_path / "run" / "out").exists()
