"""A process that encodes beside the prepared model, here on the processor, as the tests have no GPU."""

import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding import gpu_embedder
from semsearch.embedding.embedder import Embedder
from semsearch.embedding.gpu_embedder import GpuEmbedder, GpuProcess, NoGpuError, least_agreement, on_gpu
from semsearch.embedding.gpu_process import GpuJob, Reply
from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.embedding.torch_runtime import load_transformer
from semsearch.embedding.truncated_embedder import TruncatedEmbedder
from tests.support.tiny_models import make_model

pytestmark = pytest.mark.slow

TEXTS = ["The rotor turns.", "Gusts exceed eleven metres a second at the harbour. " * 12, "tide"]
SOURCE = resolve("all-MiniLM-L6-v2")
JOB = GpuJob(SOURCE.name, SOURCE.folder, False, "cpu", 256)


@pytest.fixture(scope="module")
def prepared() -> Embedder:
    return open_model(SOURCE, print)


@pytest.fixture(scope="module")
def process() -> GpuProcess:
    return GpuProcess(JOB)


def test_passages_are_those_of_the_model_and_queries_those_of_the_prepared_one(
    prepared: Embedder, process: GpuProcess
) -> None:
    told: list[str] = []
    embedder = GpuEmbedder(prepared, process, told.append)
    assert least_agreement("onnx-int8") <= embedder.agreement() < 0.9999 and embedder.precision == "float32"
    counts: list[int] = []
    vectors = embedder.encode(TEXTS, counts.append)
    reference = load_transformer(SOURCE.folder, False, None, "cpu").encode(TEXTS, show_progress_bar=False)
    assert (vectors * reference).sum(axis=1).min() >= 0.99999 and sum(counts) == 3 and embedder.encoded == 3
    assert (embedder.encode_query("tide") == prepared.encode_query("tide")).all()
    assert embedder.info == prepared.info and embedder.encode([]).shape == (0, 384) and told == []


def test_vectors_are_cut_as_the_model_is(prepared: Embedder, process: GpuProcess) -> None:
    cut = TruncatedEmbedder(prepared, 64, prepared.info.calibration)
    embedder = GpuEmbedder(cut, process, print)
    assert embedder.agreement() >= 0.98
    vectors = embedder.encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert (vectors * cut.encode(TEXTS)).sum(axis=1).min() >= 0.97


class SmallMemory:
    """`process`, whose device has no memory for texts of more than so many characters."""

    def __init__(self, process: GpuProcess, most: int) -> None:
        self.device, self._process, self._most = process.device, process, most

    def encode(self, texts: Sequence[str], single: bool = False) -> Reply:
        fit = [place for place, text in enumerate(texts) if len(text) <= self._most]
        return replace(self._process.encode([texts[place] for place in fit], single), places=np.array(fit, np.int64))


@pytest.mark.parametrize("most", [100, 0])
def test_passages_that_do_not_fit_are_encoded_on_the_processor(
    prepared: Embedder, process: GpuProcess, most: int
) -> None:
    told: list[str] = []
    embedder = GpuEmbedder(prepared, SmallMemory(process, most), told.append)
    embedder.agreement()
    expected, counts = prepared.encode(TEXTS), list[int]()
    for _ in range(2):
        vectors = embedder.encode(TEXTS, counts.append)
        assert (vectors[1] == expected[1]).all() and (vectors * expected).sum(axis=1).min() >= 0.97
    assert sum(counts) == 6
    count = "1 passage" if most else "3 passages"
    assert told == [f"the memory of cpu is too small for {count}: encoded on the processor"]


def test_a_process_that_dies_leaves_the_rest_to_the_processor(prepared: Embedder) -> None:
    told: list[str] = []
    embedder = on_gpu(prepared, JOB, told.append)
    assert isinstance(embedder, GpuEmbedder) and len(told) == 1
    assert told[0].startswith("encoding on the GPU cpu in float32 (mean cosine with the processor 0.99")
    assert embedder._process is not None
    embedder._process._process.kill()
    for _ in range(2):
        assert (embedder.encode(TEXTS) == prepared.encode(TEXTS)).all()
    assert told[1:] == ["the GPU cpu has failed (ended by signal 9): encoding on the processor"]


def test_a_process_that_hangs_leaves_the_rest_to_the_processor(
    prepared: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    process = GpuProcess(JOB)
    embedder = GpuEmbedder(prepared, process, told.append)
    process._process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(gpu_embedder, "_PATIENCE_SECONDS", 1.0)
    assert (embedder.encode(TEXTS) == prepared.encode(TEXTS)).all()
    assert told == ["the GPU cpu has failed (no answer within 1 s): encoding on the processor"]
    assert process._process.poll() == -signal.SIGKILL


@pytest.mark.parametrize("asked", ["cuda:99", "mps", "auto"])
def test_a_device_that_is_not_there(prepared: Embedder, asked: str) -> None:
    told: list[str] = []
    job = replace(JOB, asked=asked)
    try:
        GpuProcess(job)
    except NoGpuError:
        assert on_gpu(prepared, job, told.append) is prepared
        if asked == "auto":
            assert told == []
        else:
            assert len(told) == 1 and told[0].startswith(f"cannot encode on the device {asked} (")
    else:
        pytest.skip(f"this machine has the device {asked}")


def test_a_model_that_disagrees_or_does_not_load_is_not_used(
    prepared: Embedder, made_once: Callable[[str, Callable[[Path], Path]], Path], tmp_path: Path
) -> None:
    told: list[str] = []
    other = made_once("gpu-other", lambda folder: make_model(folder, dim=384))
    assert on_gpu(prepared, replace(JOB, folder=str(other), window=64), told.append) is prepared
    assert on_gpu(prepared, replace(JOB, folder=str(tmp_path)), told.append) is prepared
    cut = shutil.copytree(other, tmp_path / "cut", ignore=shutil.ignore_patterns("*.safetensors"))
    (cut / "pytorch_model.bin").touch()
    assert on_gpu(prepared, replace(JOB, folder=str(cut)), told.append) is prepared
    assert "EOFError" in told.pop(), told
    assert len(told) == 2 and "disagrees with the processor (mean cosine" in told[0], told
    assert told[1].startswith("cannot encode on the device cpu (") and "\n" not in told[1], told
