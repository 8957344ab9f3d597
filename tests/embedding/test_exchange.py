"""A prepared model goes to another machine in one file, and no file brings anything else."""

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.embedding.exchange import export_model, import_model
from semsearch.embedding.open import open_model
from semsearch.embedding.resolve import resolve
from semsearch.errors import ModelError
from tests.support.commands import Command
from tests.support.tiny_models import make_family, make_model


@pytest.fixture
def exported() -> bytes:
    """The packaged model as a file."""
    out = io.BytesIO()
    export_model("all-MiniLM-L6-v2", out, lambda message: None)
    return out.getvalue()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, which is used from now on."""
    cache = tmp_path / "elsewhere"
    monkeypatch.setenv("SEMSEARCH_CACHE", str(cache))
    return cache


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {one.name: opened.extractfile(one).read() for one in opened}  # type: ignore[union-attr]


def packed(files: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] = lambda member: None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            change(member)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_what_was_exported_is_the_same_elsewhere_and_twice(exported: bytes, elsewhere: Path) -> None:
    info = import_model(io.BytesIO(exported), "x.tar")
    assert info.name == "all-MiniLM-L6-v2"
    (folder,) = elsewhere.iterdir()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == members(exported)
    assert folder.stat().st_mode & 0o777 == 0o700 and all(
        one.stat().st_mode & 0o777 == 0o600 for one in folder.iterdir()
    )
    again = io.BytesIO()
    export_model("all-MiniLM-L6-v2", again, lambda message: None)
    assert again.getvalue() == exported
    assert str(Path.home()) not in json.dumps(json.loads(members(exported)["model.json"]))


@pytest.mark.slow
def test_a_model_whose_weights_are_not_there_is_known_by_its_name(
    tmp_path: Path, semsearch: Command, notes: Path
) -> None:
    folder = tmp_path / "e5-small-v2"
    shutil.copytree(make_model(tmp_path / "made"), folder)
    ours = {"SEMSEARCH_CACHE": str(tmp_path / "ours")}
    theirs = {"SEMSEARCH_CACHE": str(tmp_path / "theirs")}
    told = semsearch("models", "prepare", folder, env=ours)
    assert told.code == 0 and "48 numbers, prepared in" in told.out and "MB of weights" in told.err, told.err
    assert "prepared before" in semsearch("models", "prepare", folder, env=ours).out
    assert semsearch("models", "export", folder, tmp_path / "e5.tar", env=ours).code == 0
    shutil.rmtree(folder)
    done = semsearch("index", notes, "--model", "e5-small-v2", env=theirs)
    assert done.code == 2 and "no model called e5-small-v2" in done.err
    done = semsearch("models", "import", tmp_path / "e5.tar", env=theirs)
    assert done.code == 0 and "48 numbers, onnx-int8" in done.out, done.err
    assert semsearch("index", notes, "--model", "e5-small-v2", "-q", env=theirs).code == 0
    assert semsearch("search", "roses", "-i", notes, "--min-score", "0", "--mode", "dense", env=theirs).code == 0
    assert not list(tmp_path.glob("*.part"))


def test_archives_that_are_none(exported: bytes, elsewhere: Path) -> None:
    files = members(exported)
    record = json.loads(files["model.json"])
    model = {"model.ort": files["model.ort"], "tokenizer.json": files["tokenizer.json"]}

    def told(**changes: object) -> dict[str, bytes]:
        return {"model.json": json.dumps({**record, **changes}).encode(), **model}

    def link(member: tarfile.TarInfo) -> None:
        if member.name == "tokenizer.json":
            member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0

    middle = len(files["model.ort"]) // 2
    broken = {**files, "model.ort": files["model.ort"][:middle] + b"x" + files["model.ort"][middle + 1 :]}
    wrong = {**record["info"], "dim": 12}
    cases = {
        "does not begin with model.json": packed(model),
        "holds '../x'": packed({"model.json": files["model.json"], "../x": b"", **model}),
        "holds 'vectors.npy'": packed({**files, "vectors.npy": b"x"}),
        "holds 'tokenizer.json'": packed(files, link),
        "lacks tokenizer.json": packed({"model.json": files["model.json"], "model.ort": files["model.ort"]}),
        "format 3": packed(told(format=3)),
        "KeyError": packed({"model.json": b"{}", **model}),
        "describes another kind": packed(told(info={**record["info"], "runtime": "torch-fp32"})),
        "another kind of model": packed(told(info={**record["info"], "fingerprint": "../" * 20 + "abcd"})),
        "model.ort is not what was exported": packed(broken),
        "has no checksums": packed(told(sha256={})),
        "makes vectors of 384 numbers, not 12": packed(told(info=wrong)),
        "unexpected end of data": exported[: len(exported) // 2],
    }
    for said, archive in cases.items():
        with pytest.raises(ModelError, match=r"x\.tar") as raised:
            import_model(io.BytesIO(archive), "x.tar")
        assert said in raised.value.message, (said, raised.value.message)
    assert not list(elsewhere.iterdir())


@given(st.binary(max_size=2_000))
def test_no_bytes_are_taken_for_a_model(content: bytes) -> None:
    with pytest.raises(ModelError, match="no model that semsearch exported"):
        import_model(io.BytesIO(content), "x")


def test_a_model_for_other_processors_is_refused(
    exported: bytes, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = members(exported)
    record = {**json.loads(files["model.json"]), "largest_weight": 127}
    archive = packed({**files, "model.json": json.dumps(record).encode()})
    monkeypatch.setattr("semsearch.embedding.export.onnx_model.largest_weight", lambda: 63)
    with pytest.raises(ModelError, match="prepared for processors"):
        import_model(io.BytesIO(archive), "x.tar")


@pytest.mark.slow
def test_one_that_pytorch_runs_is_told(tmp_path: Path, elsewhere: Path) -> None:
    folder = make_family(tmp_path, "fnet")
    with pytest.raises(ModelError, match="run by PyTorch from its folder"):
        export_model(str(folder), io.BytesIO(), lambda message: None)


def test_an_imported_model_replaces_a_damaged_one(exported: bytes, elsewhere: Path) -> None:
    import_model(io.BytesIO(exported), "x.tar")
    (folder,) = elsewhere.iterdir()
    os.truncate(folder / "model.ort", 100)
    import_model(io.BytesIO(exported), "x.tar")
    embedder = open_model(resolve("all-MiniLM-L6-v2"), lambda message: None)
    np.testing.assert_allclose(np.linalg.norm(embedder.encode_query("the tide")), 1, rtol=1e-5)
