"""The mean outcome as a function of an amount: doubly robust, smooth, with bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.core.table import format_number
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.orthogonal.settings import check_floor
from butfor.identify.strategies import Strategy
from butfor.inference.dose_curve import DosePredictions, rule_of_thumb, smooth_curve
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.defaults import default_outcome_model
from butfor.nuisance.dose import Doses, cross_fit_doses
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]

EVEN, RANKED = 60, 40
"""Doses at which outcomes are predicted for everyone: evenly spaced ones, and quantiles."""
FEWEST_FOLDS = 3
FEWEST_VALUES = 6
# A share of rows with the very same dose that no density has.
LUMP = 0.1


@dataclass(frozen=True, eq=False)
class DoseFit(Fit):
    """A fit that knows the mean outcome at every asked dose; its effects compare each with the first.

    Attributes:
        curve: E[Y(a)] at each asked dose, with the joint uncertainty of all.
        bandwidth: standard deviation of the kernel, in units of the dose.
    """

    curve: Estimate | None = None
    bandwidth: float = np.nan


@dataclass(frozen=True, kw_only=True)
class DoseResponse(Estimator):
    """A curve of mean outcomes along doses that no parametric shape constrains; either of two models may be wrong.

    **Answers** what the mean outcome would be if everyone had a given dose, for doses all along the range, and what
    moving everyone from one dose to another would do.

    **Estimates** θ(a) = E[Y(a)] by smoothing the pseudo-outcome

        ξ = ϖ(A)/π(A | X) (Y − μ(X, A)) + ∫ μ(x, A) dP(x),   E[ξ | A = a] = θ(a) when μ or π is right,

    on A with local polynomials. The effects are θ(a) − θ(first dose); `fit.curve` has the levels. With `degree=2` the
    bandwidth, chosen for a local line, is small for the local parabola that is fitted, so that intervals are about the
    curve itself and not about its smoothed version (robust bias correction).

    **Assumes** no unmeasured confounding (probe: negative controls), a positive density of every asked dose for all
    kinds of units (probe: the diagnostics `dose-overlap` and `density-floor`), a smooth curve, and that either the
    outcome model or the density is learned well. The density is that of A = m(X) + s(X)ε with ε independent of X.

    Args:
        outcome_model: E[Y | A, X]; sees the dose, its square, the covariates, and their products with the dose.
            Default: cross-validated mix of penalised linear model and early-stopped boosting.
        treatment_model: E[A | X] and Var(A | X). Default: the same mix.
        doses: where to evaluate the curve; effects compare with the first. Default: nine from the 10th to the 90th
            percentile, evenly spaced.
        bandwidth: standard deviation of the normal kernel, in units of the dose. Default: rule of thumb.
        degree: of the local polynomial, 1 or 2.
        folds: cross-fitting folds.
        floor: the density of a dose given the covariates is never taken below this multiple of that among everyone.

    Raises:
        MethodMismatch: for another estimand than the ATE, or for subgroups.
        TooFewRows: where too few different doses are near an asked one.
        InvalidSetting: for a dose with few values, doses outside the data, or predictions made elsewhere.

    References:
        Kennedy, Ma, McHugh and Small 2017 (doi:10.1111/rssb.12212); Colangelo and Lee 2020 (arXiv:2004.03036) for
        cross-fitting; Calonico, Cattaneo and Farrell 2018 (doi:10.1080/01621459.2017.1285776) for bias correction.

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=2000)
    >>> dose = x + rng.normal(size=2000)
    >>> y = dose**2 + x + rng.normal(size=2000)
    >>> linear = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LinearModel()}
    >>> response = bf.DoseResponse(**linear, doses=(0.0, 1.0, 2.0))
    >>> fit = response.fit({"dose": dose, "x": x, "y": y}, treatment="dose", outcome="y", covariates=["x"])
    >>> fit.estimate().labels
    ('dose: 1 - 0', 'dose: 2 - 0')
    >>> bool(np.all(np.abs(fit.curve.value - [0, 1, 4]) < 4 * fit.curve.std_error))
    True
    """

    outcome_model: Learner | None = None
    treatment_model: Learner | None = None
    doses: tuple[float, ...] | None = None
    bandwidth: float | None = None
    degree: int = 2
    folds: int = 5
    floor: float = 0.01

    name: ClassVar[str] = "dose_response"
    title: ClassVar[str] = "Dose response"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("amount",)

    def __post_init__(self) -> None:
        check_floor(self.floor, self.title)
        if self.folds < FEWEST_FOLDS:
            raise InvalidSetting(f"folds is {self.folds}; a dose response needs at least 3.", hint="folds=5")
        if self.degree not in (1, 2):
            raise InvalidSetting(f"degree is {self.degree}; a local polynomial needs 1 or 2.", hint="degree=2")
        if self.bandwidth is not None and not 0.0 < self.bandwidth < np.inf:
            raise InvalidSetting(
                f"bandwidth is {self.bandwidth}; a kernel needs a positive one.", hint="leave bandwidth out"
            )
        if self.doses is not None:
            object.__setattr__(self, "doses", tuple(float(d) for d in self.doses))
            if len(set(self.doses)) != len(self.doses) or len(self.doses) < 2 or not np.isfinite(self.doses).all():
                raise InvalidSetting(
                    f"doses is {self.doses}; a curve needs two different numbers or more.", hint="doses=(0, 1, 2)"
                )

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome and dose."""
        return (self.outcome_model, self.treatment_model)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> DoseFit:
        """Fit on a clean sample; `rng` decides the folds."""
        self.check(sample, strategy)
        _refuse_other_questions(sample, question)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        lumps = _lumps(sample)
        doses, grid = _asked(sample, self.doses), _grid(sample.treatment.values)
        models = (self.outcome_model or default_outcome_model(), self.treatment_model or default_outcome_model())
        folds = sample_folds(sample, self.folds, seed, cache)
        found = cross_fit_doses(sample, models, folds, grid, doses, floor=self.floor, seed=seed, cache=cache)
        predictions = _predictions(sample, found, grid)
        bandwidth = self.bandwidth or rule_of_thumb(predictions)
        value, influence = smooth_curve(predictions, doses, bandwidth, self.degree)
        name = sample.treatment.name
        curve = Estimate(
            labels=tuple(f"{name} = {_written(d)}" for d in doses.tolist()),
            value=value,
            influence=influence,
            estimand=ATE(),
            **describe(self, sample, strategy, seed),
        )
        curve = replace(curve, diagnostics=(*curve.diagnostics, *lumps, *found.diagnostics))
        return DoseFit(
            self,
            sample,
            question,
            strategy,
            _against_first(curve, name, doses),
            residual=np.repeat(predictions.residual[:, None], len(doses) - 1, axis=1),
            nuisance_summary=(*found.words, f"kernel: normal with standard deviation {format_number(bandwidth)}"),
            curve=curve,
            bandwidth=bandwidth,
        )


def _against_first(curve: Estimate, name: str, doses: FloatArray) -> Estimate:
    first, *others = (_written(d) for d in doses.tolist())
    matrix = np.column_stack([np.full(len(others), -1.0), np.eye(len(others))])
    return curve.contrast(matrix, [f"{name}: {other} - {first}" for other in others])


def _written(dose: float) -> str:
    return f"{dose:.6g}"


def _predictions(sample: Sample, found: Doses, grid: FloatArray) -> DosePredictions:
    weights = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    return DosePredictions(
        dose=sample.treatment.values,
        weights=weights,
        residual=sample.outcome - found.own,
        ratio=found.ratio,
        grid=grid,
        means=found.means,
    )


def _grid(dose: FloatArray) -> FloatArray:
    """Doses that span all of them: evenly, and closer where there are many."""
    even = np.linspace(dose.min(), dose.max(), EVEN)
    return np.unique(np.r_[even, np.quantile(dose, np.linspace(0.0, 1.0, RANKED))])


def _asked(sample: Sample, doses: tuple[float, ...] | None) -> FloatArray:
    low, high = float(sample.treatment.values.min()), float(sample.treatment.values.max())
    if doses is None:
        first, last = np.quantile(sample.treatment.values, [0.1, 0.9])
        if first == last:
            raise InvalidSetting(
                f"Four fifths of the rows have {sample.treatment.name} = {first:g}; a curve needs doses that vary.",
                hint="doses=, or arms=True for a few values",
            )
        return np.linspace(first, last, 9)
    if min(doses) < low or max(doses) > high:
        raise InvalidSetting(
            f"doses go from {min(doses):g} to {max(doses):g}; a curve needs doses inside the data, which go from "
            f"{format_number(low)} to {format_number(high)}.",
            hint=f"doses between {format_number(low)} and {format_number(high)}",
        )
    return np.array(doses)


def _lumps(sample: Sample) -> tuple[Diagnostic, ...]:
    """A note on a dose that many rows share.

    Raises:
        InvalidSetting: for a dose with few values.
    """
    values, counts = np.unique(sample.treatment.values, return_counts=True)
    name, share = sample.treatment.name, float(counts.max()) / sample.n
    if len(values) < FEWEST_VALUES:
        raise InvalidSetting(
            f"Treatment {name!r} has {len(values)} values; a curve needs {FEWEST_VALUES} or more.",
            hint="AIPW() with arms=True",
        )
    if share <= LUMP:
        return ()
    message = (
        f"{share:.0%} of the rows have {name} = {values[counts.argmax()]:.4g}. A density knows no such lump: "
        "near it the curve rests on the outcome model alone."
    )
    return (Diagnostic("dose-lump", Severity.CAUTION, message, share),)


def _refuse_other_questions(sample: Sample, question: Question) -> None:
    if question.estimand != ATE() or sample.subgroups:
        asked = "effects of subgroups" if sample.subgroups else f"the {question.estimand.label}"
        raise MethodMismatch(
            f"The question asks for {asked}; a dose response answers for everyone.",
            hint="estimand=ATE(), modifiers=(), or PartiallyLinear()",
        )
