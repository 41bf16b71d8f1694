"""Probabilities of causation: was the treatment necessary, was it sufficient, or both (Tian and Pearl 2000)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from butfor.core.errors import InvalidSetting, NumericalFailure
from butfor.core.serial import public_value

# Probabilities that exceed their limits by no more than this are rounded.
SAME = 1e-9


@public_value
@dataclass(frozen=True)
class Interval:
    """What a probability is at least and at most; nan where it is about nobody."""

    lower: float
    upper: float

    @property
    def is_point(self) -> bool:
        """Is there nothing in between?"""
        return self.upper - self.lower <= SAME


@public_value
@dataclass(frozen=True)
class Causation:
    """Bounds of the three probabilities of causation.

    Attributes:
        pns: P(Y(1) = 1, Y(0) = 0), necessity and sufficiency: the share of units that the treatment makes a case.
        pn: P(Y(0) = 0 | T = 1, Y = 1), necessity: among treated cases, those who would be none without treatment.
        ps: P(Y(1) = 1 | T = 0, Y = 0), sufficiency: among untreated non-cases, those whom treatment would make one.
        sources: what the bounds rest on.
    """

    pns: Interval
    pn: Interval
    ps: Interval
    sources: tuple[str, ...]


def probabilities_of_causation(
    observed: tuple[tuple[float, float], tuple[float, float]] | None = None,
    experiment: tuple[float, float] | None = None,
    *,
    exogenous: bool = False,
    monotone: bool = False,
) -> Causation:
    """Bounds of PNS, PN and PS from observational data, from an experiment, or from both.

    **Answers** how often a case is due to the treatment, as a court asks (PN); how often the treatment would bring a
    case about (PS); both at once (PNS).

    With p(t) = P(Y(t) = 1) and P(t, y) the observed shares, and X = 1 for the treated (Tian and Pearl 2000):

        max{0, p(1) − p(0), P(Y=1) − p(0), p(1) − P(Y=1)} ≤ PNS ≤
            min{p(1), 1 − p(0), P(1,1) + P(0,0), p(1) − p(0) + P(1,0) + P(0,1)}
        max{0, (P(Y=1) − p(0)) / P(1,1)} ≤ PN ≤ min{1, (1 − p(0) − P(0,0)) / P(1,1)}
        max{0, (p(1) − P(Y=1)) / P(0,0)} ≤ PS ≤ min{1, (p(1) − P(1,1)) / P(0,0)}

    Without an experiment, p(t) may be anything between P(t, Y=1) and 1 − P(t, Y=0), and PN and PS anything at all.

    Args:
        observed: P(t, y) as ((P(0,0), P(0,1)), (P(1,0), P(1,1))): rows are the treatment, columns the outcome.
        experiment: (p(0), p(1)), the shares of cases without and with treatment in an experiment.
        exogenous: nothing causes both treatment and outcome, so that p(t) = P(Y=1 | t): say so of an experiment to
            ask about its own units, instead of units that chose their treatment.
        monotone: the treatment prevents no case. Then the lower bounds of PNS, PN and PS are the values themselves,
            as soon as p(t) is known.

    Raises:
        InvalidSetting: for numbers that are no probabilities, or without any data.
        NumericalFailure: when observed and experimental shares, or the data and the assumptions, contradict each
            other, with the number.

    References:
        Tian and Pearl 2000 (doi:10.1023/A:1018912507879).

    >>> found = probabilities_of_causation(experiment=(0.3, 0.5))
    >>> round(found.pns.lower, 3), round(found.pns.upper, 3)
    (0.2, 0.5)
    """
    known = _checked(observed, experiment, exogenous)
    if known.cases is None:
        return _observed_only(known, monotone)
    if monotone:
        _refuse_decreasing(known)
    return _with_experiment(known, monotone)


@dataclass(frozen=True)
class _Known:
    """P(t, y), and p(t) where known."""

    joint: tuple[tuple[float, float], tuple[float, float]] | None
    cases: tuple[float, float] | None
    sources: tuple[str, ...]


def _checked(
    observed: tuple[tuple[float, float], tuple[float, float]] | None,
    experiment: tuple[float, float] | None,
    exogenous: bool,
) -> _Known:
    if observed is None and experiment is None:
        raise InvalidSetting(
            "There are neither observed nor experimental shares; bounds need one of them.", hint="experiment=(0.3, 0.5)"
        )
    joint = None if observed is None else tuple(tuple(row) for row in observed)
    numbers = [*(experiment or ()), *(v for row in joint or () for v in row)]
    shape_ok = (experiment is None or len(experiment) == 2) and (joint is None or [len(r) for r in joint] == [2, 2])
    if not shape_ok or not all(math.isfinite(v) and -SAME <= v <= 1.0 + SAME for v in numbers):
        raise InvalidSetting(
            f"The shares are {observed!r} and {experiment!r}; they need to be probabilities, 2 × 2 and 2.",
            hint="observed=((0.4, 0.1), (0.2, 0.3)), experiment=(0.3, 0.5)",
        )
    if joint is not None and abs(sum(map(sum, joint)) - 1.0) > 1e-6:
        raise InvalidSetting(
            f"The observed shares sum to {sum(map(sum, joint)):g}; they need to sum to 1.",
            hint="divide the four counts by their sum",
        )
    sources = (("observed",) if joint else ()) + (("experiment",) if experiment else ())
    if joint is not None and experiment is not None:
        _refuse_contradiction(joint, experiment)
    if exogenous and joint is not None and experiment is not None:
        raise InvalidSetting(
            "exogenous is True with both observed and experimental shares; exogeneity makes one of them the other.",
            hint="leave out observed=",
        )
    if exogenous:
        sources = (*sources, "exogeneity")
        experiment = experiment if joint is None else _conditional(joint)
    return _Known(joint, experiment, sources)  # type: ignore[arg-type]


def _conditional(joint: tuple[tuple[float, ...], ...]) -> tuple[float, float]:
    for arm in (0, 1):
        if sum(joint[arm]) <= 0.0:
            raise NumericalFailure(
                f"Nobody has treatment {arm}; under exogeneity P(Y=1 | {arm}) needs somebody who has.",
                hint="exogenous=False",
            )
    return joint[0][1] / sum(joint[0]), joint[1][1] / sum(joint[1])


def _refuse_contradiction(joint: tuple[tuple[float, ...], ...], experiment: tuple[float, float]) -> None:
    for arm, cases in enumerate(experiment):
        least, most = joint[arm][1], 1.0 - joint[arm][0]
        if not least - SAME <= cases <= most + SAME:
            raise NumericalFailure(
                f"The experiment has {cases:.4g} cases under treatment {arm}, the observed shares allow {least:.4g} to "
                f"{most:.4g}; both kinds of data need to be about the same population.",
                hint="check that the units of the experiment are like those observed, or use one kind of data alone",
            )


def _refuse_decreasing(known: _Known) -> None:
    assert known.cases is not None
    gaps = [known.cases[1] - known.cases[0]]
    if known.joint is not None:
        cases = known.joint[0][1] + known.joint[1][1]
        gaps += [cases - known.cases[0], known.cases[1] - cases]
    if min(gaps) < -SAME:
        raise NumericalFailure(
            f"Treatment lowers a share of cases by {-min(gaps):.4g}; monotonicity needs one that prevents no case.",
            hint="monotone=False",
        )


def _observed_only(known: _Known, monotone: bool) -> Causation:
    """Without p(t); monotonicity then says no more than that everybody might be unaffected."""
    assert known.joint is not None
    (none0, _), (_, case1) = known.joint
    anything = Interval(0.0, 1.0)
    sources = (*known.sources, *(("monotonicity",) if monotone else ()))
    return Causation(
        Interval(0.0, none0 + case1),
        anything if case1 > 0 else Interval(math.nan, math.nan),
        anything if none0 > 0 else Interval(math.nan, math.nan),
        sources,
    )


def _with_experiment(known: _Known, monotone: bool) -> Causation:
    assert known.cases is not None
    low, high = known.cases
    sources = (*known.sources, *(("monotonicity",) if monotone else ()))
    if known.joint is None or "exogeneity" in known.sources:
        pns = _interval([0.0, high - low], [high, 1.0 - low], monotone)
        if "exogeneity" not in known.sources:
            return Causation(pns, Interval(0.0, 1.0), Interval(0.0, 1.0), sources)
        # Those who got the treatment are like those who did not, so that PN and PS are shares of PNS.
        return Causation(pns, _scaled(pns, high), _scaled(pns, 1.0 - low), sources)
    (none0, case0), (none1, case1) = known.joint
    cases = case0 + case1
    pns = _interval(
        [0.0, high - low, cases - low, high - cases],
        [high, 1.0 - low, case1 + none0, high - low + none1 + case0],
        monotone,
    )
    pn = _share([0.0, cases - low], [case1, 1.0 - low - none0], case1, monotone)
    ps = _share([0.0, high - cases], [none0, high - case1], none0, monotone)
    return Causation(pns, pn, ps, sources)


def _interval(lowest: list[float], highest: list[float], monotone: bool) -> Interval:
    lower = max(lowest)
    return Interval(lower, lower if monotone else max(min(highest), lower))


def _share(lowest: list[float], highest: list[float], whole: float, monotone: bool) -> Interval:
    if whole <= 0.0:
        return Interval(math.nan, math.nan)
    return _scaled(_interval(lowest, highest, monotone), whole)


def _scaled(interval: Interval, whole: float) -> Interval:
    if whole <= 0.0:
        return Interval(math.nan, math.nan)
    return Interval(*(min(max(v / whole, 0.0), 1.0) for v in (interval.lower, interval.upper)))
