"""Which model fits: the table of models, narrowed by wishes, ordered, each with the reasons in words.

The order is by what makers and public benchmarks agree on, size within a generation, and by what a processor can bear;
what fits your documents best is for `bench quality --model` to measure.
"""

from dataclasses import dataclass

from semsearch.embedding.registry import ModelCard, cards

# Above so many million parameters a query takes longer than 0.1 s on two cores of a processor.
_QUICK_PARAMETERS_M = 140
# Above so many, passages are not encoded on a processor in reasonable time.
_PROCESSOR_PARAMETERS_M = 600
_BYTES_A_PARAMETER = 4


@dataclass(frozen=True)
class Wishes:
    """`budget`: most US dollars per million tokens; `memory_gb`: most gigabytes of weights; None: any."""

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


def recommended(wishes: Wishes) -> list[Recommendation]:
    """The models that fit `wishes`, best first."""
    fitting = [card for card in cards() if _fits(card, wishes)]
    return [
        Recommendation(card, tuple(_reasons(card, wishes))) for card in sorted(fitting, key=lambda c: _order(c, wishes))
    ]


def _fits(card: ModelCard, wishes: Wishes) -> bool:
    return (
        not (wishes.multilingual and not card.multilingual)
        and not (card.is_api and (wishes.offline or wishes.low_latency))
        and not (wishes.low_latency and card.parameters_m > _QUICK_PARAMETERS_M)
        and not (wishes.commercial and not card.free_to_sell)
        and not (card.is_api and wishes.budget is not None and (card.price_usd or 0) > wishes.budget)
        and not (wishes.memory_gb is not None and card.parameters_m * _BYTES_A_PARAMETER / 1000 > wishes.memory_gb)
        and card.parameters_m <= _PROCESSOR_PARAMETERS_M
    )


def _order(card: ModelCard, wishes: Wishes) -> tuple[float, ...]:
    """What comes with the package first where it will do, then what needs no account; larger finds more."""
    home = not wishes.multilingual and card.name == "all-MiniLM-L6-v2"
    paid = wishes.budget is None and card.is_api
    dedicated = not (card.query_prefix or card.query_task or card.is_api or card.name == "bge-m3")
    size = card.parameters_m if wishes.low_latency else -card.parameters_m
    return (not home, paid, dedicated, size if not card.is_api else -(card.price_usd or 0), len(card.name))


def _reasons(card: ModelCard, wishes: Wishes) -> list[str]:
    found = []
    if card.name == "all-MiniLM-L6-v2":
        found.append("comes with the package, nothing to download")
    elif card.kind == "packaged":
        found.append("made from the packaged model, nothing to download; tens of times as fast, finds a little less")
    elif card.is_api:
        found.append(f"no weights here: texts are sent to the provider, ${card.price_usd:g} per million tokens")
    else:
        found.append(f"runs on this machine after {card.size_mb:,} MB of download")
    found.append(f"languages: {card.languages}")
    if card.query_prefix or card.query_task:
        found.append("trained for questions and passages apart")
    if wishes.low_latency:
        found.append(f"{card.parameters_m} million parameters are quick on a processor")
    if card.window >= 2048:
        found.append(f"reads {card.window:,} tokens at once")
    if card.matryoshka:
        found.append(f"vectors can be cut (--dim {card.matryoshka[len(card.matryoshka) // 2]})")
    found.append(f"licence {card.licence}")
    return found
