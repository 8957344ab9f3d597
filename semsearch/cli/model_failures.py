"""Counts how often a language model failed on the questions of a batch, and knows when to ask it no more."""

from semsearch.errors import SemsearchError
from semsearch.plurals import count_of

# Each failure may take minutes.
_MOST_ON_END = 3


class ModelFailures:
    """What became of the questions that the model called `name` was to answer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._questions = self._failed = self._on_end = 0

    @property
    def too_many(self) -> bool:
        """Whether it failed so often one time after another that it is not asked any more."""
        return self._on_end >= _MOST_ON_END

    @property
    def notice(self) -> str:
        """What is said when that is so."""
        return f"{self._name} failed {_MOST_ON_END} times on end: it is not asked any more"

    def count(self, *, failed: bool) -> None:
        """Counts a question; `failed`: the documents were quoted instead."""
        self._questions += 1
        self._failed += failed
        self._on_end = self._on_end + 1 if failed else 0

    def of_batch(self) -> SemsearchError | None:
        """The error to end a batch with; None where it never failed."""
        if not self._failed:
            return None
        from semsearch.answering.llm import LlmError

        return LlmError(
            f"{self._name} failed on {self._failed:,} of {count_of(self._questions, 'question')};"
            " their answers are quoted",
            "ask these again when it works, or everything with --no-llm",
        )
