"""The causal forest: effects that differ from unit to unit, with intervals, and their averages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import InvalidSetting, MethodMismatch, TooFewRows
from butfor.core.rng import Seed, seed_of
from butfor.data.gaps import gaps_restored
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.forest.fit import ForestFit
from butfor.identify.strategies import Strategy
from butfor.inference.doubly_robust import doubly_robust_scores, tilted_effects
from butfor.inference.estimate import Estimate
from butfor.inference.ratio import ratio_effects
from butfor.native.forest import Columns, Forest, Growth, Kind, grow_forest
from butfor.native.forest_columns import MOST_TREATMENTS
from butfor.native.slopes import MOST_SLOPES
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.crossfit import cross_fit_outcome_mean, cross_fit_propensity, cross_fit_treatment_mean
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import Folds, sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.overlap import lift
from butfor.question import ATE, Question

FloatArray = NDArray[np.float64]

# The treatment's variance given the covariates is never taken below this share of its average.
LEAST_VARIANCE = 0.02


@dataclass(frozen=True, kw_only=True)
class CausalForest(Estimator):
    """Let the data say for whom the effect is large, by trees that split where effects differ.

    **Answers** how large the effect is for units with given covariates, with an interval for each, and what it is on
    average. Two to six arms, or an amount (the effect of one more, taken as linear near each point).

    **Estimates** τ(x) = E[Y(1) − Y(0) | X = x] as the slope of what is left of the outcome on what is left of the
    treatment, among rows weighted by how often they share a leaf with x:

        τ̂(x) = Σ α_i(x) (T̃_i − T̄)(Ỹ_i − Ȳ) / Σ α_i(x) (T̃_i − T̄)²,   Ỹ = Y − m(X),   T̃ = T − e(X).

    Several arms are several treatments at once, T̃_b = 1{T = b} − e_b(X) for each arm but the reference, in one forest;
    an effect is asked for each contrast. Effects of units of two arms and of amounts add slopes,
    Ỹ ≈ a + T̃ (τ + β'(X_i − x)), and are a mixture of these under several penalties on β, of τ̂ and of the average
    effect, which departs from τ̂ as far as the R-loss out of bag clearly falls. Their standard errors allow for bias: as
    far as slopes count, they are those of an estimate that hardly shrinks β; else half the squared distance to it is
    added to the variance of τ̂.

    `estimate()` averages over the estimand's population by the doubly robust score, with μ_0 = m − Σ_b e_b τ̂_b and
    μ_a = μ_0 + τ̂_a out of bag; for an amount, the average slope with the score τ̂ + T̃ (Ỹ − τ̂ T̃) / Var(T | X).

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot), and effects smooth enough for the leaves and slopes: intervals of units are too short where
    effects bend quickly along many covariates. Averages do not suffer from it.

    Args:
        outcome_model: E[Y | X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`.
        treatment_model: E[T | X]; a classifier for arms, a regressor for an amount.
        folds: cross-fitting folds of these two.
        floor: propensities are never taken below this in averages; how many were is a diagnostic.
        trees: how many; with 2,000 the Monte Carlo error is small beside the standard error.
        bag_size: trees per half-sample; at least 2, for variances.
        subsample: share of the rows (or clusters) that a tree sees, at most one half.
        honesty: share of these that make the estimates, and choose no splits.
        features: expected number of covariates tried per split; default ⌈√p⌉ + 20.
        min_node_size: rows of each arm, and rows of the others, that each child must keep.
        alpha: share of a node's information that each child must keep.
        imbalance_penalty: what a split pays for children of unequal information.
        slopes: along how many covariates (those that are split most often) effects of units may tilt near a point;
            0 leaves them constant there, and so do several arms.

    References:
        Wager and Athey 2018 (doi:10.1080/01621459.2017.1319839); Athey, Tibshirani and Wager 2019
        (doi:10.1214/18-AOS1709); Nie and Wager 2021 (doi:10.1093/biomet/asaa076); Friedberg, Tibshirani, Athey and
        Wager 2021 (doi:10.1080/10618600.2020.1831930).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=2000), rng.integers(0, 2, 2000)
    >>> frame = {"t": t, "x": x, "y": t * (x > 0) + rng.normal(size=2000)}
    >>> linear = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LogisticModel()}
    >>> fit = bf.CausalForest(trees=500, **linear).fit(frame, treatment="t", outcome="y", covariates=["x"])
    >>> low, high = fit.effect({"x": [-1.0, 1.0]}).value[:, 0]
    >>> bool(low + 0.5 < high)
    True
    """

    outcome_model: Learner | None = None
    treatment_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    trees: int = 2000
    bag_size: int = 2
    subsample: float = 0.5
    honesty: float = 0.5
    features: int | None = None
    min_node_size: int = 5
    alpha: float = 0.05
    imbalance_penalty: float = 0.0
    slopes: int = 12

    name: ClassVar[str] = "causal_forest"
    title: ClassVar[str] = "Causal forest"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms", "amount")

    def __post_init__(self) -> None:
        if not 0.0 < self.floor < 0.5:
            raise InvalidSetting(f"floor is {self.floor}; a causal forest needs 0 < floor < 0.5.", hint="floor=0.01")
        if self.folds < 2:
            raise InvalidSetting(f"folds is {self.folds}; cross-fitting needs at least 2.", hint="folds=5")
        if self.bag_size < 2:
            raise InvalidSetting(f"bag_size is {self.bag_size}; variances need at least 2.", hint="bag_size=2")
        if self.features is not None and self.features != int(self.features):
            raise InvalidSetting(f"features is {self.features}; a forest needs a whole number.", hint="features=10")
        if not 0 <= self.slopes <= MOST_SLOPES:
            raise InvalidSetting(
                f"slopes is {self.slopes}; effects may tilt along 0 to {MOST_SLOPES} covariates.", hint="slopes=12"
            )
        _ = self.growth

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome and treatment."""
        return (self.outcome_model, self.treatment_model)

    @property
    def growth(self) -> Growth:
        """How the trees are grown."""
        return Growth(
            trees=self.trees,
            bag_size=self.bag_size,
            subsample=self.subsample,
            honesty=self.honesty,
            features=self.features,
            min_node_size=self.min_node_size,
            alpha=self.alpha,
            imbalance_penalty=self.imbalance_penalty,
        )

    def check(self, sample: Sample, strategy: Strategy) -> None:
        """Refuse a strategy or a treatment that the method cannot handle."""
        super().check(sample, strategy)
        if sample.treatment.arms > MOST_TREATMENTS + 1:
            raise MethodMismatch(
                f"Treatment {sample.treatment.name!r} has {sample.treatment.arms} arms; {self.title} needs at most "
                f"{MOST_TREATMENTS + 1}.",
                hint="use AIPW(), or group the arms",
            )

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> ForestFit:
        """Fit on a clean sample; `rng` decides folds and trees."""
        self.check(sample, strategy)
        if not sample.covariates.columns:
            raise InvalidSetting(
                "The strategy adjusts for no covariate; a causal forest needs some along which effects may differ.",
                hint="name covariates, or use DifferenceInMeans()",
            )
        seed = rng if isinstance(rng, int) else seed_of(rng)
        centred = _centre(self, sample, seed, cache)
        forest, columns, order = _grow(self, sample, centred, seed)
        effects = forest.outside.in_order(order)
        average = _average_slope if sample.treatment.kind == "amount" else _average_by_arm
        return average(
            self,
            centred,
            ForestFit(
                self,
                sample,
                question,
                strategy,
                Estimate(labels=(), value=np.empty(0), **describe(self, sample, strategy, seed)),
                forest=forest,
                columns=columns,
                order=order,
                effects=effects,
                slopes=_slopes(self, centred),
                outcome_residual=centred.outcome,
                treatment_residual=centred.treatment,
                nuisance_summary=centred.words,
            ),
        )


@dataclass(frozen=True, eq=False)
class _Centred:
    """What the nuisance models left of outcome and treatment (one column for each arm but the first, if several)."""

    outcome: FloatArray
    treatment: FloatArray
    outcome_mean: FloatArray
    propensity: FloatArray | None
    words: tuple[str, ...]


def _centre(settings: CausalForest, sample: Sample, seed: int, cache: NuisanceCache | None) -> _Centred:
    folds: Folds = sample_folds(sample, settings.folds, seed, cache)
    outcome = cross_fit_outcome_mean(sample, settings.outcome_model or default_outcome_model(), folds, seed, cache)
    propensity = None
    if sample.treatment.kind == "amount":
        model = settings.treatment_model or default_outcome_model()
        treatment = cross_fit_treatment_mean(sample, model, folds, seed, cache)
        expected = treatment.values
    else:
        model = settings.treatment_model or default_propensity_model()
        treatment = cross_fit_propensity(sample, model, folds, seed, cache)
        propensity, expected = treatment.values, treatment.values[:, 1:]
    words = (f"outcome given covariates: {outcome.words}", f"treatment given covariates: {treatment.words}")
    taken = sample.treatment.values if propensity is None else np.eye(sample.treatment.arms)[sample.treatment.codes, 1:]
    left = taken - expected
    left = left[:, 0] if left.shape[1:] == (1,) else left
    return _Centred(sample.outcome - outcome.values, left, outcome.values, propensity, words)


def _slopes(settings: CausalForest, centred: _Centred) -> int:
    """Effects tilt where there is one per unit."""
    return settings.slopes if centred.treatment.ndim == 1 else 0


def _grow(
    settings: CausalForest, sample: Sample, centred: _Centred, seed: int
) -> tuple[Forest, Columns, NDArray[np.intp]]:
    """The forest of the rows in an order of their own, so that it does not depend on where they stand."""
    order = np.lexsort((sample.treatment.values, sample.outcome, sample.row_key))
    columns = Columns(
        covariates=gaps_restored(sample.covariates.matrix, sample.covariates)[order],
        outcome=centred.outcome[order],
        treatment=centred.treatment[order],
        weights=None if sample.weights is None else sample.weights[order],
        clusters=None if sample.cluster is None else _first_seen(sample.cluster.codes[order]),
    )
    forest = grow_forest(Kind.CAUSAL, columns, settings.growth, seed=seed, keep_members=_slopes(settings, centred) > 0)
    if not np.isfinite(forest.outside.value).all():
        raise TooFewRows(
            f"{int(np.isnan(forest.outside.value).any(axis=1).sum()):,} rows are in every bag or near rows that lack a "
            "treatment; "
            f"their effects need more than {settings.trees} trees, or more rows.",
            hint="trees=2000, or min_node_size=20",
        )
    return forest, columns, order


def _first_seen(codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Clusters numbered as they appear, whatever they are called."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _average_by_arm(settings: CausalForest, centred: _Centred, fit: ForestFit) -> ForestFit:
    """Arms: the efficient score of the estimand with μ_0 = m − Σ_b e_b τ̂_b and μ_a = μ_0 + τ̂_a."""
    assert centred.propensity is not None
    assert fit.effects is not None
    sample, estimand = fit.sample, fit.question.estimand
    propensity, notes = lift(centred.propensity, settings.floor)
    effects = np.column_stack([np.zeros(sample.n), fit.effects.value])
    reference = centred.outcome_mean - np.einsum("ij,ij->i", centred.propensity, effects)
    outcomes = reference[:, None] + effects
    scores = doubly_robust_scores(sample, outcomes, propensity)
    labels, value, influence = tilted_effects(sample, estimand, scores, outcomes, propensity)
    residual = sample.outcome - outcomes[np.arange(sample.n), sample.treatment.codes]
    finished = replace(
        fit,
        result=replace(fit.result, labels=labels, value=value, influence=influence, estimand=estimand),
        propensity=propensity,
        outcomes=outcomes,
        scores=scores,
        residual=np.repeat(residual[:, None], len(sample.treatment.contrasts), axis=1),
    )
    return _with_notes(finished, notes)


def _average_slope(settings: CausalForest, centred: _Centred, fit: ForestFit) -> ForestFit:
    """An amount: τ̂ + T̃ (Ỹ − τ̂ T̃) / Var(T | X), with the variance from a regression forest of T̃²."""
    assert fit.effects is not None
    assert fit.columns is not None
    assert fit.order is not None
    assert fit.columns.treatment is not None
    sample, effect = fit.sample, fit.effects.value[:, 0]
    square = replace(fit.columns, outcome=np.square(fit.columns.treatment), treatment=None)
    growth = replace(settings.growth, trees=min(settings.trees, 500))
    grown = grow_forest(Kind.REGRESSION, square, growth, seed=fit.forest.seed if fit.forest else 0, keep_trees=False)
    variance = np.empty(sample.n)
    variance[fit.order] = grown.outside.value[:, 0]
    variance = np.maximum(variance, LEAST_VARIANCE * float(np.mean(np.square(centred.treatment))))
    step = sample.treatment.step
    residual = centred.outcome - effect * centred.treatment
    representer = step * centred.treatment / variance
    labels, value, influence = ratio_effects(sample, [step * effect + representer * residual], [np.ones(sample.n)])
    return replace(
        fit,
        result=replace(fit.result, labels=labels, value=value, influence=influence, estimand=ATE()),
        representer=representer[:, None],
        residual=residual[:, None],
    )


def _with_notes(fit: ForestFit, notes: tuple[Diagnostic, ...] | list[Diagnostic]) -> ForestFit:
    found: Fit = fit.with_diagnostics(*notes)
    assert isinstance(found, ForestFit)
    return found
