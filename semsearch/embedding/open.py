"""Opens models as Embedders; prepares them on this machine first where that was not done yet."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from semsearch.callbacks import Announce
from semsearch.embedding import kept_models
from semsearch.embedding.cache import cache_path, damaged_model, prepare_model, read_info, write_info
from semsearch.embedding.embedder import Embedder
from semsearch.embedding.fingerprint import FINGERPRINT
from semsearch.embedding.model_info import Calibration, ModelInfo
from semsearch.embedding.model_table import ModelCard, card_of
from semsearch.embedding.rerankers import only_reranks
from semsearch.embedding.resolve import STATIC, ModelSource, api_source, is_default, resolve
from semsearch.embedding.sparse_head import head_of
from semsearch.errors import ModelError, for_shell
from semsearch.settings import DEFAULT_MODEL, cache_folder, default_model

if TYPE_CHECKING:
    from semsearch.chunking.tokenizers import SubwordTokenizer
    from semsearch.embedding.api_runtime import Provider


def check_reachable(source: ModelSource) -> None:
    """Raises `ModelError` when the client or the key of a provider's model is missing; sends nothing."""
    if source.kind == "api" and source.card is not None:
        _connect(source.card)(source.card, source.dim)


def open_model(source: ModelSource, announce: Announce, recorded: Calibration | None = None) -> Embedder:
    """The Embedder of `source`; it is prepared first where the cache lacks it, which `announce` is told.

    `recorded`: the calibration of its truncated vectors, where it was measured before. Raises `ModelError`.
    """
    path = source.cache_path()
    if source.kind == "api":
        return _open_api(source, path, announce)
    if read_info(path) is None:
        _refuse_other_kinds(source)
        announce(f"preparing {source.name} for this machine, once (cached in {cache_folder()})")
        kind = STATIC if source.kind == STATIC else "transformer"
        prepare_model(source.name, source.folder, source.fingerprint, kind, path, source.trust)
    return _truncated(_opened(path, source.name), source.dim, recorded)


def _refuse_other_kinds(source: ModelSource) -> None:
    """Raises `ModelError` for a model that makes learned sparse vectors and no others, and for a reranker."""
    if head_of(source.folder) == "sparse-encoder":
        raise ModelError(
            f"the model {source.name} makes learned sparse vectors, which stand beside those of another model",
            f"name it with: semsearch index --sparse {for_shell(source.name)}",
        )
    if only_reranks(source.folder):
        raise ModelError(
            f"the model {source.name} is a reranker, which orders what is found anew",
            f"name it with: semsearch search QUERY --rerank={for_shell(source.name)}",
        )


def open_recorded(info: ModelInfo, announce: Announce) -> Embedder:
    """The Embedder that made an index, which recorded `info`; needs no weights while the prepared model is cached.

    Raises `ModelError` where this machine has another model under the name, or none.
    """
    if not FINGERPRINT.fullmatch(info.fingerprint):
        # It becomes a path, and an index may come from anywhere.
        raise ModelError("the index records no valid model fingerprint", "remove the index and make it anew")
    if info.is_api:
        source = api_source(info.name, card_of(info.name))
        assert source.card is not None
        if (info.runtime, info.fingerprint) != (f"api-{source.card.kind}", source.fingerprint):
            raise ModelError(
                f"the index was made with {info.name} of another server, or names it wrongly",
                f"re-encode it with: semsearch index --rebuild --model {for_shell(source.name)}",
                code="model_mismatch",
            )
        known = read_info(source.cache_path())
        if known is None or known["info"]["dim"] != info.dim:
            source = replace(source, dim=info.dim)
        if read_info(source.cache_path()) is None:
            _refuse_unnamed(source.name)
        return check_same(_open_api(source, source.cache_path(), announce), info)
    path = _prepared_folder(info)
    if read_info(path) is None:
        _refuse_unnamed(info.name)
        source = resolve(info.name)
        if source.fingerprint != info.fingerprint:
            raise ModelError(
                f"the index was made with {info.name} {info.fingerprint[:12]}, "
                f"but {info.name} on this machine is {source.fingerprint[:12]}",
                f"re-encode it with: semsearch index --rebuild --model {for_shell(info.name)}",
                code="model_mismatch",
            )
        return check_same(_truncated(open_model(source, announce), info.dim, info.calibration), info)
    return check_same(_truncated(_opened(path, info.name), info.dim, info.calibration), info)


def prepared_tokenizer(info: ModelInfo) -> "SubwordTokenizer | None":
    """The tokenizer of the model that made an index, which recorded `info`; None where it was not prepared here."""
    from semsearch.chunking.tokenizers import SubwordTokenizer

    if not FINGERPRINT.fullmatch(info.fingerprint):
        return None
    folder = _prepared_folder(info)
    if (kept := kept_models.tokenizer(folder, info.name)) is not None:
        return kept
    path = os.path.join(folder, "tokenizer.json")
    return SubwordTokenizer(info.name, path) if os.path.exists(path) else None


def _prepared_folder(info: ModelInfo) -> str:
    """Where the model that made an index, which recorded `info`, is prepared on this machine."""
    return cache_path("static" if info.name == STATIC else "model", info.fingerprint)


def open_named(source: ModelSource, by_user: bool, announce: Announce, recorded: ModelInfo | None = None) -> Embedder:
    """`open_model`, but a model that only an index names, not the user (`by_user`), is not prepared.

    `recorded`: what the index recorded of the model. Raises `ModelError`.
    """
    if not by_user and read_info(source.cache_path()) is None:
        _refuse_unnamed(source.name)
    return open_model(source, announce, recorded.calibration if recorded else None)


def _refuse_unnamed(name: str) -> None:
    """Raises `ModelError` for a model that the user never named: an index may come from anywhere.

    A model folder may hold code, and a provider gets to see what is encoded.
    """
    if name != STATIC and not is_default(name) and name != default_model():
        raise ModelError(
            f"the index names the model {name}, which was not prepared on this machine",
            f"if you trust it: semsearch index FOLDER --model {for_shell(name)}; for another one: "
            f"semsearch index FOLDER --rebuild --model {DEFAULT_MODEL}",
            code="model_not_prepared",
        )


def check_same(embedder: Embedder, recorded: ModelInfo) -> Embedder:
    """`embedder`. Raises `ModelError` where its vectors may not stand beside those of `recorded`."""
    ours = embedder.info
    if not ours.same_vectors(recorded):
        raise ModelError(
            f"the index was made with {_describe(recorded)}, but this is {_describe(ours)}",
            f"re-encode it with: semsearch index --rebuild --model {for_shell(ours.name)}",
            code="model_mismatch",
        )
    return embedder


def _describe(info: ModelInfo) -> str:
    return f"{info.name} ({info.runtime}, {info.dim} dimensions, {info.fingerprint[:12]})"


def _truncated(embedder: Embedder, dim: int | None, calibration: Calibration | None) -> Embedder:
    """`embedder` with vectors of `dim` numbers; itself where they are no longer than that."""
    if dim is None or dim >= embedder.info.dim:
        return embedder
    from semsearch.embedding.truncated_embedder import TruncatedEmbedder

    return TruncatedEmbedder(embedder, dim, calibration)


def _opened(path: str, name: str) -> Embedder:
    """The Embedder over the prepared model in the folder `path`, called `name`; the one that stays open, if any.

    Raises `ModelError`.
    """
    return kept_models.find(path, name) or load(path, name)


def load(path: str, name: str) -> Embedder:
    """A new Embedder over the prepared model in the folder `path`, called `name`. Raises `ModelError`."""
    record = read_info(path)
    if record is None:
        raise ModelError(f"the model cache {path} is incomplete", f"remove it with: rm -r {for_shell(path)}")
    info = _recorded_info(path, {**record["info"], "name": name})
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


def _recorded_info(path: str, record: dict[str, Any]) -> ModelInfo:
    """The description of the prepared model in the folder `path`. Raises `ModelError` where it is damaged."""
    try:
        return ModelInfo.from_dict(record)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged_model(path, f"model.json describes no model ({type(error).__name__}: {error})") from None


def _open_api(source: ModelSource, path: str, announce: Announce) -> Embedder:
    """The Embedder of a provider's model; its calibration is measured first, once, by sending it the sample texts."""
    from semsearch.chunking.tokenizers import SubwordTokenizer
    from semsearch.embedding.api_runtime import ApiEmbedder

    assert source.card is not None
    card = source.card
    provider = _connect(card)(card, source.dim)
    tokenizer = SubwordTokenizer(card.name, os.path.join(source.folder, "tokenizer.json"))
    record = read_info(path)
    if record is not None:
        return ApiEmbedder(_recorded_info(path, record["info"]), tokenizer, provider)
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
    write_info(path, source.folder, info.as_dict())
    return ApiEmbedder(info, tokenizer, provider)


def _connect(card: ModelCard) -> "Callable[[ModelCard, int | None], Provider]":
    """The function that connects to the provider of `card`."""
    if card.kind == "cohere":
        from semsearch.embedding.cohere_api import connect
    elif card.kind == "voyage":
        from semsearch.embedding.voyage_api import connect
    else:
        from semsearch.embedding.openai_api import connect
    return connect
