"""`models export` and `models import`: a prepared model as one file, for images and machines without a network."""

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from typing import IO, Any

from semsearch.callbacks import Announce
from semsearch.embedding.cache import FORMAT, cache_path, make_cache, read_info
from semsearch.embedding.fingerprint import FINGERPRINT
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import load, open_model
from semsearch.embedding.rerankers import only_reranks
from semsearch.embedding.resolve import STATIC, resolve
from semsearch.embedding.sparse_head import head_of
from semsearch.errors import ModelError
from semsearch.private_files import create, inherit

_RECORD = "model.json"
# Runtime -> the files that it needs beside the record.
_FILES = {
    "onnx-int8": ("model.ort", "tokenizer.json"),
    "onnx-fp32": ("model.ort", "tokenizer.json"),
    "static": ("vectors.npy", "tokenizer.json"),
}
# Bytes of the record and of another file.
_LARGEST_RECORD = 1 << 20
_LARGEST_FILE = 1 << 33
_PIECE = 1 << 20


def export_model(name: str, out: IO[bytes], announce: Announce) -> None:
    """Writes the model `name` to `out` as a tar archive; it is prepared first where it is not. Raises `ModelError`."""
    source = resolve(name)
    if source.kind == "api":
        raise ModelError(f"{name} is behind an API: there is nothing to export", "", code="model_not_found")
    if head_of(source.folder) == "sparse-encoder":
        raise ModelError(
            f"{name} makes learned sparse vectors, for which a machine needs its folder {source.folder}",
            "copy that folder, and name the copy with: semsearch index --sparse FOLDER",
        )
    if only_reranks(source.folder):
        raise ModelError(
            f"{name} is a reranker, for which a machine needs its folder {source.folder}",
            "copy that folder, and name the copy with: semsearch search QUERY --rerank=FOLDER",
        )
    info = open_model(source, announce).info
    if info.runtime not in _FILES:
        raise ModelError(
            f"{name} is run by PyTorch from its folder {source.folder}", "copy that folder, and name the copy"
        )
    path = source.cache_path()
    record = read_info(path)
    assert record is not None
    names = _FILES[info.runtime]
    told = _as_json({**record, "sha256": {name: _digest(os.path.join(path, name)) for name in names}})
    with tarfile.open(fileobj=out, mode="w|") as archive:
        archive.addfile(_member(_RECORD, len(told)), io.BytesIO(told))
        for file_name in names:
            with open(os.path.join(path, file_name), "rb") as file:
                archive.addfile(_member(file_name, os.fstat(file.fileno()).st_size), file)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """The same for the same content, whoever exports it and when."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def import_model(file: IO[bytes], called: str) -> ModelInfo:
    """Puts the model that `export_model` wrote into the cache; what is there already is replaced.

    `called`: how errors name the file. Raises `ModelError` where it holds no such model, or none for this processor.
    """
    make_cache()
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            return _import(archive, called)
    except (tarfile.TarError, EOFError) as error:
        raise _no_model(called, str(error)) from None


def _import(archive: tarfile.TarFile, called: str) -> ModelInfo:
    first = archive.next()
    if first is None or first.name != _RECORD or not first.isreg() or first.size > _LARGEST_RECORD:
        raise _no_model(called, f"it does not begin with {_RECORD}")
    record, info = _record(archive, first, called)
    path = cache_path("static" if info.name == STATIC else "model", info.fingerprint)
    working = tempfile.mkdtemp(prefix=".preparing-", dir=os.path.dirname(path))
    try:
        missing = list(_FILES[info.runtime])
        while (member := archive.next()) is not None:
            if member.name not in missing or not member.isreg() or member.size > _LARGEST_FILE:
                raise _no_model(called, f"it holds {member.name!r}")
            missing.remove(member.name)
            content = archive.extractfile(member)
            assert content is not None  # it is a regular file
            if _write(content, os.path.join(working, member.name)) != member.size:
                raise EOFError(f"{member.name} is cut off")
        if missing:
            raise _no_model(called, f"it lacks {missing[0]}")
        for name in _FILES[info.runtime]:
            if _digest(os.path.join(working, name)) != record["sha256"][name]:
                raise _no_model(called, f"{name} is not what was exported")
        _write(io.BytesIO(_as_json(record)), os.path.join(working, _RECORD))
        _check_opens(working, info, called)
        inherit(working)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(working, path)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return info


def _record(archive: tarfile.TarFile, member: tarfile.TarInfo, called: str) -> tuple[dict[str, Any], ModelInfo]:
    content = archive.extractfile(member)
    assert content is not None  # it is a regular file
    try:
        record = json.loads(content.read())
        info = ModelInfo.from_dict(record["info"])
        told = record["format"], int(record["largest_weight"])
        digests = record["sha256"]
        if not isinstance(digests, dict) or not set(_FILES.get(info.runtime, ())) <= set(digests):
            raise ValueError("it has no checksums")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _no_model(called, f"{_RECORD}: {error!r}") from None
    if told[0] != FORMAT:
        raise ModelError(
            f"{called} was exported by another version of semsearch (format {told[0]}, here {FORMAT})",
            "export it again with this version",
        )
    if info.runtime not in _FILES or not FINGERPRINT.fullmatch(info.fingerprint):
        raise _no_model(called, f"{_RECORD} describes another kind of model")
    from semsearch.embedding.export.onnx_model import largest_weight

    if info.runtime == "onnx-int8" and told[1] > largest_weight():
        raise ModelError(
            f"{called} was prepared for processors that add products of 8 bits up in 32 (VNNI); this one does not",
            "export it on a machine with a processor like this one",
        )
    return record, info


def _digest(path: str) -> str:
    """SHA-256 of the file `path` in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(content: IO[bytes], path: str) -> int:
    """Writes `content` to the file `path`; returns how many bytes it was."""
    with open(create(path), "wb") as file:
        shutil.copyfileobj(content, file, _PIECE)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _as_json(record: dict[str, Any]) -> bytes:
    """`record` for a machine where its weights are not."""
    return json.dumps({**record, "folder": "", "trusted": False}, indent=1).encode()


def _check_opens(folder: str, info: ModelInfo, called: str) -> None:
    """Raises `ModelError` where the model in `folder` does not make vectors as `info` says."""
    try:
        load(folder, info.name).encode_query("the tide rises")
    except ModelError as error:
        raise _no_model(called, error.message) from None


def _no_model(called: str, why: str) -> ModelError:
    return ModelError(
        f"{called} is no model that semsearch exported: {why}", "make one with: semsearch models export NAME FILE"
    )
