"""What the settings of double machine learning may be."""

from __future__ import annotations

from butfor.core.errors import InvalidSetting


def check_splitting(folds: int, repetitions: int) -> None:
    """At least two folds, at least one repetition."""
    if folds < 2:
        raise InvalidSetting(f"folds is {folds}; cross-fitting needs at least 2.", hint="folds=5")
    if repetitions < 1:
        raise InvalidSetting(f"repetitions is {repetitions}; cross-fitting needs at least 1.", hint="repetitions=1")


def check_floor(floor: float, title: str) -> None:
    """A floor of probabilities between 0 and a half."""
    if not 0.0 < floor < 0.5:
        raise InvalidSetting(f"floor is {floor}; {title} needs 0 < floor < 0.5.", hint="floor=0.01")
