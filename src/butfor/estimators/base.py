"""What an estimator is, and what it leaves behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from butfor.core.diagnostic import Assumption, Diagnostic
from butfor.core.errors import MethodMismatch
from butfor.core.provenance import Provenance
from butfor.core.rng import Seed
from butfor.core.table import Table
from butfor.data.dataset import Dataset, open_dataset
from butfor.data.draw import complete_rows, draw_sample
from butfor.data.request import Request
from butfor.data.rows import Rows
from butfor.data.sample import Cluster, Sample, Treatment, TreatmentKind
from butfor.identify.identify import identify
from butfor.identify.strategies import Instrument, Randomization, Strategy
from butfor.inference.best_linear_predictor import basis_columns, best_linear_predictor, calibration_test
from butfor.inference.doubly_robust import EffectScores, tilted_scores
from butfor.inference.effects import EffectTable
from butfor.inference.estimate import Estimate
from butfor.inference.group_effects import group_effects, group_profile
from butfor.inference.groups import groups_by, one_per_row
from butfor.inference.potential_means import potential_means
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.learner import Learner
from butfor.nuisance.overlap import balancing_weights
from butfor.question import ATE, Estimand, Instrumented, Question
from butfor.question.question import Level

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fit:
    """An estimate with what checks, sensitivity analyses and decisions need to know about it.

    Attributes:
        result: the effects.
        propensity: probability of each arm (rows × arms), where one was modelled.
        outcomes: expected outcome under each arm (rows × arms), where modelled.
        scores: doubly robust scores Γ (rows × arms): E[Γ_a | X] = E[Y(a) | X].
        residual: Y − E[Y | T, X] of each overall effect (rows × terms).
        representer: α of a regression, see `riesz`.
        nuisance_summary: the nuisance models in words.
    """

    estimator: Estimator
    sample: Sample
    question: Question
    strategy: Strategy
    result: Estimate
    propensity: FloatArray | None = None
    outcomes: FloatArray | None = None
    scores: FloatArray | None = None
    residual: FloatArray | None = None
    representer: FloatArray | None = None
    nuisance_summary: tuple[str, ...] = ()

    @cached_property
    def _balancing(self) -> tuple[FloatArray, FloatArray] | None:
        # Computed when first asked for: a hundred refits of a check never ask.
        if self.propensity is None or self.representer is not None:
            return None
        return balancing_weights(self.sample, self.propensity, self.result.estimand)

    @property
    def weights(self) -> FloatArray | None:
        """Balancing weights of each contrast (rows × contrasts), for balance and effective sample size."""
        return None if self._balancing is None else self._balancing[0]

    @property
    def riesz(self) -> FloatArray | None:
        """α of each overall effect (rows × terms): the effect is E[α Y] given the covariates."""
        return self.representer if self._balancing is None else self._balancing[1]

    def estimate(self) -> Estimate:
        """The labelled effects with their uncertainty."""
        return self.result

    def interval(self, level: float = 0.95) -> FloatArray:
        """Confidence limits of each effect (effects × 2)."""
        return self.result.interval(level)

    def tidy(self, level: float = 0.95) -> Table:
        """One row per effect."""
        return self.result.tidy(level)

    # --- averages of each arm -----------------------------------------------------------------------------------------

    def potential_means(self) -> Estimate:
        """The mean outcome if everyone of the estimand's population had each arm, E[h Y(a)] / E[h], all arms together.

        Differences and ratios of arms follow with `contrast`, with the covariance between arms.

        Raises:
            MethodMismatch: for a method without doubly robust scores, or a population that each comparison has of its
                own (the treated of several arms).

        References:
            Cattaneo 2010 (doi:10.1016/j.jeconom.2009.09.023).
        """
        if self.scores is None:
            raise self._without_scores("means of arms")
        return potential_means(self.result, self.sample, self.scores, self.outcomes, self.propensity)

    # --- whose effects are larger: questions that the doubly robust scores answer -------------------------------------

    @cached_property
    def effect_scores(self) -> EffectScores:
        """The scores of each effect of the estimand's population, before they are averaged.

        Raises:
            MethodMismatch: for a method without doubly robust scores.
        """
        if self.scores is None:
            raise self._without_scores("effects of groups and of columns")
        sample, estimand = self.sample, self.result.estimand
        if self.outcomes is not None and self.propensity is not None:
            return tilted_scores(sample, estimand, self.scores, self.outcomes, self.propensity)
        differences = tuple(self.scores[:, a] - self.scores[:, b] for a, b in sample.treatment.contrasts)
        return EffectScores(sample.treatment.terms, differences, (np.ones(sample.n),) * len(differences))

    def _without_scores(self, what: str) -> MethodMismatch:
        return MethodMismatch(
            f"{self.estimator.title} has no doubly robust scores; {what} need them.", hint="fit AIPW()"
        )

    def group_effects(self, by: Any, *, groups: int = 5, within: Any = None) -> Estimate:
        """The average effect in each group: E[τ(X) | G] for the estimand's population, all groups together.

        Groups by predicted effects are honest when effects were learned on other rows altogether. Out-of-fold effects
        of the same rows, as in `fit.effect()` of a meta-learner, give intervals that are too short where effects do not
        differ: the errors of the folds go together.

        Args:
            by: columns of the fit by name; a predicted effect per row (an `EffectTable` or an array); an array of
                booleans; or a frame or dict with one value for each row used: the true rows of each boolean column,
                the levels of others.
            groups: how many groups of equal size predicted effects are cut into.
            within: fold of each row, where each fold has a model of its own: effects are ranked within folds.

        References:
            Chernozhukov, Demirer, Duflo and Fernández-Val 2025 (doi:10.3982/ECTA19303); Semenova and Chernozhukov 2021
            (doi:10.1093/ectj/utaa027).
        """
        found = groups_by(self.sample, by, count=groups, within=within)
        return group_effects(self.result, self.sample, self.effect_scores, found)

    def group_profile(self, by: Any, columns: Any = None, *, groups: int = 5, within: Any = None) -> Estimate:
        """Who is in the groups: means of columns in each group, and in the last group less the first.

        Args:
            by, groups, within: as in `group_effects`.
            columns: covariates by name, or a frame or dict of numbers. Default: all columns of the design matrix.
        """
        found = groups_by(self.sample, by, count=groups, within=within)
        matrix, names = basis_columns(self.sample, self.sample.covariates.source if columns is None else columns)
        return group_profile(self.result, self.sample, dict(zip(names, matrix.T, strict=True)), found)

    def best_linear_predictor(self, on: Any) -> Estimate:
        """The linear function of some columns that predicts the effect best: intercept and slopes.

        β minimises E[h (τ(X) − β'b(X))²], whatever the effect's true shape. Standard errors are HC3 (a jackknife),
        or clustered as those of the fit; `with_inference` changes them. With `contrast` it becomes the effect at any
        point of the basis, with `bands` for all points at once.

        Args:
            on: covariates by name (a category stands for its indicators), or a frame or dict of numbers, one for each
                row used: powers, splines, interactions.

        References:
            Semenova and Chernozhukov 2021 (doi:10.1093/ectj/utaa027).
        """
        matrix, names = basis_columns(self.sample, on)
        return best_linear_predictor(self.result, self.sample, self.effect_scores, matrix, names)

    def calibration_test(self, effects: EffectTable | ArrayLike) -> Estimate:
        """Are predicted effects right on average, and do true effects differ as much as predicted ones?

        Regresses the doubly robust scores on the mean of the predictions and on their differences from it. Both
        coefficients are 1 for calibrated predictions. A positive second one, against zero and one-sided, shows that
        effects differ; an estimate near zero says that the predictions tell nobody apart.

        Args:
            effects: predicted effects of the rows used (rows × contrasts), by models that did not see the row.

        References:
            Chernozhukov, Demirer, Duflo and Fernández-Val 2025 (doi:10.3982/ECTA19303), theorem 2.1.
        """
        predicted = one_per_row(self.sample, effects, len(self.sample.treatment.terms))
        return calibration_test(self.result, self.sample, self.effect_scores, predicted)

    def with_diagnostics(self, *diagnostics: Diagnostic) -> Fit:
        """The same fit with more caveats."""
        return replace(self, result=replace(self.result, diagnostics=(*self.result.diagnostics, *diagnostics)))

    def __str__(self) -> str:
        return self.result.explain()

    def _repr_html_(self) -> str:
        return f"<p><b>{self.estimator.title}</b>, {self.result.estimand.label}</p>{self.tidy().to_html()}"


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Columns beside treatment and outcome, by the part that the user says they play."""

    covariates: Sequence[str] = ()
    instrument: str | None = None
    mediators: Sequence[str] = ()
    treatment_proxies: Sequence[str] = ()
    outcome_proxies: Sequence[str] = ()

    def only(self, title: str, *used: str) -> Roles:
        """The roles, when no column plays a part that the method has no use for.

        Raises:
            MethodMismatch: with the first such part.
        """
        for name in (f.name for f in fields(self) if f.name not in used):
            if getattr(self, name):
                words = name.replace("_", " ")
                raise MethodMismatch(
                    f"{title} was given {words} ({getattr(self, name)!r}); it has no use for them.",
                    hint=f"leave {name}= out, or choose a method that uses {words}",
                )
        return self


@dataclass(frozen=True, kw_only=True)
class Estimator(ABC):
    """A method as a value: frozen settings, one way in for studies and one for frames.

    `fit_sample` is what a method implements; `fit` is the short way for a frame and is the same for all.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    treatments: ClassVar[tuple[TreatmentKind, ...]]
    strategies: ClassVar[tuple[str, ...]] = ("adjustment", "randomization")
    uses_instrument: ClassVar[bool] = False
    uses_event: ClassVar[bool] = False

    def accepts(self, strategy: Strategy) -> bool:
        """Can the method follow the strategy?"""
        return strategy.kind in self.strategies

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The nuisance models; None stands for the default mix. Empty for closed-form methods."""
        return ()

    def needs(self, question: Question, strategy: Strategy) -> Request:
        """The columns that a fit reads."""
        columns = {question.treatment, question.outcome, *question.modifiers, *self.covariates(strategy)}
        optional = {self.instrument(strategy), question.event} - {None}
        return Request(frozenset(columns | {name for name in optional if name is not None}))

    def instrument(self, strategy: Strategy) -> str | None:
        """The column that moves the treatment and is no covariate, for methods that use one."""
        return strategy.instrument if self.uses_instrument and isinstance(strategy, Instrument) else None

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """The columns that the method adjusts for under this strategy."""
        precision = strategy.precision if isinstance(strategy, Randomization) else ()
        return tuple(dict.fromkeys((*strategy.adjust_for, *precision)))

    @abstractmethod
    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        """Fit on a clean sample."""

    def fit(
        self,
        frame: Any,
        *,
        treatment: str,
        outcome: str,
        event: str | None = None,
        covariates: Sequence[str] = (),
        instrument: str | None = None,
        mediators: Sequence[str] = (),
        treatment_proxies: Sequence[str] = (),
        outcome_proxies: Sequence[str] = (),
        estimand: Estimand | None = None,
        contrast: tuple[Level, Level] | None = None,
        modifiers: Sequence[str] = (),
        arms: bool = False,
        weights: str | None = None,
        cluster: str | None = None,
        missing: Literal["error", "drop"] = "error",
        rng: Seed = 0,
    ) -> Fit:
        """Fit on a frame, file or table, adjusting for `covariates`, on the user's word that these suffice.

        Args:
            frame: pandas, polars, pyarrow, a DuckDB relation, a dict of arrays, or a path.
            treatment: column of the treatment: two levels, several (text), or an amount.
            outcome: numeric column.
            event: column that is 1 where the outcome is the time of an event and 0 where sight was lost before; for
                methods for times.
            covariates: columns known before treatment.
            instrument: column that moves the treatment and reaches the outcome through it alone, among units alike in
                the covariates; for methods that use one.
            mediators: columns that the treatment acts on and that act on the outcome; for methods that use them.
            treatment_proxies: traces of a hidden cause that do not act on the outcome; for methods that use them.
            outcome_proxies: traces of a hidden cause that the treatment does not touch; for methods that use them.
            estimand: whose average effect; default `ATE()`.
            contrast: (treated level, reference level).
            modifiers: columns whose subgroups get effects of their own.
            arms: treat a numeric treatment with more than two values as separate arms.
            weights: column of sampling weights.
            cluster: column of the units that were sampled or treated together.
            missing: "error" or "drop".
            rng: seed or generator.
        """
        question = Question(
            treatment,
            outcome,
            estimand or ATE(),
            contrast=contrast,
            modifiers=tuple(modifiers),
            arms=arms,
            event=event,
        )
        roles = Roles(
            covariates=tuple(covariates),
            instrument=instrument,
            mediators=mediators,
            treatment_proxies=treatment_proxies,
            outcome_proxies=outcome_proxies,
        )
        strategy = self.on_your_word(question, roles)
        reading = Reading(weights=weights, cluster=cluster, missing=missing)
        plan = [(strategy, self)]
        rows = read_rows(open_dataset(frame), question, plan, reading)
        return self.fit_sample(take_samples(rows, question, plan, reading)[0], question, strategy, rng=rng)

    def on_your_word(self, question: Question, roles: Roles) -> Strategy:
        """The strategy of a fit without a graph: columns are what the user says they are."""
        roles.only(self.title, "covariates", "instrument")
        if roles.instrument is None:
            return identify(question, covariates=roles.covariates).require()
        design = Instrumented(instrument=roles.instrument, given=tuple(roles.covariates))
        return identify(question, design=design).strategies[0]

    def check(self, sample: Sample, strategy: Strategy) -> None:
        """Refuse a strategy or a treatment that the method cannot handle.

        Raises:
            MethodMismatch: with the methods that can.
        """
        if not self.accepts(strategy):
            raise MethodMismatch(
                f"The strategy is {strategy.kind.replace('_', ' ')}; {self.title} needs "
                f"{' or '.join(k.replace('_', ' ') for k in self.strategies)}.",
                hint="study.estimate() without arguments chooses a method that fits",
            )
        if self.uses_event != (sample.event is not None):
            raise self._without_event(sample)
        kind = sample.treatment.kind
        if kind not in self.treatments:
            words = {"amount": "an amount", "arms": "several arms", "binary": "two arms"}
            other = "use OLS() or PartiallyLinear()" if kind == "amount" else "use AIPW()"
            if strategy.kind not in Estimator.strategies:
                other = f"group the values of {sample.treatment.name!r} into a few levels"
            raise MethodMismatch(
                f"Treatment {sample.treatment.name!r} is {words[kind]}; {self.title} needs "
                f"{' or '.join(words[k] for k in self.treatments)}.",
                hint=f"{other}, or arms=True if each value is a treatment of its own",
            )

    def _without_event(self, sample: Sample) -> MethodMismatch:
        """Why the method does not fit an outcome that is a time, or one that is not."""
        name = sample.outcome_name
        if sample.event is None:
            return MethodMismatch(
                f"The question names no event; {self.title} needs to know which values of {name!r} ended in one.",
                hint="event='died' names the column, or AIPW() for an outcome that is known in every row",
            )
        return MethodMismatch(
            f"Outcome {name!r} is a time, and some end before their event; {self.title} needs outcomes that are known.",
            hint="SurvivalEffect() compares times and curves of survival",
        )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How columns become a sample.

    Args:
        weights: column of sampling weights.
        cluster: column of the units that were sampled or treated together.
        missing: "error" refuses rows with missing values in a used column, "drop" leaves them out and says so.
        extra: further columns that must be complete (negative control outcomes).
    """

    weights: str | None = None
    cluster: str | None = None
    missing: Literal["error", "drop"] = "error"
    extra: tuple[str, ...] = ()


def read_rows(
    dataset: Dataset, question: Question, plan: Sequence[tuple[Strategy, Estimator]], reading: Reading
) -> Rows:
    """The complete rows of everything that the planned fits need, read in one scan."""
    request = Request(frozenset(c for c in (reading.weights, reading.cluster, *reading.extra) if c is not None))
    for strategy, estimator in plan:
        request = request | estimator.needs(question, strategy)
    return complete_rows(dataset.read(request), request.columns, reading.missing)[0]


def take_samples(
    rows: Rows, question: Question, plan: Sequence[tuple[Strategy, Estimator]], reading: Reading
) -> list[Sample]:
    """One sample per planned fit. Fits that adjust for the same columns share one, and so can share nuisances."""
    drawn: dict[tuple[tuple[str, ...], str | None], Sample] = {}
    asked = [(estimator.covariates(strategy), estimator.instrument(strategy)) for strategy, estimator in plan]
    for columns, instrument in asked:
        if (columns, instrument) not in drawn:
            drawn[columns, instrument] = draw_sample(
                rows,
                question,
                columns,
                weights=reading.weights,
                cluster=reading.cluster,
                instrument=instrument,
                keep=reading.extra,
            )
    return [drawn[key] for key in asked]


def treatment_columns(treatment: Treatment) -> tuple[FloatArray, FloatArray]:
    """Regression columns of the treatment (n × d) and the matrix from their slopes to the asked effects (terms × d)."""
    if treatment.kind == "amount":
        return treatment.values[:, None], np.array([[treatment.step]])
    columns = np.column_stack([(treatment.codes == code).astype(float) for code in range(1, treatment.arms)])
    combine = np.zeros((len(treatment.contrasts), treatment.arms - 1))
    for row, (treated, reference) in enumerate(treatment.contrasts):
        for code, sign in ((treated, 1.0), (reference, -1.0)):
            if code > 0:
                combine[row, code - 1] += sign
    return columns, combine


class Description(TypedDict):
    """What every estimate says of its origin."""

    n: int
    estimator: str
    strategy: str
    clusters: tuple[Cluster, ...]
    known_clusters: tuple[Cluster, ...]
    assumptions: tuple[Assumption, ...]
    diagnostics: tuple[Diagnostic, ...]
    provenance: Provenance


def describe(estimator: Estimator, sample: Sample, strategy: Strategy, rng: Seed) -> Description:
    """Rows, names, clusters, assumptions and provenance of an estimate."""
    clusters = () if sample.cluster is None else (sample.cluster,)
    return Description(
        n=sample.n,
        estimator=estimator.name,
        strategy=strategy.kind,
        clusters=clusters,
        known_clusters=clusters,
        assumptions=strategy.assumptions,
        diagnostics=sample.notes,
        provenance=Provenance(
            data_source=sample.source,
            rows_read=sample.loss.rows_read or sample.n,
            rows_used=sample.n,
            seed=rng if isinstance(rng, int) else None,
            settings=repr(estimator),
        ),
    )
