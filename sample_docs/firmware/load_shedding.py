"""Load shedding for the Lumen Harbor grid: which feeders are switched off when there is too little power."""

from dataclasses import dataclass

# Feeders that are never shed: the clinic and the water pumps.
CRITICAL = frozenset({"F1", "F2"})
FREQUENCY_FLOOR_HZ = 49.2


@dataclass(frozen=True)
class Feeder:
    """A cable to a part of the village and what it draws."""

    name: str
    kilowatts: float
    minutes_since_shed: float = 1e9


def shed_noncritical_feeders(feeders: list[Feeder], missing_kilowatts: float) -> list[str]:
    """Names of the feeders to open, largest first, until `missing_kilowatts` are saved.

    A feeder that was off within the last hour is spared, so that no street stays dark twice in one evening.
    """
    candidates = [feeder for feeder in feeders if feeder.name not in CRITICAL and feeder.minutes_since_shed > 60]
    opened = []
    for feeder in sorted(candidates, key=lambda feeder: -feeder.kilowatts):
        if missing_kilowatts <= 0:
            break
        opened.append(feeder.name)
        missing_kilowatts -= feeder.kilowatts
    return opened


def must_shed(frequency_hz: float, battery_percent: float) -> bool:
    """Whether the grid is so weak that consumers must go: low frequency, or a battery that is nearly empty."""
    return frequency_hz < FREQUENCY_FLOOR_HZ or battery_percent < 8
