"""Reads text in pictures (OCR) by rapidocr with the models that come with it, within limits for one document.

The models know Chinese and English; letters with accents are often taken for others.
"""

import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Two boxes whose middles are nearer than this share of their height stand in one line.
_SAME_LINE = 0.5
# A line with less is more likely a pattern than text (rapidocr's own limit for text is 0.5).
_FEWEST_CONFIDENCE = 0.6


@dataclass(frozen=True)
class OcrLimits:
    """How much of one document is read: at most so many pages, as far as so many seconds go."""

    pages: int
    seconds: float


@dataclass
class OcrReader:
    """Reads the pictures of one document; counts pages, and the confidence of each."""

    limits: OcrLimits
    confidences: list[float] = field(default_factory=list)
    left_out: int = 0
    _started: float | None = None
    _pages: int = 0

    def read(self, picture: "NDArray[np.uint8]") -> str | None:
        """The text in `picture` (height, width, 3), line by line; None beyond the limits."""
        # Not the clock, which goes on while a terminal or a frozen machine stops this process.
        now = time.thread_time()
        self._started = self._started or now
        if self._pages >= self.limits.pages or now - self._started > self.limits.seconds:
            self.left_out += 1
            return None
        self._pages += 1
        found = _engine()(picture)
        boxes, texts, scores = found.boxes, found.txts, found.scores
        if boxes is None or not texts:
            return ""
        kept = [
            (box[:, 1].mean(), box[:, 0].min(), float(box[:, 1].max() - box[:, 1].min()), text, float(score))
            for box, text, score in zip(boxes, texts, scores, strict=True)
            if score >= _FEWEST_CONFIDENCE and text.strip()
        ]
        if kept:
            self.confidences.append(sum(score for *_, score in kept) / len(kept))
        return "\n".join(_lines(kept))

    def notice(self, pages: str) -> str:
        """What was read so, of `pages` ("page 3", or empty for a picture)."""
        if not self.confidences:
            return ""
        sure = sum(self.confidences) / len(self.confidences)
        return f"{pages} read by OCR (confidence {sure:.2f})".strip()


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "critical"})


def _lines(kept: list[tuple[float, float, float, str, float]]) -> list[str]:
    """The texts of boxes, (middle, left, height, text, score) each, from top to bottom and from left to right."""
    lines: list[list[tuple[float, float, float, str, float]]] = []
    for one in sorted(kept):
        if lines and one[0] - lines[-1][0][0] < _SAME_LINE * max(one[2], lines[-1][0][2]):
            lines[-1].append(one)
        else:
            lines.append([one])
    return ["  ".join(text for _, _, _, text, _ in sorted(line, key=lambda box: box[1])) for line in lines]
