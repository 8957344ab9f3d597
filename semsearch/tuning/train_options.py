"""How a model is trained, as the user asks for it."""

from dataclasses import dataclass

from semsearch.errors import UsageError
from semsearch.tuning.train_job import LOSSES


@dataclass(frozen=True)
class TrainOptions:
    """How a model is trained.

    `output`: the folder of the trained model; `teacher`: the name of a cross-encoder whose scores are learnt; `loss`:
    one of `LOSSES`, None: distillation with a teacher, else multiple-negatives; `epochs`: how often each pair is learnt
    from; `batch_size`: pairs of a step.
    """

    output: str
    loss: str | None = None
    teacher: str | None = None
    epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 2e-5

    def chosen_loss(self) -> str:
        """The loss to train with. Raises `UsageError` for an unknown one, and where loss and teacher do not fit."""
        loss = self.loss or ("distillation" if self.teacher else "multiple-negatives")
        if loss not in LOSSES:
            raise UsageError(f"there is no loss {loss}", f"use one of: {', '.join(LOSSES)}")
        if (loss == "distillation") != (self.teacher is not None):
            raise UsageError(
                "--loss distillation and --teacher belong together",
                "name a cross-encoder: --teacher MODEL",
            )
        return loss

    def check(self) -> None:
        """Raises `UsageError` for numbers that are out of range, and as `chosen_loss` does."""
        self.chosen_loss()
        for name, value, least in (("--epochs", self.epochs, 1), ("--batch-size", self.batch_size, 2)):
            if value < least:
                raise UsageError(f"{name} {value} is too small", f"use {least} or more")
        if not 0 < self.learning_rate < 1:
            raise UsageError(f"--learning-rate {self.learning_rate:g} is out of range", "use a number like 2e-5")
