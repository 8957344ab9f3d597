"""What an examination of an index finds, wherever the index is kept."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was written. `repair`: what `--repair` does about it; "": nothing can be done."""

    part: str
    what: str
    repair: str

    def as_dict(self) -> dict[str, str]:
        return {"part": self.part, "problem": self.what, "repair": self.repair}


@dataclass
class Findings:
    """What there is, and what of it is not as it should be. `notices`: what the user is to be told beside that."""

    files: int = 0
    chunks: int = 0
    segments: int = 0
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
