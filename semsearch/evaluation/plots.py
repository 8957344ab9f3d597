"""Draws the results of `bench`. Needs matplotlib, the extra `plot`."""

import os
from typing import TYPE_CHECKING, Any

from semsearch.errors import UsageError
from semsearch.extras import missing_package
from semsearch.plurals import count_of

if TYPE_CHECKING:
    from semsearch.evaluation.quality import QualityReport
    from semsearch.evaluation.vector_bench import VectorsReport

_FORMATS = (".png", ".svg")


def check(path: str) -> None:
    """Raises `UsageError` or `SemsearchError` where nothing could be drawn at `path`; for before the measuring."""
    if not path.lower().endswith(_FORMATS):
        raise UsageError(f"--plot {path} is neither .png nor .svg", "write it like --plot out.svg")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise UsageError(f"--plot {path}: no such folder: {folder}", "make it first")
    _figure()


def plot_quality(report: "QualityReport", path: str) -> None:
    """nDCG@10 of each system with its interval, a panel for each set of queries."""
    figure = _figure()
    most = max(len(table.rows) for table in report.tables)
    figure.set_size_inches(6 * len(report.tables) + 2, 0.35 * most + 1.5)
    panels = figure.subplots(1, len(report.tables), squeeze=False)[0]
    for panel, table in zip(panels, report.tables, strict=True):
        names = [row.system for row in reversed(table.rows)]
        values = [row.estimates["ndcg@10"] for row in reversed(table.rows)]
        low = [value.mean - value.low for value in values]
        high = [value.high - value.mean for value in values]
        panel.barh(names, [value.mean for value in values], xerr=[low, high], color="#4477aa", capsize=3)
        panel.set_xlabel("nDCG@10, 95 % interval")
        panel.set_title(f"{table.name}, {count_of(table.queries, 'query')}")
        panel.set_xlim(0, 1)
    _save(figure, path)


def plot_vectors(report: "VectorsReport", path: str) -> None:
    """Recall against the time of a query, for each kind of index."""
    figure = _figure()
    figure.set_size_inches(9, 6)
    panel = figure.subplots()
    for row in report.rows:
        if row.metric != "cosine":
            continue
        panel.scatter(row.p50 * 1000, row.recall, color="#4477aa")
        panel.annotate(row.name, (row.p50 * 1000, row.recall), textcoords="offset points", xytext=(5, 4), fontsize=8)
    panel.set_xscale("log")
    panel.set_xlabel("milliseconds a query, median")
    panel.set_ylabel("recall@10 against an exact scan")
    panel.set_title(
        f"{count_of(report.vectors, 'vector')} of {report.dim} numbers, {count_of(report.queries, 'query')}"
    )
    panel.grid(alpha=0.3)
    _save(figure, path)


def _figure() -> Any:
    try:
        # Not pyplot: it looks for a display.
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_package("drawing", "plot", "matplotlib") from None
    return Figure(layout="constrained")


def _save(figure: Any, path: str) -> None:
    figure.savefig(path, dpi=150)
