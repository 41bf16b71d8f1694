"""Means under interventions: the answer to a query about several treatments, several outcomes, or some units only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, MethodMismatch, UnknownColumn, did_you_mean
from butfor.core.rng import Seed, seed_of
from butfor.data.dataset import open_dataset
from butfor.data.draw import complete_rows, draw_sample
from butfor.data.request import Request
from butfor.data.rows import Numbers, Rows
from butfor.data.sample import Sample, Treatment
from butfor.data.treatments import match_level, read_treatment
from butfor.estimators.base import Estimator, Reading, describe
from butfor.estimators.functional.counts import Axis, Counts
from butfor.estimators.functional.learned_plug_in import LearnedPlugIn, chain_of
from butfor.estimators.functional.plug_in import PlugIn
from butfor.estimators.functional.sequence import Averages, arm_of, joint_treatment
from butfor.estimators.orthogonal.aipw import AIPW
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.identify import identify
from butfor.identify.query import Query
from butfor.identify.sequential import Sequential
from butfor.identify.strategies import Adjustment, Functional, Strategy
from butfor.inference.estimate import Estimate
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import frozen
from butfor.question import ATE, PotentialMean, Question
from butfor.question.question import Level

FloatArray = NDArray[np.float64]
Method = AIPW | PlugIn | LearnedPlugIn
MOST_POINTS = 200


def interventional_means(
    frame: Any,
    query: Query,
    graph: CausalGraph | str,
    *,
    at: Sequence[Mapping[str, Level]] = (),
    method: Method | None = None,
    reading: Reading | None = None,
    rng: Seed = 0,
) -> Estimate:
    """Mean outcomes had treatments been set, among units with given properties.

    **Answers** what would happen on average if several things were done at once, to several outcomes, to everyone or
    to those with given properties: for queries that are more than one treatment and one outcome.

    **Estimates** E[Y | do(t), z] for each combination of levels of the treatments and the conditions, with their joint
    uncertainty: `contrast` makes effects and interactions of them.

    **Assumes** what the identification of the query assumes.

    Where adjustment identifies the joint effect, AIPW with one arm for each combination; otherwise the expression of
    the general algorithm, counted where all columns have few values, learned where some are numbers.

    Args:
        frame: pandas, polars, pyarrow, a DuckDB relation, a dict of arrays, or a path.
        query: treatments, outcomes and conditions; treatments and conditions need few values.
        graph: what causes what.
        at: levels of treatments and conditions, one mapping for each mean; what a mapping leaves out takes all its
            levels, and without `at` everything does.
        method: `AIPW`, `PlugIn` or `LearnedPlugIn` with settings of your own.
        reading: columns of weights and clusters, and what to do with missing values.
        rng: seed or generator.

    Raises:
        NotIdentified: when the graph does not tell the answer.
        InvalidSetting: for a level that the data do not have, or too many combinations.
        MethodMismatch: when the method cannot follow any strategy of the query.

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> c = rng.normal(size=2000)
    >>> email, call = ((c + rng.logistic(size=2000) > 0).astype(int) for _ in range(2))
    >>> frame = {"c": c, "email": email, "call": call, "sales": email + call + email * call + c}
    >>> graph = "c -> email; c -> call; c -> sales; email -> sales; call -> sales"
    >>> simple = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    >>> means = bf.interventional_means(frame, bf.Query(("email", "call"), "sales"), graph, method=simple)
    >>> means.labels[-1]
    'E[sales | do(email = 1, call = 1)]'
    >>> both = means.contrast([1, -1, -1, 1], ["more than the sum of the two"])
    >>> round(float(both.value[0]), 3)
    1.0
    """
    graph = CausalGraph.from_any(graph)
    dataset = open_dataset(frame)
    seed = rng if isinstance(rng, int) else seed_of(rng)
    asked = [replace(query, outcomes=(outcome,)) for outcome in query.outcomes]
    ways = [_strategies(q, graph, dataset.columns) for q in asked]
    reading = reading or Reading()
    own = {c for c in (reading.weights, reading.cluster) if c is not None}
    columns = own.union(query.treatments, query.outcomes, query.given, *(s.uses for found in ways for s in found))
    rows = complete_rows(dataset.read(Request(frozenset(columns))), columns, reading.missing)[0]
    if reading.weights is not None:
        rows = _with_weight(rows, reading.weights)
    setting = _Setting.of(rows, query, at)
    how = _choose(rows, ways, method)
    parts = [
        _Part(rows, setting, outcome, next(s for s in found if how.accepts(s)), reading)
        for outcome, found in zip(query.outcomes, ways, strict=True)
    ]
    return _joined([part.by(how, seed) for part in parts])


def _strategies(query: Query, graph: CausalGraph, columns: Iterable[str]) -> list[Strategy]:
    """What can answer a query about one outcome: adjustment before the general expression."""
    found = identify(query, graph, observed=columns)
    found.require()
    return [s for s in found.strategies if isinstance(s, Adjustment | Functional)]


def _with_weight(rows: Rows, weights: str) -> Rows:
    """The rows that count, so that codes of columns and of samples are those of the same rows."""
    column = rows.columns[weights]
    return rows.take(column.values != 0.0) if isinstance(column, Numbers) else rows


def _choose(rows: Rows, ways: Sequence[Sequence[Strategy]], given: Method | None) -> Method:
    """One method for all outcomes, so that their means have a joint covariance."""
    if given is not None:
        if not all(any(given.accepts(s) for s in found) for found in ways):
            raise MethodMismatch(
                f"{given.title} can follow no strategy of the query; it needs {' or '.join(given.strategies)}.",
                hint="interventional_means(...) without method= chooses one",
            )
        return given
    columns = {name for found in ways for s in found for name in s.uses}
    numbers = [name for name in columns if _is_number(rows, name)]
    candidates: tuple[Method, ...] = (AIPW(), *(() if numbers else (PlugIn(),)), LearnedPlugIn(), PlugIn())
    return next((c for c in candidates if all(any(c.accepts(s) for s in found) for found in ways)), PlugIn())


def _is_number(rows: Rows, name: str) -> bool:
    column = rows.columns[name]
    return isinstance(column, Numbers) and len(np.unique(column.values)) > PlugIn.most_values


@dataclass(frozen=True, eq=False)
class _Setting:
    """What is set and what is held, and the combinations that are asked about (codes by column)."""

    treatments: dict[str, Treatment]
    conditions: dict[str, Treatment]
    points: tuple[dict[str, int], ...]

    @classmethod
    def of(cls, rows: Rows, query: Query, at: Sequence[Mapping[str, Level]]) -> _Setting:
        treatments, conditions = (
            {n: read_treatment(rows, Question(n, query.outcomes[0], arms=True), role=role) for n in names}
            for role, names in (("treatment", query.treatments), ("condition", query.given))
        )
        columns = treatments | conditions
        found: list[dict[str, int]] = []
        for chosen in at or ({},):
            for name in chosen:
                if name not in columns:
                    raise UnknownColumn.named(name, columns, role="setting")
            options = [
                [_code(column, chosen[name])] if name in chosen else range(column.arms)
                for name, column in columns.items()
            ]
            found += [dict(zip(columns, codes, strict=True)) for codes in product(*options)]
        if len(found) > MOST_POINTS:
            raise InvalidSetting(
                f"There are {len(found):,} combinations of levels; a table of means needs at most {MOST_POINTS}.",
                hint="at=[{treatment: level, ...}, ...] asks about a few",
            )
        return cls(treatments, conditions, tuple(found))

    def label(self, outcome: str, point: Mapping[str, int]) -> str:
        """E[y | do(x = 1), z = 0]."""
        words = {n: f"{n} = {c.levels[point[n]]}" for n, c in (self.treatments | self.conditions).items()}
        held = "".join(f", {words[name]}" for name in self.conditions)
        return f"E[{outcome} | do({', '.join(words[name] for name in self.treatments)}){held}]"


def _code(column: Treatment, level: Level) -> int:
    code = match_level(level, column.levels)
    if code is None:
        raise InvalidSetting(
            f"at names {level!r}; {column.name!r} needs one of its own levels.",
            hint=did_you_mean(str(level), map(str, column.levels)),
        )
    return code


@dataclass(frozen=True, eq=False)
class _Found:
    """Means and what their uncertainty derives from."""

    value: FloatArray
    influence: FloatArray | None = None
    draws: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class _Part:
    """The means of one outcome, by one strategy."""

    rows: Rows
    setting: _Setting
    outcome: str
    strategy: Strategy
    reading: Reading

    def by(self, method: Method, seed: int) -> Estimate:
        """The means by one of the methods."""
        if isinstance(method, AIPW):
            return self._by_arms(method, seed)
        if isinstance(method, PlugIn):
            return self._by_counts(method, seed)
        return self._by_averages(method, seed)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.setting.label(self.outcome, point) for point in self.setting.points)

    @property
    def question(self) -> Question:
        return Question(next(iter(self.setting.treatments)), self.outcome, PotentialMean(), arms=True)

    def sample(self, columns: Iterable[str]) -> Sample:
        """The rows with these columns beside the first treatment and the outcome."""
        others = [c for c in columns if c not in (self.question.treatment, self.outcome)]
        reading = self.reading
        return draw_sample(self.rows, self.question, others, weights=reading.weights, cluster=reading.cluster)

    def _by_arms(self, method: AIPW, seed: int) -> Estimate:
        """One arm for each combination of treatments."""
        together = joint_treatment(list(self.setting.treatments.values()))
        sample = self.sample(self.strategy.adjust_for).with_treatment(together)
        arms = [arm_of(together, list(point.values())) for point in self.setting.points]
        fit = method.fit_sample(sample, replace(self.question, estimand=ATE()), self.strategy, rng=seed)
        assert fit.scores is not None
        tops = [fit.scores[:, arm] for arm in arms]
        _, value, influence = ratio_effects(sample, tops, [np.ones(sample.n)] * len(tops), terms=self.labels)
        found = self._estimate(method, sample, seed, _Found(value, influence))
        return replace(found, diagnostics=fit.result.diagnostics)

    def _by_counts(self, method: PlugIn, seed: int) -> Estimate:
        assert isinstance(self.strategy, Functional)
        expression, named = self.strategy.expression, self.setting.treatments | self.setting.conditions
        sample = self.sample([*named, *self.strategy.columns])
        axes = [Axis(n, c.codes.astype(np.intp), c.levels) for n, c in named.items()]
        columns = [c for c in self.strategy.columns if c not in named]
        counts = Counts.of(sample, axes, columns, method.counting, expression)
        value, influence = counts.means(expression, self.setting.points)
        found = self._estimate(method, sample, seed, _Found(value, influence))
        return replace(found, diagnostics=(*found.diagnostics, *counts.notes))

    def _by_averages(self, method: LearnedPlugIn, seed: int) -> Estimate:
        chain = chain_of(self.strategy)
        exchanged = {n: c for n, c in self.setting.conditions.items() if n not in chain.given}
        sample = self.sample(c for c in (*chain.columns, *chain.given) if c not in self.setting.treatments)
        if any(self.outcome in stage.given for stage in chain.stages):  # a condition comes after the outcome
            column = sample.covariates.with_column(self.outcome, sample.outcome)
            sample = sample.with_covariates(replace(column, matrix=frozen(column.matrix)))
        treatments = [*self.setting.treatments.values(), *exchanged.values()]

        def means(averages: Averages) -> FloatArray:
            return np.array([_mean_at(averages, chain, self.setting, point) for point in self.setting.points])

        value, draws, averages = method.resampled(sample, treatments, means, seed)
        found = self._estimate(method, sample, seed, _Found(value, draws=draws))
        return replace(found, diagnostics=(*found.diagnostics, *averages.notes))

    def _estimate(self, method: Estimator, sample: Sample, seed: int, found: _Found) -> Estimate:
        return Estimate(
            labels=self.labels,
            value=found.value,
            influence=found.influence,
            draws=found.draws,
            df=None if found.draws is None else len(found.draws) - 1.0,
            estimand=PotentialMean(),
            **describe(method, sample, self.strategy, seed),
        )


def _mean_at(averages: Averages, chain: Sequential, setting: _Setting, point: Mapping[str, int]) -> float:
    """E[Y 1{z} | do(t)] / E[1{z} | do(t)]."""
    sample = averages.sample
    inside = np.ones(sample.n)
    for name in chain.given:
        inside = inside * (setting.conditions[name].codes == point[name])
    top, bottom = (
        float(np.average(averages.back(chain.stages, point, target), weights=sample.weights))
        for target in (sample.outcome * inside, inside)
    )
    return top / bottom


def _joined(parts: Sequence[Estimate]) -> Estimate:
    """The means of all outcomes with their joint covariance."""
    first = parts[0]
    influence = [p.influence for p in parts if p.influence is not None]
    draws = [p.draws for p in parts if p.draws is not None]
    return replace(
        first,
        labels=tuple(label for p in parts for label in p.labels),
        value=np.concatenate([p.value for p in parts]),
        influence=np.column_stack(influence) if influence else None,
        draws=np.column_stack(draws) if draws else None,
        diagnostics=tuple(dict.fromkeys(d for p in parts for d in p.diagnostics)),
    )
