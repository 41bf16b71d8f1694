"""Proximal doubly robust estimation: bridges of outcome and treatment, either of which may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Assumption
from butfor.core.errors import MethodMismatch, NumericalFailure, TooFewRows
from butfor.core.rng import Seed
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, Roles, describe
from butfor.estimators.proximal.columns import Proxies, pair_of
from butfor.estimators.proximal.strength import strength_note, strength_of
from butfor.identify.proximal import ProximalPair, declared_pair
from butfor.identify.strategies import Strategy
from butfor.inference.estimate import Estimate
from butfor.inference.least_squares import Controls
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import NuisanceCache
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

EITHER_BRIDGE = Assumption(
    "either bridge",
    "What the hidden causes do to the outcome is what a linear function of outcome proxies and covariates does in each "
    "arm; or what they do to the odds against each arm is what a log-linear function of treatment proxies and "
    "covariates does.",
    "Compare with two-stage least squares, which trusts the first alone; add squares of the proxies.",
)
# Newton steps, and halvings of each, before a bridge counts as one that does not exist.
STEPS, HALVINGS = 100, 40
# Moments are met to this accuracy, in units of their columns' standard deviations.
ACCURACY = 1e-11
# Log odds beyond this say that a bridge runs off to infinity.
MOST_LOG_ODDS = 100.0


@dataclass(frozen=True, kw_only=True)
class ProximalDoublyRobust(Estimator):
    """Combine a bridge of the outcome with a bridge of the treatment; either may be wrong.

    **Answers** what the treatment does on average although a common cause of treatment and outcome was not measured,
    when two kinds of its traces were, without trusting one model alone.

    **Estimates** the ATE as a difference of means of Γ_a = h_a(W, C) + 1{T = a} q_a(Z, C) (Y − h_a(W, C)), with a
    linear outcome bridge h_a and a treatment bridge q_a = 1 + exp(γ'(1, Z, C)), which solve

        E[1{T = a} q_a (1, W, C)] = E[(1, W, C)],    E[1{T = a} (q_a − 1) (1, Z, C) (Y − h_a)] = 0.

    With these moments errors of either bridge do not move Γ_a to first order, so that the interval holds when one of
    the two is right. More treatment proxies than outcome proxies are put together to what they say of the latter.

    **Assumes** what two-stage least squares does of the proxies (probe: swap pairs, the first-stage F); that all arms
    could have happened to all kinds of units; and a linear bridge of the outcome or a log-linear one of the treatment
    (probe: compare with `ProximalTwoStage`).

    Args:
        None: there is nothing to set, and nothing to split.

    Raises:
        MethodMismatch: for a strategy without proxies, an amount, an estimand other than the ATE, or subgroups by a
            column that is no covariate.
        InvalidSetting: for fewer treatment proxies than outcome proxies.
        NumericalFailure: when the treatment bridge has no solution, or proxies do not tell each other apart.
        TooFewRows: for an arm with no more rows than coefficients.

    References:
        Cui, Pu, Shi, Miao and Tchetgen Tchetgen 2023 (doi:10.1080/01621459.2023.2191817, arXiv:2011.08411); Vermeulen
        and Vansteelandt 2015 (doi:10.1080/01621459.2014.958155) for the moments.

    >>> import butfor as bf, numpy as np
    >>> from butfor.estimators.proximal.doubly_robust import ProximalDoublyRobust
    >>> rng = np.random.default_rng(1)
    >>> hidden = rng.normal(size=4000)
    >>> z, w = hidden + 0.5 * rng.normal(size=4000), hidden + 0.5 * rng.normal(size=4000)
    >>> t = (hidden + rng.logistic(size=4000) > 0).astype(int)
    >>> frame = {"t": t, "z": z, "w": w, "y": 1.0 * t + 2 * hidden + rng.normal(size=4000)}
    >>> fit = ProximalDoublyRobust().fit(
    ...     frame, treatment="t", outcome="y", treatment_proxies=["z"], outcome_proxies=["w"]
    ... )
    >>> bool(abs(fit.result.value[0] - 1.0) < 3 * fit.result.std_error[0])
    True
    """

    name: ClassVar[str] = "proximal_doubly_robust"
    title: ClassVar[str] = "Proximal doubly robust"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("proximal",)

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """Covariates and proxies of both kinds."""
        return (*strategy.adjust_for, *pair_of(strategy).treatment_proxies, *pair_of(strategy).outcome_proxies)

    def on_your_word(self, question: Question, roles: Roles) -> ProximalPair:
        """The named proxies."""
        named = roles.only(self.title, "covariates", "treatment_proxies", "outcome_proxies")
        proxies = named.treatment_proxies, named.outcome_proxies
        return declared_pair(question.treatment, question.outcome, *proxies, named.covariates)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        """Fit on a clean sample; nothing here is random."""
        proxies = Proxies.of(sample, pair_of(strategy))
        self.check(sample, strategy)
        _refuse(question, strategy)
        arms = sorted({arm for pair in sample.treatment.contrasts for arm in pair})
        scores = {arm: _score(proxies, arm) for arm in arms}
        tops = [scores[a] - scores[b] for a, b in sample.treatment.contrasts]
        labels, value, influence = ratio_effects(sample, tops, [np.ones(sample.n)] * len(tops))
        origin = describe(self, sample, strategy, rng)
        origin["assumptions"] = (*origin["assumptions"], EITHER_BRIDGE)
        origin["diagnostics"] = (*origin["diagnostics"], strength_note(strength_of(proxies)))
        estimate = Estimate(labels=labels, value=value, influence=influence, estimand=question.estimand, **origin)
        return Fit(self, sample, question, strategy, estimate)


def _refuse(question: Question, strategy: Strategy) -> None:
    title = ProximalDoublyRobust.title
    if question.estimand != ATE():
        raise MethodMismatch(
            f"The estimand is the {question.estimand.label}; {title} answers for everyone.", hint="estimand=bf.ATE()"
        )
    strange = [name for name in question.modifiers if name not in strategy.adjust_for]
    if strange:
        raise MethodMismatch(
            f"The question asks for subgroups by {strange[0]!r}; {title} needs modifiers among the covariates.",
            hint=f"add {strange[0]!r} to the covariates, or use ProximalTwoStage()",
        )


def _score(proxies: Proxies, arm: int) -> FloatArray:
    """Γ_a of every row."""
    sample = proxies.sample
    inside = sample.treatment.codes == arm
    weights = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    given = _directions(proxies.given, sample.weights)
    after, before = _scaled(proxies.after, weights), _scaled(proxies.before, weights)
    if before.shape[1] > after.shape[1]:
        before = _put_together(before, after, given, inside, sample.weights)
    ones = np.ones((sample.n, 1))
    v, s = np.hstack([ones, after, given]), np.hstack([ones, before, given])
    if int(inside.sum()) <= v.shape[1] or int((~inside).sum()) <= v.shape[1]:
        raise TooFewRows(
            f"Arm {sample.treatment.levels[arm]!r} of {sample.treatment.name!r} has {int(inside.sum())} of {sample.n} "
            f"rows, and its bridges {v.shape[1]} coefficients; there need to be more rows in the arm and outside.",
            hint="use fewer covariates",
        )
    odds = _odds_against(s, v, inside, weights)
    moments = (s * (weights * odds)[:, None]).T
    linear = v @ np.linalg.solve(moments @ v, moments @ sample.outcome)
    return linear + inside * (1.0 + odds) * (sample.outcome - linear)


def _scaled(matrix: FloatArray, weights: FloatArray) -> FloatArray:
    """Columns with mean 0 and variance 1."""
    centred = matrix - weights @ matrix / weights.sum()
    spread = np.sqrt(weights @ centred**2 / weights.sum())
    return centred / np.where(spread > 0.0, spread, 1.0)


def _directions(matrix: FloatArray, weights: FloatArray | None) -> FloatArray:
    """Uncorrelated columns with variance 1 that span the covariates."""
    controls = Controls.of(np.ascontiguousarray(matrix), weights)
    total = len(matrix) if weights is None else weights.sum()
    return (matrix - controls.mean) @ controls.root * np.sqrt(total)


def _put_together(
    before: FloatArray, after: FloatArray, given: FloatArray, inside: BoolArray, weights: FloatArray | None
) -> FloatArray:
    """What the treatment proxies say of each outcome proxy in the arm; rows elsewhere do not matter."""
    known = np.ascontiguousarray(np.hstack([before, given])[inside])
    controls = Controls.of(known, None if weights is None else weights[inside])
    found = np.zeros(after.shape)
    found[inside] = after[inside] - controls.project(np.ascontiguousarray(after[inside])).residual
    return _scaled(found, inside.astype(float)) * inside[:, None]


def _odds_against(s: FloatArray, v: FloatArray, inside: BoolArray, weights: FloatArray) -> FloatArray:
    """q − 1 = exp(γ's) with Σ_{T=a} w exp(γ's) v = Σ_{T≠a} w v, by Newton steps that never go uphill; 0 outside."""
    own, mine = s[inside], v[inside] * weights[inside, None]
    target = (v[~inside] * weights[~inside, None]).sum(axis=0)
    gamma = np.zeros(s.shape[1])
    gamma[0] = np.log(target[0] / mine[:, 0].sum())
    odds = np.exp(own @ gamma)
    gap = mine.T @ odds - target
    for _ in range(STEPS):
        if np.abs(gap).max() <= ACCURACY * len(s):
            found = np.zeros(len(s))
            found[inside] = odds
            return found
        slope = (mine * odds[:, None]).T @ own
        if np.linalg.cond(slope) > 1e12:
            break
        step = np.linalg.solve(slope, gap)
        for halving in range(HALVINGS):
            trial = gamma - step / 2.0**halving
            index = own @ trial
            if index.max() < MOST_LOG_ODDS:
                odds = np.exp(index)
                new = mine.T @ odds - target
                if np.linalg.norm(new) < np.linalg.norm(gap):
                    gamma, gap = trial, new
                    break
        else:
            break
    raise NumericalFailure(
        "The treatment bridge has no log-linear solution; it needs treatment proxies that move with the outcome "
        "proxies, and arms that do not differ more in the latter than the former can make up for.",
        hint="ProximalTwoStage() needs no treatment bridge",
    )
