"""Effects that are linear in many covariates, of which few matter: the debiased lasso on residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.orthogonal.effect_regression import EffectRegression, Slopes
from butfor.inference.debiased_lasso import Rows, debiased_lasso
from butfor.nuisance.units import independent_units, unit_codes

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SparseLinearEffects(EffectRegression, Estimator):
    """A line for the effect along many covariates, when few of them matter, with an interval for each unit.

    **Answers** how the effect changes with each of many covariates (hundreds, more than rows even), and how large it is
    for every unit, without choosing covariates beforehand; for arms and for amounts.

    **Estimates** τ(x) = β'b(x) as `LinearEffects` does, with the debiased lasso in place of least squares: slopes that
    chance explains are shrunk, and what shrinking takes away is given back along what no other column explains. The
    average part of the effect is not shrunk.

    **Assumes** what `LinearEffects` does, and that few slopes differ from zero: fewer than about √n / log k of k, which
    nobody can test (probe: compare with `LinearEffects()` on fewer columns).

    Args:
        outcome_model: E[Y | X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`.
        treatment_model: E[T | X]; a classifier for arms, a regressor for an amount.
        along: covariates along which the effect may change; all of them by default.
        powers: 2 adds squares of numeric covariates about their mean to the basis, 3 cubes, …
        dose_powers: 2 lets the outcome bend in an amount, by its square about its mean, 3 by its cube, …
        folds: cross-fitting folds.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    References:
        van de Geer, Bühlmann, Ritov and Dezeure 2014 (doi:10.1214/14-AOS1221); Belloni, Chen, Chernozhukov and Hansen
        2012 (doi:10.3982/ECTA9626); Semenova, Goldman, Chernozhukov and Taddy 2023 (doi:10.3982/QE1670).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, dose = rng.normal(size=(300, 20)), rng.normal(size=300)
    >>> frame = {f"x{j}": x[:, j] for j in range(20)} | {"dose": dose}
    >>> frame["y"] = dose * (1 + x[:, 0]) + rng.normal(size=300)
    >>> lines = SparseLinearEffects(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel())
    >>> fit = lines.fit(frame, treatment="dose", outcome="y", covariates=[f"x{j}" for j in range(20)])
    >>> [name for name, p in zip(fit.slopes.labels, fit.slopes.p_value) if p < 1e-6]
    ['dose × intercept', 'dose × x0']
    """

    name: ClassVar[str] = "sparse_linear_effects"
    title: ClassVar[str] = "Sparse linear effects"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms", "amount")

    def find_slopes(self, sample: Sample, outcome: FloatArray, columns: FloatArray, size: int) -> Slopes:
        """The debiased lasso; the intercepts are not penalised."""
        rows = Rows(independent_units(sample, np.arange(sample.n))[0], unit_codes(sample))
        found = debiased_lasso(columns, outcome, rows, np.arange(0, columns.shape[1], size))
        return Slopes(found.value, found.influence)
