"""`index --device` with the real command: what is not there is told in one line, and the processor goes on."""

from pathlib import Path

import pytest
import torch

from semsearch.index_report import IndexReport
from tests.support.commands import Command

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
NO_CACHE = {"SEMSEARCH_PASSAGE_CACHE": "0"}


@pytest.mark.slow
def test_a_device_that_is_missing(semsearch: Command, notes: Path) -> None:
    done = semsearch("index", notes, "--device", "cuda", "--json", env=NO_CACHE)
    assert done.code == 0 and done.json["chunks"]["encoded"] > 0 and "device" not in done.json, done.err
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("semsearch: cannot encode on the device cuda ("), done.err
    assert done.err.endswith("): encoding on the processor\n"), done.err
    assert semsearch("search", "leek soup", "-i", notes, env={"SEMSEARCH_DEVICE": "cuda"}).err == ""
    assert semsearch("index", notes, "--device", "cuda", env=NO_CACHE).err == "", "nothing is to be encoded"


@pytest.mark.slow
def test_the_setting_and_models_that_need_none(semsearch: Command, notes: Path) -> None:
    done = semsearch("index", notes, "--model", "static", env={"SEMSEARCH_DEVICE": "mps", **NO_CACHE})
    assert done.code == 0
    assert done.err == "semsearch: --device mps: static runs on the processor, as all vectors of tokens\n"
    done = semsearch("index", notes, "--rebuild", "--model", "all-MiniLM-L6-v2", "--device", "cpu", env=NO_CACHE)
    assert (done.code, done.err) == (0, "")


def test_what_is_no_device(semsearch: Command, notes: Path) -> None:
    done = semsearch("index", notes, "--device", "gpu")
    assert done.code == 2
    assert done.err == "semsearch: there is no kind of device called gpu (use auto, cpu, cuda, cuda:N or mps)\n"
    assert not (notes / ".semsearch").exists()


def test_the_report_names_the_device() -> None:
    report = IndexReport("/i")
    report.chunks["encoded"] = 5_000
    report.device = "cuda"
    assert "5,000 chunks encoded on cuda" in report.summary() and report.as_dict()["device"] == "cuda"
