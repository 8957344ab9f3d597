"""The result of a run of `index`: what it counted, as a JSON object and as a line for people.

The classes are no dataclasses, for the reason given in `sources.walk`.
"""

from semsearch.plurals import count_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = "semsearch.index/1"


class Estimate:
    """What a run would have to encode, for `--dry-run`.

    `chunks` and `tokens`: how many; `usd`: the price of the model's provider in US dollars, None for local models.
    """

    def __init__(self, model: str, chunks: int, tokens: int, usd: "float | None") -> None:
        self.model = model
        self.chunks = chunks
        self.tokens = tokens
        self.usd = usd

    def as_dict(self) -> "dict[str, Any]":
        """The JSON object `estimate` of the report."""
        return {"model": self.model, "chunks": self.chunks, "tokens": self.tokens, "usd": self.usd}

    def summary(self) -> str:
        """The estimate as part of a line for people."""
        price = "" if self.usd is None else f", about ${self.usd:,.4f}"
        return (
            f"{count_of(self.chunks, 'chunk')} of {count_of(self.tokens, 'token')} to encode with {self.model}{price}"
        )


class IndexReport:
    """The counts of one run on the index at the path `index`.

    `files` and `chunks`: counts by what happened; `seconds`: of the run, of reading and of encoding; `skipped` and
    `failed`: (path, reason) of every file that is not in the index.
    """

    def __init__(self, index: str) -> None:
        self.index = index
        self.files = dict.fromkeys(("added", "changed", "renamed", "removed", "unchanged"), 0)
        self.chunks = dict.fromkeys(
            ("total", "added", "removed", "encoded", "reused", "pending", "sparse", "sparse_pending"), 0
        )
        self.seconds = dict.fromkeys(("total", "read", "encode"), 0.0)
        self.skipped: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str]] = []
        # How many files a run with a time limit left to the next run.
        self.left = 0
        # How many files the index has after the run.
        self.indexed = 0
        # Whether the run was not made: the report says what it would do.
        self.dry_run = False
        # For a dry run only.
        self.estimate: Estimate | None = None
        # For a dry run only: why a run would refuse to change anything.
        self.refused = ""
        # What a reader of a replica waits for to see what the run committed.
        self.token = ""
        # Whether the time limit ended the run.
        self.stopped = False
        # Of how many passages token vectors were `made`, and are `left` to the next run; None: none are kept.
        self.token_vectors: dict[str, int] | None = None
        # How many vectors were moved, and to which database, None: into the index itself. None where none was.
        self.moved: tuple[int, str | None] | None = None
        # The GPU that encoded passages; "": none.
        self.device = ""

    def as_dict(self) -> "dict[str, Any]":
        """The JSON object that `index --json` prints."""
        return {
            "schema": SCHEMA,
            "index": self.index,
            "files": {**self.files, "skipped": len(self.skipped), "failed": len(self.failed)},
            "chunks": {name: count for name, count in self.chunks.items() if count or not name.startswith("sparse")},
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "failed": [{"path": path, "reason": reason} for path, reason in self.failed],
            **({"left": self.left} if self.left else {}),
            **({"stopped": True} if self.stopped else {}),
            **({"moved": {"vectors": self.moved[0], "to": self.moved[1]}} if self.moved else {}),
            **({"token_vectors": self.token_vectors} if self.token_vectors is not None else {}),
            **({"device": self.device} if self.device else {}),
            **({"token": self.token} if self.token else {}),
            **({"refused": self.refused} if self.refused else {}),
            **({"estimate": self.estimate.as_dict()} if self.estimate else {}),
        }

    def __repr__(self) -> str:
        return f"<IndexReport of {self.index}: {self.summary()}>"

    def summary(self) -> str:
        """One line for people: `478 files, 3,334 chunks: 478 added, 3,334 encoded (52.1 s)`."""
        counts = [f"{count:,} {name}" for name, count in self.files.items() if count and name != "unchanged"]
        if self.chunks["encoded"]:
            where = f" on {self.device}" if self.device else ""
            counts.append(f"{count_of(self.chunks['encoded'], 'chunk')} encoded{where}")
        if self.chunks["sparse"]:
            counts.append(f"{count_of(self.chunks['sparse'], 'sparse vector')} made")
        if self.moved:
            count, place = self.moved
            counts.append(f"{count_of(count, 'vector')} moved {'into the index' if place is None else f'to {place}'}")
        kept = self.token_vectors or {"made": 0, "left": 0}
        if kept["made"]:
            counts.append(f"token vectors of {count_of(kept['made'], 'passage')} made")
        total = (
            "would be"
            if self.dry_run
            else f"{count_of(self.indexed, 'file')}, {count_of(self.chunks['total'], 'chunk')}"
        )
        line = f"{total}: " + (", ".join(counts) or "up to date")
        if self.left:
            line += f"; {count_of(self.left, 'file')} left to the next run"
        if self.chunks["pending"]:
            line += f"; {count_of(self.chunks['pending'], 'chunk')} not encoded"
        if kept["left"]:
            line += f"; token vectors of {count_of(kept['left'], 'passage')} left to the next run"
        if self.chunks["sparse_pending"]:
            line += f"; {count_of(self.chunks['sparse_pending'], 'chunk')} without a sparse vector"
        not_indexed = [
            f"{len(listed):,} {name}" for name, listed in (("skipped", self.skipped), ("failed", self.failed)) if listed
        ]
        if not_indexed:
            line += "; " + ", ".join(not_indexed)
        if self.stopped:
            line += "; ended by --max-time, the next run goes on"
        if self.refused:
            line += f"; refused without --prune: {self.refused}"
        if self.estimate:
            line += f"; {self.estimate.summary()}"
        return f"{line} ({self.seconds['total']:.1f} s)"
