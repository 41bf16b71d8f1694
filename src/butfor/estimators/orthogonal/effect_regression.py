"""What regressions of effects share: residuals of outcome and treatment, a basis of the covariates, averages, units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.data.dataset import open_dataset
from butfor.data.design import design_matrix, design_request
from butfor.data.sample import Sample, Treatment
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.residuals import (
    Residuals,
    Split,
    parts_of_sample,
    residual_bread,
    treatment_residuals,
    unit_weights,
)
from butfor.estimators.orthogonal.settings import check_splitting
from butfor.identify.strategies import Strategy
from butfor.inference.covariance import Regression, Robust
from butfor.inference.doubly_robust import tilt_and_drift
from butfor.inference.effects import EffectTable
from butfor.inference.estimate import Estimate
from butfor.inference.groups import covariate_columns
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.crossfit import cross_fit_outcome_mean
from butfor.nuisance.defaults import default_outcome_model
from butfor.nuisance.learner import Learner
from butfor.nuisance.wrap import OutOfFold
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]

MOST_POWERS = 5


@dataclass(frozen=True, eq=False)
class Basis:
    """b(x): an intercept, columns of the design matrix, and powers of the numeric ones about their mean.

    Attributes:
        places: columns of the design matrix.
        numeric: those of them that are raised to powers.
        centre: mean of every column of the design matrix in the sample.
    """

    places: tuple[int, ...]
    numeric: tuple[int, ...]
    powers: int
    centre: FloatArray
    names: tuple[str, ...]

    @classmethod
    def of(cls, sample: Sample, along: Sequence[str], powers: int) -> Basis:
        """The basis of some covariates (none named: all of them)."""
        covariates = sample.covariates
        names = along or tuple(dict.fromkeys(covariates.source))
        places = tuple(covariate_columns(sample, names))
        matrix = covariates.matrix
        numeric = tuple(j for j in places if powers > 1 and len(np.unique(matrix[:, j])) > 2)
        powered = [f"{covariates.columns[j]}^{power}" for power in range(2, powers + 1) for j in numeric]
        plain = [covariates.columns[j] for j in places]
        return cls(places, numeric, powers, matrix.mean(axis=0), ("intercept", *plain, *powered))

    def at(self, matrix: FloatArray, *, centred: bool = False) -> FloatArray:
        """b at rows of a design matrix (rows × basis); `centred` takes the mean off the plain columns too."""
        gap = matrix - self.centre
        plain = (gap if centred else matrix)[:, self.places]
        powered = [gap[:, self.numeric] ** power for power in range(2, self.powers + 1)] if self.numeric else []
        return np.column_stack([np.ones(len(matrix)), plain, *powered])

    @property
    def back(self) -> FloatArray:
        """From coefficients of the centred basis to those of the basis."""
        found = np.eye(len(self.names))
        found[0, 1 : len(self.places) + 1] = -self.centre[list(self.places)]
        return found


@dataclass(frozen=True, eq=False)
class Slopes:
    """Coefficients (k), their influence functions (rows × k), and of least squares more.

    Attributes:
        leverage: of each row.
        representer: α (rows × k): each coefficient is the mean of α times what is left of the outcome.
    """

    value: FloatArray
    influence: FloatArray
    leverage: FloatArray | None = None
    representer: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class EffectRegressionFit(Fit):
    """A fit that knows the effect at every point of the covariates, with its uncertainty.

    Attributes:
        centred: slopes of the effect on the centred basis, per contrast or per power of the dose.
        basis: the columns behind them.
    """

    centred: Estimate | None = None
    basis: Basis | None = None

    @cached_property
    def slopes(self) -> Estimate:
        """How the effect depends on the covariates: an intercept (where all are zero) and slopes, with covariances."""
        centred, basis = self._found
        blocks = len(centred.value) // len(basis.names)
        return centred.contrast(np.kron(np.eye(blocks), basis.back), centred.labels)

    @property
    def _found(self) -> tuple[Estimate, Basis]:
        if self.centred is None or self.basis is None:
            raise MethodMismatch("The fit holds no slopes; effects of units need them.", hint="LinearEffects().fit(…)")
        return self.centred, self.basis

    def effect(self, new_data: Any = None, *, dose: float | None = None) -> EffectTable:
        """The effect of each unit, with a pointwise standard error.

        Args:
            new_data: a frame, file or table with the covariates. Default: the rows of the fit.
            dose: from which amount one step is taken, where the effect depends on it. Default: the mean.
        """
        slopes, basis = self._found
        covariates = self.sample.covariates
        matrix = covariates.matrix
        if new_data is not None:
            matrix = design_matrix(open_dataset(new_data).read(design_request(covariates)), covariates)
        columns, treatment = basis.at(matrix, centred=True), self.sample.treatment
        powers = len(slopes.value) // columns.shape[1]
        start = treatment.values.mean() if dose is None else dose
        moves = np.eye(powers) if treatment.kind != "amount" else steps_of(treatment, np.array([start]), powers)
        value, spread = np.empty((2, len(columns), len(moves)))
        for k, move in enumerate(moves):
            rows = np.kron(move, columns)
            value[:, k] = rows @ slopes.value
            spread[:, k] = np.sqrt(np.maximum(np.einsum("ij,ij->i", rows @ slopes.covariance, rows), 0.0))
        return EffectTable(treatment.terms, value, spread)


def steps_of(treatment: Treatment, doses: FloatArray, powers: int) -> FloatArray:
    """What one step more than each dose changes in the powers of the dose about its mean (doses × powers)."""
    gap = doses[:, None] - treatment.values.mean()
    power = np.arange(1, powers + 1)
    return (gap + treatment.step) ** power - gap**power


@dataclass(frozen=True, kw_only=True)
class EffectRegression(ABC):
    """What regressions of effects share; each adds how it finds the slopes, and what it is called as an `Estimator`."""

    outcome_model: Learner | None = None
    treatment_model: Learner | None = None
    along: tuple[str, ...] = ()
    powers: int = 1
    dose_powers: int = 1
    folds: int = 5
    repetitions: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "along", (self.along,) if isinstance(self.along, str) else tuple(self.along))
        check_splitting(self.folds, self.repetitions)
        for name in ("powers", "dose_powers"):
            if not 1 <= getattr(self, name) <= MOST_POWERS:
                raise InvalidSetting(
                    f"{name} is {getattr(self, name)}; a polynomial needs 1 to {MOST_POWERS}.", hint=f"{name}=2"
                )

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome and treatment."""
        return (self.outcome_model, self.treatment_model)

    @property
    def robust(self) -> Robust:
        """The kind of covariance of the slopes."""
        return Robust.HC0

    @abstractmethod
    def find_slopes(self, sample: Sample, outcome: FloatArray, columns: FloatArray, size: int) -> Slopes:
        """Slopes of what is left of the outcome on columns (rows × k) without a further intercept.

        Args:
            columns: products of treatment and basis, treatment by treatment.
            size: columns of the basis, of which the first is the intercept.
        """

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> EffectRegressionFit:
        """Fit on a clean sample; `rng` decides the folds."""
        assert isinstance(self, Estimator)
        self.check(sample, strategy)
        if not sample.covariates.columns:
            raise InvalidSetting(
                f"The strategy adjusts for no covariate; {self.title} needs some along which effects may differ.",
                hint="name covariates, or use DifferenceInMeans()",
            )
        if sample.treatment.kind == "amount" and question.estimand != ATE():
            raise MethodMismatch(
                f"estimand is {question.estimand.label}; the average effect of an amount needs the ATE.",
                hint="leave estimand out",
            )
        seed = rng if isinstance(rng, int) else seed_of(rng)
        return over_repetitions(
            self.repetitions,
            seed,
            lambda s: self._fit_once(sample, question, strategy, Split.of(sample, self.folds, s, cache)),
        )

    def _fit_once(self, sample: Sample, question: Question, strategy: Strategy, split: Split) -> EffectRegressionFit:
        assert isinstance(self, Estimator)
        model = self.outcome_model or default_outcome_model()
        outcome = cross_fit_outcome_mean(sample, model, split.folds, split.seed, split.cache)
        treatment = _residuals_of_powers(sample, self.treatment_model, split, self.dose_powers)
        basis = Basis.of(sample, self.along, self.powers)
        columns = _products(treatment.values, basis.at(sample.covariates.matrix, centred=True))
        left = sample.outcome - outcome.values
        found = self.find_slopes(sample, left, columns, len(basis.names))
        common = describe(self, sample, strategy, split.seed)
        slopes = _slopes(found, self.robust, basis, Estimate(("",), np.zeros(1), **common), sample.treatment, treatment)
        labels, value, gradient, moving = _averages(sample, question, slopes, basis, treatment)
        assert slopes.influence is not None
        influence, terms = moving + slopes.influence @ gradient.T, len(sample.treatment.terms)
        residual = left - columns @ found.value
        return EffectRegressionFit(
            self,
            sample,
            question,
            strategy,
            Estimate(labels=labels, value=value, influence=influence, estimand=question.estimand, **common),
            propensity=treatment.propensity,
            representer=_representer(found, sample.treatment, treatment, gradient[:terms]),
            residual=np.repeat(residual[:, None], terms, axis=1),
            nuisance_summary=(
                f"outcome given covariates: {outcome.words}",
                f"treatment given covariates: {treatment.words}",
            ),
            centred=slopes,
            basis=basis,
        )


def _residuals_of_powers(sample: Sample, model: Learner | None, split: Split, powers: int) -> Residuals:
    """What the covariates leave of the treatment; of an amount also of its powers about its mean."""
    first = treatment_residuals(sample, model, split)
    residual_bread(sample, first.values, unit_weights(sample))
    if sample.treatment.kind != "amount" or powers == 1:
        return first
    if isinstance(model, OutOfFold):
        raise InvalidSetting(
            "treatment_model holds predictions of the dose; its powers need a model that predicts each of them.",
            hint="dose_powers=1, or a learner such as LinearModel()",
        )
    gap = sample.treatment.values - sample.treatment.values.mean()
    others = [sample.with_treatment(sample.treatment.with_values(gap**power)) for power in range(2, powers + 1)]
    values = [first.values, *(treatment_residuals(other, model, split).values for other in others)]
    return replace(first, values=np.column_stack(values))


def _products(treatment: FloatArray, basis: FloatArray) -> FloatArray:
    """T̃_j b_c, one column per pair, treatment by treatment."""
    return (treatment[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)


def _slopes(
    found: Slopes, robust: Robust, basis: Basis, empty: Estimate, treatment: Treatment, residuals: Residuals
) -> Estimate:
    """Slopes on the centred basis per contrast, or per power of the dose."""
    count, size = residuals.values.shape[1], len(basis.names)
    regression = None
    if found.leverage is not None:
        n, k = len(found.leverage), count * size
        regression = Regression((n,) * k, (k,) * k, found.leverage)
    whole = replace(
        empty,
        labels=tuple(f"{j} × {name}" for j in range(count) for name in basis.names),
        value=found.value,
        influence=found.influence,
        regression=regression,
        robust=robust,
        df=None if regression is None else float(regression.spare[0]),
    )
    powers = (treatment.name, *(f"{treatment.name}^{power}" for power in range(2, count + 1)))
    names = powers if treatment.kind == "amount" else treatment.terms
    labels = tuple(f"{term} × {name}" for term in names for name in basis.names)
    return whole.contrast(np.kron(_combination(treatment, residuals), np.eye(size)), labels)


def _averages(
    sample: Sample, question: Question, slopes: Estimate, basis: Basis, residuals: Residuals
) -> tuple[tuple[str, ...], FloatArray, FloatArray, FloatArray]:
    """E[h τ(X)] / E[h] for everyone and each subgroup: labels, values, gradient in the slopes, φ of known slopes."""
    columns, treatment = basis.at(sample.covariates.matrix, centred=True), sample.treatment
    parts = [weights for _, weights in parts_of_sample(sample)]
    tops: list[FloatArray] = []
    bottoms: list[FloatArray] = []
    gradients: list[FloatArray] = []
    blocks = len(slopes.value) // columns.shape[1]
    for k, _ in enumerate(treatment.terms):
        if treatment.kind == "amount":
            moves, bottom = steps_of(treatment, treatment.values, blocks), np.ones(sample.n)
        else:
            assert residuals.propensity is not None
            h, drift = tilt_and_drift(sample, question.estimand, residuals.propensity, treatment.contrasts[k])
            moves, bottom = np.tile(np.eye(blocks)[k], (sample.n, 1)), h + drift
        rows = _products(moves, columns)
        tops.append(bottom * (rows @ slopes.value))
        bottoms.append(bottom)
        gradients.append(np.array([(w * bottom) @ rows / (w @ bottom) for w in parts]))
    labels, value, influence = ratio_effects(sample, tops, bottoms)
    # Labels run over subgroups, and within each over terms.
    return labels, value, np.stack(gradients, axis=1).reshape(len(labels), -1), influence


def _combination(treatment: Treatment, residuals: Residuals) -> FloatArray:
    """From treatment columns to contrasts; powers of a dose stay what they are."""
    return np.eye(residuals.values.shape[1]) if treatment.kind == "amount" else residuals.combine


def _representer(found: Slopes, treatment: Treatment, residuals: Residuals, gradient: FloatArray) -> FloatArray | None:
    """α of each overall effect (rows × terms)."""
    if found.representer is None:
        return None
    combine = _combination(treatment, residuals)
    size = gradient.shape[1] // len(combine)
    return found.representer @ np.kron(combine, np.eye(size)).T @ gradient.T
