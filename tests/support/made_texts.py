"""Texts made of sentences whose meanings differ: as many as a test needs."""

import random

WHO = ("the gardener", "a sailor", "our neighbour", "my doctor", "the baker", "two judges", "her sister", "a poet")
DOES = ("repairs", "paints", "forgets", "sells", "carries", "measures", "finds", "burns", "hides", "washes")
WHAT = ("the boat", "a violin", "old maps", "the roof", "fresh bread", "three horses", "the engine", "a letter")
WHERE = ("behind the church", "near the harbour", "in winter", "before sunrise", "at the market", "under the oak")


def texts(count: int, seed: int) -> dict[str, str]:
    """File name -> text of four sentences."""
    chance = random.Random(seed)
    return {
        f"{seed}-{number}.txt": " ".join(
            f"{chance.choice(WHO).capitalize()} {chance.choice(DOES)} {chance.choice(WHAT)} {chance.choice(WHAT)}"
            f" {chance.choice(WHERE)}."
            for _ in range(4)
        )
        for number in range(count)
    }
