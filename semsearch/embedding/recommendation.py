"""Recommends models of the table that meet given requirements, best first, each with its reasons in words.

The order follows what makers and public benchmarks agree on (within a generation, the larger model finds more) and what
this processor can run, estimated by what it does with the packaged model; `bench quality --model` measures what is best
for given documents.
"""

from dataclasses import dataclass

from semsearch.embedding.model_table import ModelCard, cards, required
from semsearch.settings import DEFAULT_MODEL

# Seconds: what is taken for at once (Miller 1968, "Response time in man-computer conversational transactions").
_AT_ONCE = 0.1
# With fewer a second, a folder takes days.
_FEWEST_PASSAGES = 1.0
_BYTES_A_PARAMETER = 4
# How long a model of the same size takes beside one that runs in a graph of semsearch's own, as the packaged one does:
# exported by PyTorch, and run by PyTorch (`benchmarks/export_variants.py`, `benchmarks/encode_speed.py`).
_OWN_GRAPH = ("bert", "roberta", "xlm-roberta")
_EXPORTED, _BY_PYTORCH = 1.06, 4.5
_LARGEST_EXPORT_M = 536
_STATIC = 1 / 40


@dataclass(frozen=True)
class Speed:
    """Of the packaged model on this machine: seconds for a `query`, `passages` of some 200 tokens a second."""

    query: float
    passages: float


@dataclass(frozen=True)
class Requirements:
    """What a model must meet. `budget`: most US dollars per million tokens; `memory_gb`: of weights; None: any."""

    multilingual: bool = False
    offline: bool = False
    low_latency: bool = False
    commercial: bool = False
    budget: float | None = None
    memory_gb: float | None = None


@dataclass(frozen=True)
class Recommendation:
    """A model. `speed`: what it is estimated to be on this machine; None: a provider runs it."""

    card: ModelCard
    reasons: tuple[str, ...]
    speed: Speed | None


def recommended(requirements: Requirements, packaged: Speed) -> list[Recommendation]:
    """The models that meet `requirements`, best first; speeds are estimated by that of the `packaged` one here."""
    found = []
    for card in sorted(cards(), key=lambda card: _order(card, requirements)):
        speed = estimated(card, packaged)
        if _fits(card, speed, requirements):
            found.append(Recommendation(card, tuple(_reasons(card, speed)), speed))
    return found


def estimated(card: ModelCard, packaged: Speed) -> Speed | None:
    """The speed of a local model where that of the packaged one is known: both by their parameters that every token
    goes through. None for a provider's model."""
    if card.is_api:
        return None
    if card.architecture == "model2vec":
        return Speed(packaged.query * _STATIC, packaged.passages / _STATIC)
    base = required(DEFAULT_MODEL)
    times = (card.parameters_m - card.embedding_m) / (base.parameters_m - base.embedding_m)
    if card.architecture not in _OWN_GRAPH or card.remote_code:
        times *= _BY_PYTORCH if card.parameters_m > _LARGEST_EXPORT_M else _EXPORTED
    return Speed(packaged.query * times, packaged.passages / times)


def _fits(card: ModelCard, speed: Speed | None, requirements: Requirements) -> bool:
    gigabytes = card.parameters_m * _BYTES_A_PARAMETER / 1000
    return (
        not (requirements.multilingual and not card.multilingual)
        and not (speed is None and (requirements.offline or requirements.low_latency))
        and not (requirements.low_latency and speed is not None and speed.query > _AT_ONCE)
        and not (requirements.commercial and not card.free_to_sell)
        and not (card.is_api and requirements.budget is not None and (card.price_usd or 0) > requirements.budget)
        and (requirements.memory_gb is None or gigabytes <= requirements.memory_gb)
        and (speed is None or speed.passages >= _FEWEST_PASSAGES)
    )


def _order(card: ModelCard, requirements: Requirements) -> tuple[float, ...]:
    """Sort key: first the packaged model where it is enough, then models without an account, then the larger ones."""
    packaged = not requirements.multilingual and card.name == "all-MiniLM-L6-v2"
    paid = requirements.budget is None and card.is_api
    dedicated = not (card.query_prefix or card.query_task or card.is_api or card.name == "bge-m3")
    size = card.parameters_m if requirements.low_latency else -card.parameters_m
    return (not packaged, paid, dedicated, size if not card.is_api else -(card.price_usd or 0), len(card.name))


def _reasons(card: ModelCard, speed: Speed | None) -> list[str]:
    reasons = []
    if card.name == "all-MiniLM-L6-v2":
        reasons.append("comes with the package, nothing to download")
    elif card.kind == "packaged":
        reasons.append("made from the packaged model, nothing to download; finds a little less")
    elif card.is_api:
        reasons.append(f"no weights here: texts are sent to the provider, ${card.price_usd:g} per million tokens")
    else:
        reasons.append(f"runs on this machine after {card.size_mb:,} MB of download")
    if speed is not None:
        reasons.append(f"about {_rounded(speed.passages)} passages a second here")
    reasons.append(f"languages: {card.languages}")
    if card.query_prefix or card.query_task:
        reasons.append("trained for questions and passages apart")
    if card.window >= 2048:
        reasons.append(f"reads {card.window:,} tokens at once")
    if shorter := [length for length in card.matryoshka if length < card.dim]:
        reasons.append(f"vectors can be cut (--dim {shorter[len(shorter) // 2]})")
    reasons.append(f"licence {card.licence}")
    return reasons


def _rounded(number: float) -> str:
    """`number` with two digits."""
    return f"{float(f'{number:.2g}'):,g}"
