"""What a refuter is: a method of breaking an estimate, as a value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.estimators.base import Fit
from butfor.nuisance.cache import NuisanceCache
from butfor.refute.refutation import Finding, Refutation

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Refuter(ABC):
    """A check as frozen settings. It never changes the fit or the caller's data.

    A refuter implements `applies` and `examine`; `refute` judges what was found on its own, the battery judges all
    findings together.
    """

    name: ClassVar[str]
    asks: ClassVar[str]

    @abstractmethod
    def applies(self, fit: Fit) -> str | None:
        """None, or why this check says nothing about this fit."""

    def says_nothing(self, fit: Fit) -> str | None:
        """Why no check, or why this one, says anything about this fit; None if it does."""
        if fit.strategy.kind == "bounds":
            return "the effect is known up to bounds, which hold whatever is hidden"
        return self.applies(fit)

    @abstractmethod
    def examine(
        self, fit: Fit, *, seed: int, cache: NuisanceCache | None = None, progress: Progress | None = None
    ) -> Finding:
        """Measure, without a verdict."""

    def refute(
        self, fit: Fit, *, rng: Seed = 0, cache: NuisanceCache | None = None, progress: Progress | None = None
    ) -> Refutation:
        """Run this check alone.

        Args:
            fit: the estimate to break; its first effect decides the verdict, the table has them all.
            rng: seed or generator; simulations draw from independent streams.
            cache: nuisances that were fitted before.
            progress: called with (name, done, total).

        Raises:
            MethodMismatch: when the check says nothing about this fit.
        """
        self.require(fit)
        return self.examine(fit, seed=seed_from(rng), cache=cache, progress=progress).judged()

    def require(self, fit: Fit) -> None:
        """Refuse a fit that the check says nothing about."""
        reason = self.says_nothing(fit)
        if reason is not None:
            raise MethodMismatch(
                f"Refuter is {self.name}; it says nothing here: {reason}.",
                hint="leave it out, or call refute(fit) for the checks that apply",
            )


def seed_from(rng: Seed) -> int:
    """The integer that repeats a check."""
    return rng if isinstance(rng, int) else seed_of(rng)


def check_simulations(simulations: int | None, *, least: int = 2) -> None:
    """Refuse too few simulations."""
    if simulations is not None and simulations < least:
        raise InvalidSetting(
            f"simulations is {simulations}; this check needs at least {least}.", hint=f"simulations={max(least, 100)}"
        )


def tell(progress: Progress | None, name: str, done: int, total: int) -> None:
    """Report progress to whoever listens."""
    if progress is not None:
        progress(name, done, total)
