"""Recommends models of the table that meet given requirements, best first, each with its reasons in words.

The order follows what makers and public benchmarks agree on (within a generation, the larger model finds more) and what
a processor can run; `bench quality --model` measures what is best for given documents.
"""

from dataclasses import dataclass

from semsearch.embedding.model_table import ModelCard, cards

# Above so many million parameters a query takes longer than 0.1 s on two cores of a processor.
_QUICK_PARAMETERS_M = 140
# Above so many, passages are not encoded on a processor in reasonable time.
_PROCESSOR_PARAMETERS_M = 570
_BYTES_A_PARAMETER = 4


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
    card: ModelCard
    reasons: tuple[str, ...]


def recommended(requirements: Requirements) -> list[Recommendation]:
    """The models that meet `requirements`, best first."""
    fitting = [card for card in cards() if _fits(card, requirements)]
    fitting.sort(key=lambda card: _order(card, requirements))
    return [Recommendation(card, tuple(_reasons(card, requirements))) for card in fitting]


def _fits(card: ModelCard, requirements: Requirements) -> bool:
    gigabytes = card.parameters_m * _BYTES_A_PARAMETER / 1000
    return (
        not (requirements.multilingual and not card.multilingual)
        and not (card.is_api and (requirements.offline or requirements.low_latency))
        and not (requirements.low_latency and card.parameters_m > _QUICK_PARAMETERS_M)
        and not (requirements.commercial and not card.free_to_sell)
        and not (card.is_api and requirements.budget is not None and (card.price_usd or 0) > requirements.budget)
        and (requirements.memory_gb is None or gigabytes <= requirements.memory_gb)
        and card.parameters_m <= _PROCESSOR_PARAMETERS_M
    )


def _order(card: ModelCard, requirements: Requirements) -> tuple[float, ...]:
    """Sort key: first the packaged model where it is enough, then models without an account, then the larger ones."""
    packaged = not requirements.multilingual and card.name == "all-MiniLM-L6-v2"
    paid = requirements.budget is None and card.is_api
    dedicated = not (card.query_prefix or card.query_task or card.is_api or card.name == "bge-m3")
    size = card.parameters_m if requirements.low_latency else -card.parameters_m
    return (not packaged, paid, dedicated, size if not card.is_api else -(card.price_usd or 0), len(card.name))


def _reasons(card: ModelCard, requirements: Requirements) -> list[str]:
    reasons = []
    if card.name == "all-MiniLM-L6-v2":
        reasons.append("comes with the package, nothing to download")
    elif card.kind == "packaged":
        reasons.append("made from the packaged model, nothing to download; tens of times as fast, finds a little less")
    elif card.is_api:
        reasons.append(f"no weights here: texts are sent to the provider, ${card.price_usd:g} per million tokens")
    else:
        reasons.append(f"runs on this machine after {card.size_mb:,} MB of download")
    reasons.append(f"languages: {card.languages}")
    if card.query_prefix or card.query_task:
        reasons.append("trained for questions and passages apart")
    if requirements.low_latency:
        reasons.append(f"{card.parameters_m} million parameters are quick on a processor")
    if card.window >= 2048:
        reasons.append(f"reads {card.window:,} tokens at once")
    if card.matryoshka:
        reasons.append(f"vectors can be cut (--dim {card.matryoshka[len(card.matryoshka) // 2]})")
    reasons.append(f"licence {card.licence}")
    return reasons
