"""What a causal forest leaves behind: averages as an estimate, and the effect of every unit."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import Collinear, InvalidSetting, MethodMismatch
from butfor.core.table import Table
from butfor.data.gaps import gaps_restored
from butfor.estimators.base import Fit
from butfor.estimators.forest.model import ForestEffects, matrices
from butfor.estimators.forest.planes import Planes
from butfor.estimators.forest.rules import rules
from butfor.inference.doubly_robust import EffectScores
from butfor.inference.effects import EffectTable
from butfor.inference.estimate import Estimate
from butfor.native.forest import Columns, Forest, PointEstimates, grow_forest
from butfor.nuisance.folds import assign_folds

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ForestFit(Fit):
    """A fit that knows the effect at every point of the covariates.

    Attributes:
        forest: the trees.
        columns: what they were grown on, in the order of `order`.
        order: the sample's rows in the order of the forest.
        effects: out-of-bag effects without slopes and their variances, in the order of the sample.
        slopes: along how many covariates effects of units may tilt.
        outcome_residual, treatment_residual: what the nuisance models left of outcome and treatment (rows, or rows ×
            arms without the reference, if several).
    """

    forest: Forest | None = None
    columns: Columns | None = None
    order: NDArray[np.intp] | None = None
    effects: PointEstimates | None = None
    slopes: int = 0
    outcome_residual: FloatArray | None = None
    treatment_residual: FloatArray | None = None

    def effect(self, new_data: Any = None) -> EffectTable:
        """The effect of each unit for each contrast, with a standard error.

        Args:
            new_data: a frame, file or table with the covariates; of a file, only the effects are held in memory.
                Default: the rows of the fit, each by the trees that did not see it.
        """
        if new_data is not None:
            return self.model.effect(new_data)
        outside = (
            self._grown(self.effects) if self.slopes == 0 else self.planes.outside.in_order(self._grown(self.order))
        )
        found = outside.combine(self.combinations)
        return EffectTable(self.sample.treatment.terms, found.value, np.sqrt(found.variance))

    @property
    def combinations(self) -> FloatArray:
        """What is asked of the forest's effects (terms × effects): contrasts of arms, or a step of an amount."""
        treatment = self.sample.treatment
        if treatment.kind == "amount":
            return np.array([[treatment.step]])
        arm = np.eye(treatment.arms)
        return np.array([arm[a] - arm[b] for a, b in treatment.contrasts])[:, 1:]

    @cached_property
    def model(self) -> ForestEffects:
        """The effects at any point of the covariates, without the sample: to score files, and to save."""
        forest, covariates = self._grown(self.forest), self.sample.covariates
        return ForestEffects(
            replace(covariates, matrix=np.empty((0, len(covariates.columns)))),
            self.sample.treatment.terms,
            self.combinations,
            forest,
            self.planes if self.slopes else None,
        )

    @cached_property
    def planes(self) -> Planes:
        """Effects that tilt near a point; made when first asked for."""
        return Planes.of(self._grown(self.forest), self._grown(self.columns), self.slopes)

    @cached_property
    def effect_scores(self) -> EffectScores:
        """The scores of the average effect; of an amount, those of the average slope."""
        if self.scores is not None or self.representer is None or self.effects is None:
            return super().effect_scores
        assert self.residual is not None
        sample = self.sample
        slopes = sample.treatment.step * self.effects.value[:, 0] + (self.representer * self.residual)[:, 0]
        return EffectScores(sample.treatment.terms, (slopes,), (np.ones(sample.n),))

    def explain_effects(self, *, depth: int = 2, smallest: float = 0.1, rng: int = 0) -> Estimate:
        """Who gains, in a few rules, and how much: the average effect of the units of each rule, smallest first.

        A forest of one half of the rows predicts their effects, and a tree of a few conditions predicts these from the
        covariates. The other half says by its doubly robust scores what the effect is where each rule holds: the rules
        were chosen without it, hence the intervals hold. The result is an estimate, with contrasts and bands.

        Args:
            depth: conditions in a row at most.
            smallest: share of the rows that a rule keeps at least.
            rng: which rows are in which half; clusters stay whole.

        Raises:
            InvalidSetting: for another depth than 1 to 6, or a share that is not between 0 and one half.
            MethodMismatch: for several contrasts at once.
        """
        if not 1 <= depth <= 6 or not 0.0 < smallest <= 0.5:
            raise InvalidSetting(
                f"depth is {depth} and smallest {smallest}; rules need 1 to 6 conditions and 0 < smallest ≤ 0.5.",
                hint="depth=2, smallest=0.1",
            )
        sample, order = self.sample, self._grown(self.order)
        if len(sample.treatment.terms) > 1:
            raise MethodMismatch(
                f"The fit has {len(sample.treatment.terms)} contrasts of {sample.treatment.name!r}; rules explain one.",
                hint="contrast=(treated, reference)",
            )
        learn = assign_folds(sample.row_key, 2, rng) == 0
        columns, grown = self._grown(self.columns), self._grown(self.forest)
        half = grow_forest(grown.kind, _rows_of(columns, learn[order]), grown.growth, seed=grown.seed, keep_trees=False)
        effects = np.zeros(sample.n)
        effects[order[learn[order]]] = half.outside.combine(self.combinations).value[:, 0]
        known = learn & np.isfinite(effects)
        covariates = sample.covariates
        found = rules(effects, covariates.matrix, known, sample.weights, covariates.columns, (depth, smallest))
        return self.group_effects({rule.label: rule.rows & ~learn for rule in found})

    def importance(self) -> Table:
        """Share of the splits on each covariate, those near the root counting more: where effects differ, not why."""
        share = self._grown(self.forest).importance()
        order = np.argsort(-share, kind="stable")
        names = self.sample.covariates.columns
        return Table.of({"covariate": [names[j] for j in order], "share": share[order]})

    def calibration(self) -> Estimate:
        """Are the forest's effects right on average, and do they differ as much as it says?

        Regresses what is left of the outcome on C₁ = τ̄ T̃ and C₂ = (τ̂(X) − τ̄) T̃, with T̃ what is left of the
        treatment and τ̂ out of bag. Both coefficients are 1 for a calibrated forest; a positive second one, against
        zero, shows that effects differ (Chernozhukov et al. 2025, doi:10.3982/ECTA19303). For several arms this is
        `calibration_test` of the forest's effects, one pair for each contrast.
        """
        if self._grown(self.effects).value.shape[1] > 1:
            return self.calibration_test(self.effect())
        effect = self._grown(self.effects).value[:, 0]
        residual, treatment = self._grown(self.outcome_residual), self._grown(self.treatment_residual)
        w = np.ones(self.sample.n) if self.sample.weights is None else self.sample.weights
        mean = float(np.average(effect, weights=w))
        design = np.column_stack([mean * treatment, (effect - mean) * treatment])
        weighted = design * (w / w.mean())[:, None]
        gram = weighted.T @ design / self.sample.n
        if np.linalg.cond(gram) > 1e12:
            raise Collinear(
                "The forest's effects are zero or all the same; their calibration needs effects that differ.",
                hint="read the average effect instead",
            )
        bread = np.linalg.inv(gram)
        slopes = bread @ (weighted.T @ residual) / self.sample.n
        return replace(
            self.result,
            labels=("mean effect", "differences of effects"),
            value=slopes,
            influence=(weighted * (residual - design @ slopes)[:, None]) @ bread,
        )

    def kernel_weights(self, new_data: Any = None) -> FloatArray:
        """How much each row of the sample counts for the effect at each point (points × rows, rows sum to one).

        A forest without slopes is grown once more, with its members kept: the same seed gives the same trees.
        """
        covariates = self.sample.covariates
        if new_data is None:
            matrix = gaps_restored(covariates.matrix, covariates)
        else:
            matrix = np.concatenate([part for _, part in matrices(new_data, covariates)])
        order = self._grown(self.order)
        weights = np.empty((len(matrix), self.sample.n))
        weights[:, order] = self._with_members.weights(matrix)
        return weights

    @cached_property
    def _with_members(self) -> Forest:
        forest = self._grown(self.forest)
        if len(forest.trees.member_end):
            return forest
        return grow_forest(forest.kind, self._grown(self.columns), forest.growth, seed=forest.seed, keep_members=True)

    @staticmethod
    def _grown(part: Any) -> Any:
        if part is None:
            raise MethodMismatch("The fit holds no forest; effects of units need one.", hint="CausalForest().fit(…)")
        return part


def _rows_of(columns: Columns, rows: NDArray[np.bool_]) -> Columns:
    """These rows only."""
    known: dict[str, Any] = {f.name: getattr(columns, f.name) for f in fields(columns)}
    return replace(columns, **{name: values[rows] for name, values in known.items() if values is not None})
