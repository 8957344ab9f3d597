"""The table of embedding models that semsearch knows by name: `model_table.json`, from what their makers publish."""

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
    """One row of the table.

    `kind`: `packaged`, `local` (weights on this machine) or the provider of an API. `dim`: numbers of a vector, 0:
    unknown; `window`: most tokens of a text; `languages`: the name of one, or how many; `repository`: on the Hugging
    Face hub; `parameters_m`: millions of parameters, of which `embedding_m` are vectors of tokens; `size_mb`: megabytes
    of weights to download; `price_usd`: US dollars per million tokens; `query_prefix`, `passage_prefix`: what the model
    was trained to see before a text; `query_task`, `passage_task`: the task that the model or its API is told instead;
    `matryoshka`: lengths its vectors may be truncated to; `remote_code`: it needs Python code from its own folder;
    `check`: how the tests check the row.
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
    embedding_m: int = 0
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
        """Whether a provider runs the model."""
        return self.kind in PROVIDERS

    @property
    def model_id(self) -> str:
        """The name by which its provider knows it."""
        return self.name.removeprefix(f"{self.kind}:")

    @property
    def multilingual(self) -> bool:
        """Whether it knows more than English."""
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
    text = resources.files("semsearch.embedding").joinpath("model_table.json").read_text("utf-8")
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
    matches = difflib.get_close_matches(last, known, 3, 0.5)
    return [known[match] for match in matches]


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
    """Whether vectors of the model may be truncated: it was trained so, or is made so."""
    card = card_of(name)
    return (
        bool(card.matryoshka)
        if card is not None
        else name.rstrip("/").rpartition("/")[2].lower() in _further_matryoshka()
    )


@cache
def _further_matryoshka() -> frozenset[str]:
    """Names, in lower case, of further Matryoshka models that have no row in the table."""
    text = resources.files("semsearch.embedding").joinpath("model_table.json").read_text("utf-8")
    return frozenset(json.loads(text)["matryoshka_others"])


def price_of(card: ModelCard | None, tokens: int) -> float | None:
    """US dollars for encoding `tokens` with the model of `card`; None where the table has no price."""
    return None if card is None or card.price_usd is None else card.price_usd * tokens / 1e6
