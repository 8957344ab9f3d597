"""What an index records about itself (`records.IndexInfo`, its roots aside) as JSON values by name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.sparse_info import SparseInfo
from semsearch.sources.walk_rules import WalkRules
from semsearch.store import checked_values as checked
from semsearch.store.records import Chunking, IndexInfo


def as_values(info: IndexInfo) -> dict[str, object]:
    """Name -> JSON value; `FIELDS` decodes them."""
    return {
        "generation": info.generation,
        "chunking": None if info.chunking is None else asdict(info.chunking),
        "analysis": info.analysis,
        "rules": None if info.rules is None else info.rules.as_dict(),
        "model_name": info.model_name,
        "dim": info.dim,
        "model": None if info.model is None else info.model.as_dict(),
        "readers": info.readers,
        "vectors_at": info.vectors_at,
        "adapter": info.adapter,
        "fusion": info.fusion,
        "sparse": None if info.sparse is None else info.sparse.as_dict(),
    }


def _rules(value: Any) -> WalkRules:
    return WalkRules.from_record(checked.mapping(value))


def _chunking(value: Any) -> Chunking:
    if set(value) != {"size", "overlap", "tokenizer", "analysis"}:
        raise ValueError("it holds other things")
    return Chunking(
        checked.count_or_none(value["size"]),
        checked.count_or_none(value["overlap"]),
        None if value["tokenizer"] is None else checked.text(value["tokenizer"]),
        checked.whole(value["analysis"]),
    )


def model(value: Any) -> ModelInfo | None:
    """The field `model`. Raises one of `checked_values.MALFORMED`."""
    if not value:
        if value is None:
            return None
        raise TypeError("it is no record")
    info = ModelInfo.from_dict(value)
    for name in ("name", "fingerprint", "runtime", "pooling", "query_prefix", "passage_prefix"):
        checked.text(getattr(info, name))
    checked.count(info.window)
    measured = info.calibration
    values = checked.mapping(measured.fertility).values()
    for number in (measured.background, measured.related, measured.separation, *values):
        checked.finite(number)
    return info


def _learnt(value: Any) -> Mapping[str, Any] | None:
    # What cannot have been learnt is refused by the search that needs it (`Adapter.from_record`,
    # `FusionWeights.from_record`): `tune --drop` must be able to read the rest.
    return value if value is None or isinstance(value, dict) else {}


def _sparse(value: Any) -> SparseInfo | None:
    return None if value is None else SparseInfo.from_dict(checked.mapping(value))


# Name -> what decodes the value, or raises one of `checked.MALFORMED`.
FIELDS: dict[str, Callable[[Any], Any]] = {
    "generation": checked.count,
    "model_name": checked.text,
    "dim": checked.count_or_none,
    "model": model,
    "chunking": _chunking,
    "analysis": checked.count,
    "rules": _rules,
    "readers": checked.count,
    "vectors_at": checked.text_or_none,
    "adapter": _learnt,
    "fusion": _learnt,
    "sparse": _sparse,
}


def is_decodable(name: str, value: Any) -> bool:
    """Whether `value` can be the field `name`."""
    try:
        FIELDS[name](value)
    except checked.MALFORMED:
        return False
    return True
