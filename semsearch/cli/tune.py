"""`semsearch tune`: learns an adapter or weights, or trains a model, from questions with known answers."""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semsearch.cli import render
from semsearch.cli.flags import BaseUrl, IndexPath, chosen_llm, only_index, values
from semsearch.cli.query_files import read_queries
from semsearch.cli.tables import Column, print_table
from semsearch.errors import UsageError
from semsearch.plurals import count_of

if TYPE_CHECKING:
    from semsearch.tuning.comparison import Comparison, TuneReport
    from semsearch.tuning.question_source import QuestionSource


def command(
    index: IndexPath = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Learn a map of query vectors; passages stay as they are. The default.")
    ] = False,
    fusion: Annotated[bool, typer.Option("--fusion", help="Learn how much each part of hybrid search counts.")] = False,
    output: Annotated[
        str | None, typer.Option("--output", metavar="FOLDER", help="Train the model itself, and write it there.")
    ] = None,
    beir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Questions and judgements of a BEIR folder.")
    ] = None,
    queries: Annotated[str | None, typer.Option(metavar="FILE|-", help="Questions, with --qrels.")] = None,
    qrels: Annotated[
        str | None, typer.Option(metavar="FILE", help="Which documents answer: TREC's or BEIR's form.")
    ] = None,
    pairs: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON lines with query and positive: a text that answers it.")
    ] = None,
    llm: Annotated[
        str | None, typer.Option("--llm", metavar="MODEL", help="Let this model write N questions (OPENAI_API_KEY).")
    ] = None,
    base_url: BaseUrl = None,
    questions: Annotated[
        int, typer.Option(metavar="N", help="Without labels: make N questions of each kind from the documents.")
    ] = 200,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS",
            help="With --output: multiple-negatives (the default), triplet, distillation.",
            autocompletion=values("multiple-negatives", "triplet", "distillation"),
        ),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(metavar="MODEL", help="With --output: learn the scores of this cross-encoder.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="With --output: go through all pairs N times. Default: 1.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="With --output: learn from N pairs at once. Default: 32.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", help="With --output: how large each step is. Default: 2e-5.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be gained; change nothing.")] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Search without what was learnt again; or only --adapter, --fusion.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run that is writing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.tune/1).")] = False,
) -> int:
    """Learn from questions with known answers, and keep what surely finds more.

    By default, in seconds: how your questions are meant (a map of their vectors). The index changes only when the 95 %
    interval of the gain of searches by meaning is above 0 and hybrid search loses nothing. With --fusion: how much
    meaning, alike passages and spelling count in hybrid searches; kept only where these surely gain. With --output, in
    minutes: the model itself, trained on half of the questions and judged by the other half; the index stays as it is.
    Exit code 1: it is not surely better.

    \b
    Examples:
      semsearch tune --queries questions.jsonl --qrels judged.tsv
      semsearch tune --fusion --queries questions.jsonl --qrels judged.tsv
      semsearch tune --pairs pairs.jsonl --output ./our-model
      semsearch index --rebuild --model ./our-model
      semsearch tune --llm qwen3 --base-url http://localhost:11434/v1 --questions 500 --output ./our-model
      semsearch tune --drop
    """
    from semsearch.evaluation.labels import read_qrels
    from semsearch.tuning.question_source import QuestionSource, read_pairs
    from semsearch.tuning.training_set import FEWEST_QUESTIONS

    sources = {"--beir": beir, "--queries": queries, "--pairs": pairs, "--llm": llm}
    given = [name for name, value in sources.items() if value is not None]
    if drop:
        if given or dry_run or output is not None:
            raise UsageError("--drop learns nothing", "leave out the other flags")
        from semsearch.tuning.dropping import drop_learnt

        # Without a name, all that was learnt.
        existed = drop_learnt(only_index(index), wait, adapter=adapter or not fusion, fusion=fusion or not adapter)
        render.announce("what was learnt is dropped" if existed else "nothing was learnt for this index")
        return 0
    if (queries is None) != (qrels is None):
        raise UsageError("--queries and --qrels belong together", "name both")
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} both bring questions", "name one of them")
    exclusive = {"--adapter": adapter, "--fusion": fusion, "--output": output is not None}
    named = [name for name, chosen in exclusive.items() if chosen]
    if output is not None and dry_run:
        named.append("--dry-run")
    if len(named) > 1:
        raise UsageError(f"{named[0]} and {named[1]} exclude each other", "leave out one")
    fewest = FEWEST_QUESTIONS * (1 if output is None else 2)
    if questions < fewest:
        raise UsageError(f"--questions {questions} is too few", f"use {fewest} or more")
    training = _training_options(loss, teacher, epochs, batch_size, learning_rate)
    if training and output is None:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in training)
        raise UsageError(f"{flags}: only a model is trained by that", "say where it goes: --output FOLDER")
    source = QuestionSource(
        beir=beir,
        pairs=read_pairs(pairs) if pairs is not None else (),
        queries=dict(read_queries(queries)) if queries is not None else {},
        qrels=read_qrels(qrels) if qrels is not None else {},
        llm=chosen_llm(llm, base_url),
        questions=questions,
    )
    report = _learn(only_index(index), source, fusion, output, training, as_json, dry_run, wait)
    if as_json:
        render.print_json(report.as_dict())
    else:
        _print(report)
    return 0 if report.better else 1


def _learn(
    index: str | None,
    source: "QuestionSource",
    fusion: bool,
    output: str | None,
    training: dict[str, Any],
    as_json: bool,
    dry_run: bool,
    wait: bool,
) -> "TuneReport":
    """Learns an adapter, with `fusion` weights, or with `output` trains a model into that folder; with progress bars on
    a terminal."""
    from semsearch.cli.interrupts import interruptible
    from semsearch.cli.progress import bars
    from semsearch.tuning.tune_adapter import tune_adapter

    with interruptible(), bars(as_json) as (announce, advance):
        if fusion:
            from semsearch.tuning.tune_fusion import tune_fusion

            return tune_fusion(index, source, announce, advance, dry_run=dry_run, wait=wait)
        if output is None:
            return tune_adapter(index, source, announce, advance, dry_run=dry_run, wait=wait)
        from semsearch.tuning.train_options import TrainOptions
        from semsearch.tuning.tune_model import tune_model

        return tune_model(index, source, TrainOptions(output, **training), announce, advance, wait=wait)


def _training_options(
    loss: str | None, teacher: str | None, epochs: int | None, batch_size: int | None, learning_rate: float | None
) -> dict[str, Any]:
    """The fields of `TrainOptions` that the flags set."""
    options = {
        "loss": loss, "teacher": teacher, "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate,
    }  # fmt: skip
    return {name: value for name, value in options.items() if value is not None}


def _print(report: "TuneReport") -> None:
    for notice in report.notices:
        render.announce(notice)
    columns = [
        Column("search"), Column("nDCG@10 before", True), Column("after", True), Column("gain", True),
        Column("95 %", spare=1), Column("p", True, 2),
    ]  # fmt: skip
    held_out = "each held out once" if report.output is None else "not trained on"
    print_table(columns, [_row(row) for row in report.rows], f"{count_of(report.questions, 'question')}, {held_out}")
    if report.weights is not None and report.better:
        render.write("learnt: " + ", ".join(f"{name} {value:g}" for name, value in report.weights.items()))
    if report.changed:
        render.write("better: this index is searched by what was learnt from now on (undo: semsearch tune --drop)")
    elif report.output is not None and report.better:
        command = ["semsearch", "index", "--rebuild", "-i", report.index, "--model", report.output]
        command += ["--dim", str(report.dim)] if report.dim is not None else []
        render.write(f"better: use it with: {shlex.join(command)} (then run tune without --output on top of it)")
    elif report.output is not None:
        render.announce(f"not surely better: keep the model you have (the trained one is in {report.output})")
    elif report.better:
        render.write("would be better")
    else:
        render.announce("not surely better: nothing was changed")


def _row(row: "Comparison") -> list[str]:
    gain = row.difference
    return [
        row.search,
        f"{row.before.mean:.4f}",
        f"{row.after.mean:.4f}",
        f"{gain.mean:+.4f}",
        f"{gain.low:+.4f} to {gain.high:+.4f}",
        "<0.001" if row.p < 0.001 else f"{row.p:.3f}",
    ]
