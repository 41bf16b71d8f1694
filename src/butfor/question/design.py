"""Designs: how the treatment came about, when that is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value


@public_value
@dataclass(frozen=True, kw_only=True)
class Observational:
    """Nobody assigned the treatment: the graph must say why it was taken."""


@public_value
@dataclass(frozen=True, kw_only=True)
class Randomized:
    """The treatment was assigned by chance.

    Args:
        within: columns whose values decided the chance (blocks or strata); empty for one chance for all.
        cluster: column of the units that were assigned together, when that was not each row on its own.
    """

    within: tuple[str, ...] = ()
    cluster: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", (self.within,) if isinstance(self.within, str) else tuple(self.within))
        if self.cluster is not None and self.cluster in self.within:
            raise InvalidSetting(
                f"Column {self.cluster!r} is both stratum and cluster; a randomised design needs them apart.",
                hint="within= names what set the chance, cluster= names what was assigned together",
            )


@public_value
@dataclass(frozen=True, kw_only=True)
class Cutoff:
    """A rule gave the treatment to those on one side of a cutoff.

    Args:
        running_variable: column that the rule looked at.
        cutoff: the value at which the treatment changes.
        fuzzy: the rule changed the chance of treatment and did not decide it.
    """

    running_variable: str
    cutoff: float
    fuzzy: bool = False


@public_value
@dataclass(frozen=True)
class Instrumented:
    """Something outside moved the treatment: a lottery, a reform, an encouragement.

    Args:
        instrument: its column.
        given: columns given which it is as good as random.
    """

    instrument: str
    given: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", (self.given,) if isinstance(self.given, str) else tuple(self.given))


@public_value
@dataclass(frozen=True, kw_only=True)
class Panel:
    """Units were seen over time, and some of them were treated from some time on.

    Args:
        unit: column of the units.
        time: column of the times.
    """

    unit: str
    time: str


Design = Observational | Randomized | Cutoff | Instrumented | Panel
