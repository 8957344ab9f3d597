"""The embedding models semsearch knows by name: `registry.json`, a table of what their makers say of them."""

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

from semsearch.errors import ModelError

PROVIDERS = ("openai", "cohere", "voyage", "jina")


@dataclass(frozen=True)
class ModelCard:
    """One model. `kind`: `packaged`, `local` (weights on this machine) or the provider of an API.

    `window`: most tokens of a text; `languages`: a name, or how many; `size_mb`: weights to download, megabytes;
    `price_usd`: US dollars per million tokens; `query_prefix`, `passage_prefix`: what the model was trained to see
    before a text; `query_task`, `passage_task`: what it, or its API, wants to be told instead; `matryoshka`: the
    lengths its vectors may be cut to; `remote_code`: it needs code from its own folder. `check`: how its row is tested.
    """

    name: str
    kind: str
    dim: int
    window: int
    languages: str
    licence: str
    check: str
    repository: str = ""
    architecture: str = ""
    parameters_m: int = 0
    size_mb: int = 0
    price_usd: float | None = None
    pooling: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""
    query_task: str = ""
    passage_task: str = ""
    matryoshka: tuple[int, ...] = ()
    remote_code: bool = False
    note: str = ""

    @property
    def is_api(self) -> bool:
        return self.kind in PROVIDERS

    @property
    def model_id(self) -> str:
        """The name the provider knows it by."""
        return self.name.removeprefix(f"{self.kind}:")

    @property
    def multilingual(self) -> bool:
        return self.languages != "English"

    @property
    def free_to_sell(self) -> bool:
        """Whether the licence allows commercial use."""
        return "NC" not in self.licence

    def as_dict(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


@cache
def cards() -> tuple[ModelCard, ...]:
    """Every model of the table."""
    text = resources.files("semsearch.embedding").joinpath("registry.json").read_text("utf-8")
    return tuple(
        ModelCard(**{**record, "matryoshka": tuple(record.get("matryoshka", ()))})
        for record in json.loads(text)["models"]
    )


def card_of(name: str) -> ModelCard | None:
    """The card of the model called `name`: by its name, `owner/name`, `provider:name`, or a folder of that name.

    None when the table has none.
    """
    wanted = name.rstrip("/").lower()
    for card in cards():
        if wanted in (
            card.name.lower(),
            card.repository.lower() or card.name.lower(),
            f"{card.kind}:{card.name}".lower(),
        ):
            return card
    last = wanted.rpartition("/")[2]
    return (
        next((card for card in cards() if not card.is_api and card.name.lower() == last), None)
        if last != wanted
        else None
    )


def nearest(name: str, names: Iterable[str] | None = None) -> list[str]:
    """Up to three known names that `name` may have been meant to be."""
    known = {candidate.lower(): candidate for candidate in names or [card.name for card in cards()]}
    last = name.rstrip("/").rpartition("/")[2].lower()
    found = difflib.get_close_matches(last, known, 3, 0.5)
    return [known[match] for match in found]


def required(name: str) -> ModelCard:
    """`card_of`. Raises `ModelError` with the nearest names when there is none."""
    card = card_of(name)
    if card is None:
        near = nearest(name)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ModelError(
            f"no model called {name} is known", hint + "all of them: semsearch models", code="model_unknown"
        )
    return card


def is_matryoshka(name: str) -> bool:
    """Whether a model was trained, or is made, so that the first numbers of its vectors are vectors themselves."""
    card = card_of(name)
    return bool(card.matryoshka) if card is not None else name.rstrip("/").rpartition("/")[2].lower() in _others()


@cache
def _others() -> frozenset[str]:
    """Models that are not in the table, and known to be trained so."""
    text = resources.files("semsearch.embedding").joinpath("registry.json").read_text("utf-8")
    return frozenset(json.loads(text)["matryoshka_others"])


def price_of(card: ModelCard | None, tokens: int) -> float | None:
    """US dollars that `tokens` cost with the model of `card`; None where they cost nothing, or nobody said."""
    return None if card is None or card.price_usd is None else card.price_usd * tokens / 1e6
