"""Instrument bounds: what an instrument says of everyone's effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import ConstantColumn, InvalidSetting
from butfor.core.rng import Seed
from butfor.data.dataset import open_dataset
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, Reading, describe, read_rows, take_samples
from butfor.estimators.bounds.limits import end_labels, interval_notes, limits_of, refuse_other_estimands
from butfor.estimators.bounds.table import Ends, InstrumentTable
from butfor.identify.bounds import Bounds, instrument_bounds
from butfor.identify.strategies import Instrument, Strategy
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.question import Question
from butfor.question.question import Level

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
WHOLE = Reading()


@dataclass(frozen=True, eq=False)
class InstrumentFit(Fit):
    """Instrument bounds with the confidence interval of the effect itself.

    Attributes:
        ends: both ends of each effect.
        farthest: the effect cannot be larger than this in size.
    """

    ends: tuple[Ends, ...] = ()
    farthest: float = np.inf

    def interval(self, level: float = 0.95) -> FloatArray:
        """Confidence limits of each effect (effects × 2). They are valid also where several sums tie at an end."""
        clusters = self.result.clusters
        limits = np.array([e.interval(level, clusters) for e in self.ends])
        return np.clip(limits, -self.farthest, self.farthest)


@dataclass(frozen=True, kw_only=True)
class InstrumentBounds(Estimator):
    """Bound everyone's effect with an instrument, whomever it moves and in whichever direction.

    **Answers** what an instrument says of the average effect on all units, not only on those whom it moves, without
    assuming that it moves nobody against its direction.

    **Estimates** both ends of the interval of the ATE: the largest and the smallest of the sums of
    P(treatment, outcome | instrument) that the corners of a linear program give (eight each for two levels of
    everything); with covariates, their average over strata. For two-valued outcomes and two arms no narrower bounds
    exist. An outcome with more values, between `least` and `greatest`, counts as a coin with the chance
    (Y − least) / (greatest − least): valid, though there may be narrower ones; so are they with more than two arms.

    **Assumes** that the instrument reaches the outcome through the treatment alone and shares no hidden cause with it,
    given the covariates (probe: data that contradict this are refused with the number), the limits of the outcome
    (probe: ask what the scale allows), and consistency.

    The larger of several estimated sums is too large on average. `fit.interval()` accounts for it: its noise is that of
    the largest of all sums that might be at the end, which holds the effect with at least the stated probability.
    Standard errors are those of the sum that is at the end.

    Args:
        least: the least possible outcome; not needed where the outcome has two values.
        greatest: the greatest.
        most_strata: most combinations of values of the covariates.

    Raises:
        MethodMismatch: for a strategy without instrument, an amount, an estimand other than the ATE, unknown limits.
        InvalidSetting: for too many levels or strata, or limits that the data exceed.
        EmptyArm: for a stratum in which a level of the instrument does not occur.
        NumericalFailure: when the data contradict the instrument by more than chance.

    References:
        Balke and Pearl 1997 (doi:10.1080/01621459.1997.10474074); Richardson and Robins 2014 (arXiv:1410.0470); Fang
        and Santos 2019 (doi:10.1093/restud/rdy049); Stoye 2009 (doi:10.3982/ECTA7347).

    >>> import butfor as bf
    >>> from butfor.estimators.bounds.instrument import InstrumentBounds
    >>> cells = {(0, 0, 0): 919, (0, 0, 1): 81, (1, 0, 0): 315, (1, 0, 1): 73, (1, 1, 0): 139, (1, 1, 1): 473}
    >>> rows = [cell for cell, count in cells.items() for _ in range(count)]
    >>> frame = dict(zip(("offered", "taken", "better"), zip(*rows), strict=True))
    >>> found = InstrumentBounds().fit_instrument(frame, treatment="taken", outcome="better", instrument="offered")
    >>> found.result.value.round(3).tolist()
    [0.392, 0.78]
    """

    least: float | None = None
    greatest: float | None = None
    most_strata: int = 60

    name: ClassVar[str] = "instrument_bounds"
    title: ClassVar[str] = "Instrument bounds"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("bounds", "instrument")

    def __post_init__(self) -> None:
        if self.most_strata < 1:
            raise InvalidSetting(
                f"most_strata is {self.most_strata}; bounds need at least 1 stratum.", hint="most_strata=60"
            )

    def accepts(self, strategy: Strategy) -> bool:
        """Does the strategy have an instrument?"""
        return isinstance(strategy, Bounds | Instrument) and bool(strategy.instrument)

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """The instrument, and what makes it one."""
        return strategy.uses

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> InstrumentFit:
        """Fit on a clean sample; the draws behind the interval are always the same."""
        self.check(sample, strategy)
        refuse_other_estimands(question, self.title, subgroups=False)
        least, greatest = limits_of(sample, self.least, self.greatest)
        instrument, strata = self._codes(sample, strategy)
        coin = (sample.outcome - least) / (greatest - least)
        tables = [
            InstrumentTable.of(sample, coin, instrument, strata, contrast) for contrast in sample.treatment.contrasts
        ]
        words = strategy.uses[0]
        notes = [note for table in tables[:1] for note in table.refuse_contradiction(words)]
        ends = tuple(Ends.of(table, greatest - least) for table in tables)
        terms = sample.treatment.terms
        result = Estimate(
            labels=end_labels(terms),
            value=np.array([v for e in ends for v in e.value]),
            influence=np.column_stack([e.influence() for e in ends]),
            estimand=question.estimand,
            **describe(self, sample, strategy, rng),
        )
        fit = InstrumentFit(
            self,
            sample,
            question,
            strategy,
            result,
            ends=ends,
            farthest=greatest - least,
            nuisance_summary=(f"shares in {tables[0].strata:,} strata",),
        )
        notes += [note for e, term in zip(ends, terms, strict=True) for note in e.notes(term)]
        notes = [*interval_notes(terms, result.value, fit.interval(), 0.95), *notes]
        return replace(fit, result=replace(result, diagnostics=(*result.diagnostics, *notes)))

    def fit_instrument(
        self,
        frame: Any,
        *,
        treatment: str,
        outcome: str,
        instrument: str,
        covariates: Sequence[str] = (),
        contrast: tuple[Level, Level] | None = None,
        arms: bool = False,
        reading: Reading = WHOLE,
    ) -> InstrumentFit:
        """Fit on a frame, file or table, with an instrument on the user's word.

        Args:
            frame: pandas, polars, pyarrow, a DuckDB relation, a dict of arrays, or a path.
            treatment: column with two levels, or several.
            outcome: numeric column.
            instrument: column with a few levels.
            covariates: columns that make it an instrument: among units alike in them it is as if drawn by lot.
            contrast: (treated level, reference level).
            arms: treat a numeric treatment with more than two values as separate arms.
            reading: weights, clusters, what to do about missing values.
        """
        question = Question(treatment, outcome, contrast=contrast, arms=arms)
        strategy = instrument_bounds(treatment, outcome, instrument, tuple(covariates))
        rows = read_rows(open_dataset(frame), question, [(strategy, self)], reading)
        sample = take_samples(rows, question, [(strategy, self)], reading)[0]
        return self.fit_sample(sample, question, strategy)

    def _codes(self, sample: Sample, strategy: Strategy) -> tuple[IntArray, IntArray]:
        """The level of the instrument and the stratum of each row."""
        assert isinstance(strategy, Bounds | Instrument)
        name = strategy.instrument
        instrument = _distinct(sample, (name,))
        if instrument.max() == 0:
            raise ConstantColumn(
                f"Instrument {name!r} has one value; instrument bounds need at least 2.",
                hint="NaturalBounds() needs no instrument",
            )
        strata = _distinct(sample, strategy.given)
        if strata.max() >= self.most_strata:
            raise InvalidSetting(
                f"{', '.join(strategy.given)} have {int(strata.max()) + 1:,} combinations of values; instrument bounds "
                f"need at most {self.most_strata} strata.",
                hint="cut numbers into a few groups, merge rare levels, or raise most_strata=",
            )
        return instrument, strata


def _distinct(sample: Sample, names: tuple[str, ...]) -> IntArray:
    """A code for each combination of values of these columns, in each row."""
    columns = [j for j, source in enumerate(sample.covariates.source) if source in names]
    if not columns:
        return np.zeros(sample.n, dtype=np.intp)
    _, codes = np.unique(sample.covariates.matrix[:, columns], axis=0, return_inverse=True)
    return np.asarray(codes).reshape(-1).astype(np.intp)
