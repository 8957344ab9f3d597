"""Downloads from the Hugging Face hub: only what a command asks for or the user allowed, announced with its size."""

import os
import re
from collections.abc import Sequence

from semsearch.callbacks import Announce
from semsearch.embedding.model_table import required
from semsearch.embedding.resolve import packaged
from semsearch.errors import ModelError
from semsearch.no_telemetry import switch_off_telemetry
from semsearch.settings import DEFAULT_MODEL

_PATTERNS = (".json", ".txt", ".model")
# Layers after the encoder; the heads of BGE-M3, beside its weights; what ColBERT's own library says of a model.
_LAYER = re.compile(r"\d+_Dense/model\.safetensors")
_HEADS = ("sparse_linear.pt", "colbert_linear.pt", "artifact.metadata")


def pull_model(name: str, announce: Announce) -> str:
    """Downloads the model `name` of the table into the Hugging Face cache; returns its folder. Raises `ModelError`."""
    card = required(name)
    if not card.repository or card.name == DEFAULT_MODEL:
        if card.is_api:
            raise ModelError(
                f"{card.name} is behind an API: there is nothing to download",
                f"use it with: semsearch index FOLDER --model {card.name}",
            )
        announce(f"{card.name} comes with the package")
        return packaged()
    announce(f"{card.repository}: {card.size_mb:,} MB, licence {card.licence}")
    if card.remote_code:
        announce("it brings code of its own, which runs only with --trust-remote-code; where that lies in another"
                 " repository, open the model once with sentence-transformers while there is a network")  # fmt: skip
    hint = "download it elsewhere, copy its folder here, and say --model FOLDER"
    return download(card.repository, announce, hint, code=card.remote_code)


def download(repository: str, announce: Announce, hint: str, code: bool = False) -> str:
    """Downloads the files of `repository`; returns their folder in the Hugging Face cache.

    `code`: its Python files, too; `hint`: of the `ModelError` that is raised where there is no network, or downloads
    are forbidden.
    """
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        raise ModelError(f"{repository} cannot be downloaded: HF_HUB_OFFLINE is set", hint, code="model_not_found")
    switch_off_telemetry()
    import huggingface_hub

    # They go back to the beginning of their line, which nothing but our own bars may do on a terminal.
    huggingface_hub.utils.disable_progress_bars()

    try:
        files = huggingface_hub.HfApi().model_info(repository, files_metadata=True, timeout=20).siblings or []
        names = wanted_files([file.rfilename for file in files], code)
        chosen = [file for file in files if file.rfilename in names]
        announce(f"downloading {repository} ({sum(file.size or 0 for file in chosen) / 1e6:,.0f} MB)")
        return str(huggingface_hub.snapshot_download(repository, allow_patterns=[file.rfilename for file in chosen]))
    except Exception as error:  # errors of the hub's client, of its HTTP library and of the network
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{repository} cannot be downloaded: {reason}", hint, code="model_not_found") from None


def wanted_files(names: Sequence[str], code: bool) -> set[str]:
    """Those of the files of a repository that a model consists of; `code`: its Python files are, too."""
    endings = (*_PATTERNS, *((".py",) if code else ()))
    wanted = {
        name
        for name in names
        if not name.startswith(("onnx/", "openvino/"))
        and (name in _HEADS or name.endswith(endings) or _LAYER.fullmatch(name))
    }
    weights = {name for name in names if "/" not in name and name.endswith(".safetensors")}
    return wanted | (weights or {"pytorch_model.bin"}.intersection(names))
