"""Proximal two-stage least squares: two kinds of proxies in place of the hidden cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Assumption
from butfor.core.errors import MethodMismatch, TooFewRows
from butfor.core.rng import Seed
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, Roles, describe, treatment_columns
from butfor.estimators.proximal.columns import Proxies, pair_of
from butfor.estimators.proximal.strength import strength_note, strength_of
from butfor.identify.proximal import ProximalPair, declared_pair
from butfor.identify.strategies import Strategy
from butfor.inference.covariance import Robust
from butfor.inference.estimate import Estimate
from butfor.inference.least_squares import Controls
from butfor.inference.parts import Part, fit_parts
from butfor.inference.two_stage import two_stage
from butfor.nuisance.cache import NuisanceCache
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]
LINEAR_BRIDGE = Assumption(
    "linear bridge",
    "What the hidden causes do to the outcome is what a linear function of outcome proxies and covariates does, one in "
    "each arm (for an amount, or with a common slope: one for all, and the treatment adds the same for everyone).",
    "Add squares of the proxies as further proxies; compare other pairs of proxies.",
)


@dataclass(frozen=True, kw_only=True)
class ProximalTwoStage(Estimator):
    """Regress on the treatment and on what treatment proxies say of the outcome proxies.

    **Answers** what the treatment does on average although a common cause of treatment and outcome was not measured,
    when two kinds of its traces were (negative controls).

    **Estimates** the ATE by a linear bridge function h with E[Y | Z, T, C] = E[h(W, T, C) | Z, T, C]: then
    E[Y(t)] = E[h(W, t, C)]. Outcome proxies W are regressed on treatment T, treatment proxies Z and covariates C, and
    the outcome on treatment, fitted W and C. Each arm has a bridge of its own, and effects are averaged over everyone,
    so that they may differ with W and C; an amount has one slope.

    **Assumes** that given the hidden causes and C the treatment proxies do not act on the outcome, and the outcome
    proxies are touched neither by the treatment nor by the treatment proxies (probe: name what each could act on, swap
    pairs; `proximal_pairs` finds them in a graph); that the proxies move with the hidden causes in as many ways as
    these can vary (probe: the first-stage F, which a diagnostic reports); and a linear bridge (probe: squares of
    proxies as further proxies).

    Args:
        common_slope: one bridge for all arms, in which the treatment adds the same for everyone (the usual P2SLS).
        covariance: HC2 by default; intervals use t with n − coefficients degrees of freedom.

    Raises:
        MethodMismatch: for a strategy without proxies, or an estimand other than the ATE.
        InvalidSetting: for fewer treatment proxies than outcome proxies.
        NumericalFailure: when the treatment proxies do not tell the outcome proxies apart.
        TooFewRows: for an arm with no more rows than coefficients.

    References:
        Tchetgen Tchetgen, Ying, Cui, Shi and Miao 2024 (doi:10.1214/23-STS911, arXiv:2009.10982); Miao, Geng and
        Tchetgen Tchetgen 2018 (doi:10.1093/biomet/asy038).

    >>> import butfor as bf, numpy as np
    >>> from butfor.estimators.proximal.two_stage import ProximalTwoStage
    >>> rng = np.random.default_rng(1)
    >>> hidden = rng.normal(size=4000)
    >>> z, w = hidden + rng.normal(size=4000), hidden + rng.normal(size=4000)
    >>> t = (hidden + rng.normal(size=4000) > 0).astype(int)
    >>> frame = {"t": t, "z": z, "w": w, "y": 1.0 * t + 2 * hidden + rng.normal(size=4000)}
    >>> fit = ProximalTwoStage().fit(
    ...     frame, treatment="t", outcome="y", treatment_proxies=["z"], outcome_proxies=["w"]
    ... )
    >>> bool(abs(fit.result.value[0] - 1.0) < 3 * fit.result.std_error[0])
    True
    """

    common_slope: bool = False
    covariance: Robust = Robust.HC2

    name: ClassVar[str] = "proximal"
    title: ClassVar[str] = "Proximal two-stage least squares"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms", "amount")
    strategies: ClassVar[tuple[str, ...]] = ("proximal",)

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """Covariates and proxies of both kinds."""
        pair = pair_of(strategy)
        return (*pair.given, *pair.treatment_proxies, *pair.outcome_proxies)

    def on_your_word(self, question: Question, roles: Roles) -> ProximalPair:
        """The named proxies."""
        roles.only(self.title, "covariates", "treatment_proxies", "outcome_proxies")
        return declared_pair(
            question.treatment, question.outcome, roles.treatment_proxies, roles.outcome_proxies, roles.covariates
        )

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
        pair = pair_of(strategy)
        self.check(sample, strategy)
        if question.estimand != ATE():
            raise MethodMismatch(
                f"The estimand is the {question.estimand.label}; {self.title} answers for everyone.",
                hint="estimand=bf.ATE()",
            )
        common = self.common_slope or sample.treatment.kind == "amount"
        strength = strength_of(Proxies.of(sample, pair))
        whole = fit_parts(sample, lambda rows: _regress(Proxies.of(rows, pair), common=common))
        origin = describe(self, sample, strategy, rng)
        origin["assumptions"] = (*origin["assumptions"], LINEAR_BRIDGE)
        origin["diagnostics"] = (*origin["diagnostics"], strength_note(strength))
        estimate = Estimate(
            labels=whole.labels,
            value=whole.value,
            influence=whole.influence,
            regression=whole.regression,
            df=whole.df,
            robust=self.covariance,
            estimand=question.estimand,
            **origin,
        )
        return Fit(self, sample, question, strategy, estimate)


def _regress(proxies: Proxies, *, common: bool) -> Part:
    sample = proxies.sample
    n, w = sample.n, np.ones(sample.n) if sample.weights is None else sample.weights
    focus, combine = treatment_columns(sample.treatment)
    blocks = [m - w @ m / w.sum() for m in (proxies.before, proxies.after, proxies.given)]
    before, after, given = blocks if common else [_by_arm(block, focus) for block in blocks]
    if not common:
        _check_arms(sample, 1 + blocks[0].shape[1] + blocks[2].shape[1])
    controls = Controls.of(np.ascontiguousarray(given), sample.weights)
    fit = two_stage(focus, after, before, sample.outcome, controls)
    second, d = fit.second, focus.shape[1]
    moving = np.zeros((n, d))
    if not common:
        # The effect differs with W and C, whose means are estimated as well.
        for block, slopes in ((blocks[1], second.coefficients[d:]), (blocks[2], fit.slopes)):
            moving += block @ slopes.reshape(d + 1, -1)[1:].T
        moving *= (w / w.mean())[:, None]
    alpha = second.focus_residual @ (second.bread[:, :d] * n) * w[:, None]
    return Part(
        value=combine @ second.coefficients[:d],
        influence=(second.influence[:, :d] + moving) @ combine.T,
        leverage=second.leverage,
        parameters=second.parameters,
        df=second.df,
        riesz=alpha @ combine.T,
        residual=np.repeat(second.residual[:, None], len(combine), axis=1),
    )


def _by_arm(block: FloatArray, focus: FloatArray) -> FloatArray:
    """The columns, and their products with each arm but the first."""
    return np.hstack([block, *(block * column[:, None] for column in focus.T)])


def _check_arms(sample: Sample, coefficients: int) -> None:
    counts = np.bincount(sample.treatment.codes, minlength=sample.treatment.arms)
    for level, count in zip(sample.treatment.levels, counts.tolist(), strict=True):
        if count <= coefficients:
            raise TooFewRows(
                f"Arm {level!r} of {sample.treatment.name!r} has {count} rows and up to {coefficients} "
                "coefficients; a bridge per arm needs more rows than coefficients.",
                hint="use fewer covariates, or ProximalTwoStage(common_slope=True)",
            )
