"""A study: from a question to a decision, one stage after the other."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.provenance import Provenance
from butfor.data.dataset import Dataset, open_dataset
from butfor.decide.decision import Decision, decide
from butfor.discovery.proposal import GraphProposal
from butfor.estimators.base import Estimator, Fit, Reading, read_rows, take_samples
from butfor.estimators.estimates import (
    Estimates,
    as_asked,
    default_estimators,
    estimable,
    kinds_of,
    naive_fit,
    plan_of,
)
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats import read_graph
from butfor.graph.marked_graph import MarkedGraph
from butfor.identify.antipatterns import check_adjustment
from butfor.identify.identification import Identification, Status
from butfor.identify.identify import identify
from butfor.identify.mediation.strategy import ways_through
from butfor.identify.strategies import Functional, Instrument, Strategy
from butfor.nuisance.balance import balance_table
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.overlap import Overlap
from butfor.question import Design, Estimand, Instrumented, Observational, Question
from butfor.question.framing import Framing, antipatterns, judge
from butfor.refute.battery import default_refuters, refute, sensitivity
from butfor.refute.refutation import Refutations
from butfor.refute.refuter import Refuter
from butfor.refute.sensitivity import Sensitivity
from butfor.report.html import write_report
from butfor.report.record import StudyRecord

Progress = Callable[[str, int, int], None]
OTHER_STRATEGIES = 2


@dataclass(frozen=True, eq=False)
class Study:
    """The facade over all stages; each stage is a value that is computed when first asked for and then kept.

    Args:
        source: pandas, polars, pyarrow, a DuckDB relation, a dict of arrays, or a path.
        question: what is asked.
        graph: `CausalGraph`, text in any of its formats, a networkx graph, or a path.
        design: `Randomized(...)`, `Instrumented(...)` or `Observational()`.
        covariates: columns to adjust for when there is no graph, on the user's word; checked against a graph.
        weights: column of sampling weights.
        cluster: column of the units that were sampled or treated together.
        missing: "error" or "drop".
        negative_outcomes: columns that the treatment cannot have changed.
        mediators: columns on the way from treatment to outcome, for methods that split the effect by them.
        seed: decides folds and simulations; the same seed gives the same numbers.
        table: name of the table when `source` is a database file.
        title: heading of the report.
        command: what reproduces the report.
        progress: called with (what, done, total) during long work.

    >>> import butfor as bf
    >>> frame = {"sent": [0, 0, 0, 1, 1, 1] * 5, "value": [1.0, 2.0, 3.0, 3.0, 4.0, 5.0] * 5}
    >>> study = bf.Study(frame, question=bf.Question("sent", "value"), design=bf.Randomized())
    >>> float(study.estimate().primary.result.value[0])
    2.0
    """

    source: Any
    question: Question = field(kw_only=True)
    graph: Any = field(default=None, kw_only=True)
    design: Design = field(default_factory=Observational, kw_only=True)
    covariates: Sequence[str] | None = field(default=None, kw_only=True)
    weights: str | None = field(default=None, kw_only=True)
    cluster: str | None = field(default=None, kw_only=True)
    missing: Literal["error", "drop"] = field(default="error", kw_only=True)
    negative_outcomes: Sequence[str] = field(default=(), kw_only=True)
    mediators: Sequence[str] = field(default=(), kw_only=True)
    seed: int = field(default=0, kw_only=True)
    table: str | None = field(default=None, kw_only=True)
    title: str = field(default="", kw_only=True)
    command: str = field(default="", kw_only=True)
    progress: Progress | None = field(default=None, kw_only=True, repr=False)
    _stages: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _cache: NuisanceCache = field(default_factory=NuisanceCache, init=False, repr=False)

    def __post_init__(self) -> None:
        # What comes in may be anything, whatever the type says.
        question = cast("object", self.question)
        if not isinstance(question, Question):
            raise InvalidSetting(
                f"The question is a {type(question).__name__}; a study needs a Question with one treatment and one "
                "outcome.",
                hint="identify(query, graph) answers a Query about several nodes or units with given properties",
            )

    @cached_property
    def dataset(self) -> Dataset:
        """The data, opened but not read."""
        return open_dataset(self.source, table=self.table)

    @cached_property
    def causal_graph(self) -> CausalGraph | MarkedGraph | None:
        """The graph, parsed; a class of graphs if the text stands for one or the graph was learned."""
        if self.learned is not None:
            return self.learned.graph
        return None if self.graph is None else read_graph(self.graph)

    @property
    def learned(self) -> GraphProposal | None:
        """The proposal, when the graph was learned from data."""
        return self.graph if isinstance(self.graph, GraphProposal) else None

    @property
    def completed(self) -> tuple[str, ...]:
        """The stages that were run so far."""
        return tuple(self._stages)

    # --- stages ------------------------------------------------------------------------------------------------

    def frame(self) -> Framing:
        """Is the question causal at all?"""
        return self._keep("frame", lambda: judge(self.question))

    def identify(self) -> Identification:
        """Every valid way from the data to the effect."""
        return self._keep("identify", self._identify)

    def estimate(self, *estimators: Estimator) -> Estimates:
        """The effect by the given estimators (the first one answers the question), or by sensible ones."""
        if estimators:
            self._forget("estimate", "refute", "sensitivity", "decide")
        return self._keep("estimate", lambda: self._estimate(estimators))

    def refute(self, *refuters: Refuter) -> Refutations:
        """Try to break the primary estimate."""
        if refuters:
            self._forget("refute", "decide")
        return self._keep("refute", lambda: self._refute(refuters))

    def standard_refuters(self, simulations: int | None) -> tuple[Refuter, ...]:
        """The default battery with another number of simulations; nothing when the default number will do."""
        if simulations is None:
            return ()
        fit = self.estimate().primary
        chosen: list[Refuter] = []
        for refuter in default_refuters(fit):
            if refuter.says_nothing(fit) is None:
                simulates = any(f.name == "simulations" for f in fields(refuter))
                chosen.append(replace(refuter, simulations=simulations) if simulates else refuter)
        return tuple(chosen)

    def sensitivity(self) -> Sensitivity:
        """How strong a hidden confounder would have to be."""
        return self._keep("sensitivity", lambda: sensitivity(self.estimate().primary, cache=self._cache))

    def decide(
        self,
        *,
        value_per_unit: float,
        cost_per_treated: float = 0.0,
        units: int | None = None,
        experiment_cost: float | None = None,
    ) -> Decision:
        """What to do: treat all, none, or run an experiment first."""
        self._forget("decide")
        if self.estimate().primary.strategy.kind == "bounds":
            raise MethodMismatch(
                "The estimate is a pair of bounds; a decision needs a single number.",
                hint="decide by hand: is the effect worth its cost at both ends?",
            )
        what = self.estimate().primary.result.estimand.what
        if what != Estimand.what:
            raise MethodMismatch(
                f"The estimate is a {what}; a decision needs an average effect.",
                hint="study.estimate(bf.AIPW()), and the other method after it",
            )
        return self._keep(
            "decide",
            lambda: decide(
                self.estimate().primary.result,
                value_per_unit=value_per_unit,
                cost_per_treated=cost_per_treated,
                units=units,
                experiment_cost=experiment_cost,
                doubts=self._doubts(),
            ),
        )

    def report(self, path: str | Path = "report.html") -> Path:
        """Write everything that was done so far as one HTML file."""
        return write_report(self.record(), Path(path))

    # --- what the stages found ---------------------------------------------------------------------------------

    def antipatterns(self) -> tuple[Diagnostic, ...]:
        """Mistakes by name, in the question and in the choice of covariates."""
        names = () if self.covariates is None else tuple(self.covariates)
        found = [*antipatterns(self.question, covariates=names)]
        graph = self.causal_graph
        if graph is None or (names and isinstance(graph, CausalGraph)):
            found.extend(check_adjustment(graph, self.question, names))
        if self.learned is not None:
            found.extend(self.learned.caveats(self.dataset, missing=self.missing))
        return tuple(dict.fromkeys(found))

    def record(self) -> StudyRecord:
        """All stages that were run, as one value."""
        identification = self.identify()
        record = StudyRecord(
            question=self.question,
            framing=self.frame(),
            graph=self.causal_graph,
            learned=self.learned,
            identification=identification,
            refutations=self._stages.get("refute"),
            sensitivity=self._stages.get("sensitivity"),
            decision=self._stages.get("decide"),
            antipatterns=self.antipatterns(),
            provenance=Provenance(data_source=self.dataset.describe_source(), seed=self.seed),
            command=self.command,
            title=self.title,
        )
        answerable = any(s.identifies for s in identification.strategies) or isinstance(self.design, Instrumented)
        if "estimate" not in self._stages and not answerable:
            return record
        try:
            return self._with_estimates(record)
        except MethodMismatch as error:
            if "estimate" in self._stages:
                raise
            note = Diagnostic("not-estimated", Severity.CAUTION, f"{error.message} ({error.hint})")
            return replace(record, antipatterns=(*record.antipatterns, note))

    def _repr_html_(self) -> str:
        """What was found so far, for notebooks."""
        found = [
            self._stages[stage]._repr_html_() for stage in ("identify", "estimate", "refute") if stage in self._stages
        ]
        return f"<h3>{html.escape(self.title or self.question.sentence)}</h3>" + "".join(found)

    # --- how -----------------------------------------------------------------------------------------------------

    def _identify(self) -> Identification:
        graph = self.causal_graph
        declared = None if self.covariates is None else tuple(self.covariates)
        return identify(
            self.question, graph, self.design, covariates=declared, observed=self.dataset.columns if graph else None
        )

    def _strategies(self, given: tuple[Estimator, ...]) -> list[Strategy]:
        """The strategy that answers first, then others to compare with.

        Methods that the user gave may ask for strategies that assume more than the graph says, or for bounds.
        """
        found = self.identify()
        every = (*found.bounds, *found.strategies, *self._through_mediators())
        if given and all(any(e.accepts(s) for s in every) for e in given):
            return estimable(every, given)
        chosen = estimable(as_asked(self.question, found.strategies), given)
        if not given and chosen and isinstance(chosen[0], Instrument):
            return chosen  # an effect on some, under assumptions that the estimate names
        first = found.require()
        if not chosen:
            raise MethodMismatch(
                f"The strategy is {first.kind.replace('_', ' ')}; this version has no estimator for it.",
                hint="draw a graph whose effect is identified by adjustment, a front door or an expression",
            )
        if found.status is Status.ZERO_EFFECT and all(isinstance(s, Functional) for s in chosen):
            raise MethodMismatch(
                f"By the graph the effect of {self.question.treatment} on {self.question.outcome} is zero, and no "
                "measured column could show otherwise; there is nothing to estimate.",
                hint="ask about another outcome, or revise the graph",
            )
        return chosen

    def _through_mediators(self) -> tuple[Strategy, ...]:
        """Ways to split the effect by the mediators, from the graph or on the user's word."""
        graph = self.identify().graph
        if not self.mediators or isinstance(graph, MarkedGraph):
            return ()
        return ways_through(self.question, graph, tuple(self.mediators), tuple(self.covariates or ()))

    def _estimate(self, given: tuple[Estimator, ...]) -> Estimates:
        strategies = self._strategies(given)
        first, others = strategies[0], OTHER_STRATEGIES
        reading = Reading(
            weights=self.weights, cluster=self.cluster, missing=self.missing, extra=tuple(self.negative_outcomes)
        )
        plan = plan_of(self.question, strategies, given, kinds={}, others=others)
        rows = read_rows(self.dataset, self.question, plan, reading)
        kinds = kinds_of(rows, self.question, plan)
        plan = plan_of(self.question, strategies, given, kinds=kinds, others=others)
        reason = "Chosen by the user." if given else default_estimators(self.question, first, kinds)[1]
        samples = take_samples(rows, self.question, plan, reading)
        fits: list[Fit] = []
        for (strategy, estimator), sample in zip(plan, samples, strict=True):
            self._report(f"estimate: {estimator.title}", len(fits), len(plan))
            fits.append(estimator.fit_sample(sample, self.question, strategy, rng=self.seed, cache=self._cache))
        self._report("estimate", len(plan), len(plan))
        return Estimates(tuple(fits), naive_fit(samples[0], self.question, first, self.seed), reason)

    def _refute(self, refuters: tuple[Refuter, ...]) -> Refutations:
        fit = self.estimate().primary
        return refute(
            fit,
            refuters=refuters or None,
            negative_outcomes=fit.sample.extra,
            rng=self.seed,
            cache=self._cache,
            progress=self.progress,
        )

    def _doubts(self) -> tuple[str, ...]:
        refutations: Refutations | None = self._stages.get("refute")
        found = () if refutations is None else tuple(f"{r.check}: {r.words}" for r in refutations.failed)
        primary = self.estimate().primary
        if isinstance(primary.strategy, Instrument) and primary.result.estimand != self.question.estimand:
            moved = f"It is the effect on those whom {primary.strategy.instrument} moves, and everyone may differ."
            return (moved, *found)
        return found

    def _with_estimates(self, record: StudyRecord) -> StudyRecord:
        estimates = self.estimate()
        fit = estimates.primary
        estimand, weights = fit.result.estimand, fit.weights
        return replace(
            record,
            estimates=estimates,
            overlap=None if fit.propensity is None else Overlap.of(fit.sample, fit.propensity, estimand),
            balance=None if weights is None else balance_table(fit.sample, weights, estimand),
            provenance=replace(
                record.provenance,
                data_fingerprint=fit.sample.fingerprint,
                rows_read=fit.sample.loss.rows_read,
                rows_used=fit.sample.n,
                settings="; ".join(repr(f.estimator) for f in estimates.fits),
            ),
        )

    def _keep(self, stage: str, compute: Callable[[], Any]) -> Any:
        if stage not in self._stages:
            self._report(stage, 0, 1)
            self._stages[stage] = compute()
        return self._stages[stage]

    def _forget(self, *stages: str) -> None:
        for stage in stages:
            self._stages.pop(stage, None)

    def _report(self, what: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(what, done, total)
