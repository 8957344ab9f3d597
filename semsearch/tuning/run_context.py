"""What the steps of one run of `tune` share."""

from dataclasses import dataclass, field

from semsearch.callbacks import Advance, Announce


@dataclass(frozen=True)
class RunContext:
    """The callbacks of one run, and its `notices`: what a reader of its report should know."""

    announce: Announce
    advance: Advance
    notices: list[str] = field(default_factory=list)
