"""Which device is asked for, and which there is: none but the processor where the tests run."""

import subprocess
import sys

import pytest
import torch

from semsearch.embedding.device import asked_device, device_name, find_device, may_have_gpu
from semsearch.errors import UsageError


@pytest.mark.parametrize("asked", ["auto", "cpu", "mps", "cuda", "cuda:1"])
def test_devices_that_may_be_asked_for(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("SEMSEARCH_DEVICE", asked)
    assert asked_device() == asked


@pytest.mark.parametrize("asked", ["gpu", "cuda:", "cuda:x", "cpu:0", "CUDA"])
def test_what_is_no_device_is_refused(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("SEMSEARCH_DEVICE", asked)
    with pytest.raises(UsageError, match="no kind of device"):
        asked_device()


def test_a_device_that_is_not_there_is_told_with_its_reason() -> None:
    assert find_device("cpu") == ("cpu", "") and device_name("cpu") == "cpu"
    device, missing = find_device(f"cuda:{torch.cuda.device_count()}")
    assert device == "cpu" and missing and "\n" not in missing


@pytest.mark.skipif(may_have_gpu(), reason="this machine may have a GPU")
def test_a_machine_without_a_gpu_is_known_without_torch() -> None:
    code = (
        "import sys; from semsearch.embedding.device import may_have_gpu as may;"
        "assert not may(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
