"""A stack of meta-learners that doubts: the same effect for all is always among the candidates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.table import Table
from butfor.data.sample import TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.meta.dr_learner import DRLearner
from butfor.estimators.meta.learner import EffectLearner
from butfor.estimators.meta.nuisances import NuisanceModels, Nuisances
from butfor.estimators.meta.r_learner import RLearner
from butfor.estimators.meta.s_learner import SLearner
from butfor.estimators.meta.t_learner import TLearner
from butfor.estimators.meta.targets import EffectLoss, EffectModel, effect_target
from butfor.estimators.meta.x_learner import XLearner
from butfor.nuisance.constant import ConstantModel
from butfor.nuisance.mix import simplex_minimum
from butfor.nuisance.units import independent_units

FloatArray = NDArray[np.float64]

# The shares are found by going through all faces of the simplex: two to the power of the candidates.
MOST_CANDIDATES = 10
# Prior probability that the effect is the same for all.
SAME_FOR_ALL = 0.5
# What a candidate's improbability costs, in variances of the loss's noise per independent unit: the least for which
# this proof goes through. With Y = η + ξ, ξ normal of variance σ², and β the price of log(1/π), the minimum f_s of
# |Y − f_s|² + ½ Σ s_k |f_k − f_s|² + β Σ s_k log(1/π_k) satisfies for every j (the criterion is quadratic in s)
#     |η − f_s|² ≤ |η − f_j|² + β log(1/π_j) + max_k [2ξ'(f_k − f_j) − ½|f_k − f_j|² − β log(1/π_k)],
# and E exp(max_k[…]/β) ≤ Σ_k π_k exp((2σ²/β² − 1/2β) |f_k − f_j|²) ≤ 1 as soon as β ≥ 4σ²; then E max_k[…] ≤ 0.
TEMPERATURE = 4.0


@dataclass(frozen=True)
class Stacked:
    """Candidates and the shares (candidates × contrasts) with which they are added up."""

    models: tuple[EffectModel, ...]
    shares: FloatArray
    names: tuple[str, ...]
    terms: tuple[str, ...]

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Effects (rows × contrasts)."""
        parts = [share * model.predict(matrix) for share, model in zip(self.shares, self.models, strict=True)]
        return np.sum(parts, axis=0)

    def tidy(self) -> Table:
        """One row per candidate and contrast: candidate, term, share."""
        k = len(self.terms)
        names = [name for name in self.names for _ in range(k)]
        return Table.of({"candidate": names, "term": self.terms * len(self.names), "share": self.shares.reshape(-1)})


@dataclass(frozen=True, kw_only=True)
class EffectStack(EffectLearner, Estimator):
    """Add up several meta-learners by how well each predicts effects of units it did not see, and doubt them all.

    **Answers** how large the effect is for units with given covariates, when nobody knows which learner suits; and
    that it is (nearly) the same for all when the data show no difference.

    **Estimates** τ_s(x) = Σ_j s_j τ_j(x). The shares s ≥ 0 sum to one and minimise, over effects out of fold,

        ½ L(τ_s) + ½ Σ_j s_j L(τ_j) + (4σ²/n) Σ_j s_j log(1/π_j)

    (Q-aggregation), with L the mean R-loss or DR-loss, σ² its value at the constant effect, n the number of
    independent units, and prior π = ½ for the constant effect, which is always the first candidate, the other half
    going to the others in equal parts. `estimate()` averages over the estimand's population by the doubly robust
    score, as `AIPW` does with the same models. `fit.model.shares` has the shares.

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot), and at least one candidate that is good enough.

    Args:
        outcome_model: E[Y | T, X] and E[Y | X]; a Butfor learner or a scikit-learn regressor. Default: cross-validated
            mix of penalised linear model and early-stopped boosting.
        propensity_model: P(T | X); likewise. Default: the same mix for classes, calibrated.
        candidates: meta-learners; models that they leave open are the stack's, folds are always the stack's. Default:
            the S-, T-, X-, R- and DR-learner.
        loss: "R" counts units by their overlap, "DR" all alike.
        folds: cross-fitting folds, at least 3.
        floor: propensities are never taken below this; how many were is a diagnostic.

    References:
        Lan and Syrgkanis 2024 (arXiv:2310.16945); Nie and Wager 2021 (doi:10.1093/biomet/asaa076), section 3;
        Dai, Rigollet and Zhang 2012 (doi:10.1214/12-AOS1025).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=400), rng.integers(0, 2, 400)
    >>> frame = {"t": t, "x": x, "y": 2 * t + x + rng.normal(size=400)}
    >>> linear = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
    >>> stack = EffectStack(candidates=(TLearner(), SLearner()), **linear)
    >>> fit = stack.fit(frame, treatment="t", outcome="y", covariates=["x"])
    >>> low, high = fit.effect({"x": [-2.0, 2.0]}).value[:, 0]
    >>> bool(abs(high - low) < 0.1)
    True
    """

    candidates: tuple[EffectLearner, ...] = (SLearner(), TLearner(), XLearner(), RLearner(), DRLearner())
    loss: EffectLoss | str = EffectLoss.R

    name: ClassVar[str] = "effect_stack"
    title: ClassVar[str] = "Stack of meta-learners"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "loss", EffectLoss.of(self.loss))
        object.__setattr__(self, "candidates", tuple(self.candidates))
        given: tuple[Any, ...] = self.candidates
        for candidate in given:
            if not isinstance(candidate, EffectLearner) or isinstance(candidate, EffectStack):
                raise InvalidSetting(
                    f"candidates has {candidate!r}; a stack needs meta-learners.", hint="candidates=(DRLearner(),)"
                )
        if not 1 <= len(self.candidates) < MOST_CANDIDATES:
            raise InvalidSetting(
                f"candidates has {len(self.candidates)} learners; a stack needs 1 to {MOST_CANDIDATES - 1}.",
                hint="leave the default",
            )

    def learn(self, nuisances: Nuisances) -> Stacked:
        """All candidates, and the shares that held-out effects of all rows give them."""
        everyone = self._everyone
        shares = self._shares(nuisances, np.ones(nuisances.sample.n, dtype=np.bool_))
        return Stacked(
            tuple(c.learn(self._for(c, nuisances)) for c in everyone),
            shares,
            ("same for all", *(repr(c) for c in self.candidates)),
            nuisances.sample.treatment.terms,
        )

    def held_out(self, nuisances: Nuisances) -> FloatArray:
        """The effect of each row by candidates that saw nothing of its fold, with shares from the other folds."""
        effects = self._effects(nuisances)
        out = np.empty_like(effects[0])
        for fold in range(nuisances.folds.count):
            inside = nuisances.folds.codes == fold
            shares = self._shares(nuisances, ~inside)
            out[inside] = np.sum([s * e[inside] for s, e in zip(shares, effects, strict=True)], axis=0)
        return out

    @property
    def _everyone(self) -> tuple[EffectLearner, ...]:
        constant = RLearner if self.loss is EffectLoss.R else DRLearner
        return (constant(effect_model=ConstantModel()), *self.candidates)

    def _for(self, candidate: EffectLearner, nuisances: Nuisances) -> Nuisances:
        """The nuisances with the candidate's own models where it has some."""
        own, shared = candidate.models, nuisances.models
        outcome = shared.outcome if own.outcome is None else own.outcome
        propensity = shared.propensity if own.propensity is None else own.propensity
        return nuisances.using(NuisanceModels(outcome, propensity, shared.floor))

    def _effects(self, nuisances: Nuisances) -> list[FloatArray]:
        """Held-out effects of each candidate (rows × contrasts), computed once."""
        return [
            nuisances.remember(("held out", c), partial(c.held_out, self._for(c, nuisances))) for c in self._everyone
        ]

    def _shares(self, nuisances: Nuisances, chosen: NDArray[np.bool_]) -> FloatArray:
        """Shares (candidates × contrasts) by the loss of the chosen rows."""
        effects = np.stack(self._effects(nuisances))
        prior = np.full(len(effects), (1.0 - SAME_FOR_ALL) / (len(effects) - 1))
        prior[0] = SAME_FOR_ALL
        columns: list[FloatArray] = []
        for k, (a, b) in enumerate(nuisances.sample.treatment.contrasts):
            target = effect_target(nuisances, EffectLoss.of(self.loss), a, b)
            kept = chosen[target.rows]
            rows = target.rows[kept]
            weight, units = independent_units(nuisances.sample, rows)
            gap = effects[:, rows, k] - target.values[kept]
            counts = weight if target.weights is None else weight * target.weights[kept]
            gram = (gap * counts) @ gap.T
            columns.append(q_aggregation(gram, prior, units))
        return np.column_stack(columns)


def q_aggregation(gram: FloatArray, prior: FloatArray, units: float, *, variance: float | None = None) -> FloatArray:
    """argmin ½ s'Gs + ½ Σ s_j G_jj + (4σ²/n) Σ s_j log(1/π_j) over the simplex.

    Args:
        gram: G_jk = Σ w (target − τ_j)(target − τ_k), weights summing to one; the first candidate is the constant.
        prior: π.
        units: n.
        variance: σ². Default: G_00, which is it when effects do not differ, and too much of it when they do.
    """
    noise = float(gram[0, 0]) if variance is None else variance
    price = 0.5 * np.diag(gram) + TEMPERATURE * noise / units * np.log(1.0 / prior)
    # On the simplex Σ s_k = 1, so that a linear term is a quadratic one: p's = s'(p1' + 1p')s / 2.
    return simplex_minimum(0.5 * gram + 0.5 * (price[:, None] + price[None, :]))
