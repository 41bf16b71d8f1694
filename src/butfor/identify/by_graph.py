"""Strategies that follow from the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from butfor.core.effort import Effort
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.adjustment import (
    AdjustmentProblem,
    minimal_adjustment_sets,
    optimal_adjustment_set,
    optimal_minimal_adjustment_set,
)
from butfor.identify.bounds.strategy import Bounds
from butfor.identify.by_design import instrument_strategy
from butfor.identify.estimands import adjustment_estimand, front_door_estimand
from butfor.identify.expression import to_unicode, variables_of
from butfor.identify.front_door import FrontDoorProblem, minimal_front_door_sets, needed_covariates
from butfor.identify.further import bounds_beside, further_strategies
from butfor.identify.general.effect import GeneralEffect, identify_effect
from butfor.identify.general.hedge import Hedge
from butfor.identify.general.sources import OBSERVATION, Experiment, Mosaic, check_sources, identify_from
from butfor.identify.identification import Identification, Status
from butfor.identify.implications import Independence, first_independences
from butfor.identify.instruments import InstrumentProblem, instruments
from butfor.identify.primal import Primal, primal_structure
from butfor.identify.proof import (
    ProofStep,
    adjustment_proof,
    front_door_proof,
    general_proof,
    hedge_proof,
    listed,
    mosaic_proof,
    selection_proof,
    zero_proof,
)
from butfor.identify.query import Query
from butfor.identify.remedies import remedies
from butfor.identify.sequential import sequential_structure
from butfor.identify.strategies import (
    CONSISTENCY,
    GRAPH,
    OVERLAP,
    POSITIVITY,
    Adjustment,
    FrontDoor,
    Functional,
    Instrument,
    Strategy,
    no_hidden_confounding,
)
from butfor.identify.unidentified import blocked_path, selection_reason
from butfor.identify.verma import verma_constraints
from butfor.question import Design, Question

# Nodes visited in the search for front-door sets and for instruments.
SEARCH = 20_000_000
# Hidden ties beyond which rare strategies and constraints are not sought; and many, if there are so many for each node.
MOST_TIED, MANY_TIED, MANY_TIED_EACH = 1_000, 300, 10
# Beyond this size of the projected graph an expression is no answer that anybody reads.
LARGEST_EXPRESSION = 1_000


def by_graph(
    question: Question | Query,
    graph: CausalGraph,
    design: Design,
    *,
    declared: tuple[str, ...] | None,
    sources: tuple[Experiment, ...],
    limit: int,
) -> Identification:
    """Every strategy that the graph has."""
    check_sources(graph, sources)
    search = _Search(question, graph, Query.of(question), declared, sources, limit)
    identified = search.is_known or any(s.identifies for s in search.strategies)
    zero = search.is_zero
    status = Status.ZERO_EFFECT if zero else Status.IDENTIFIED if identified else Status.NOT_IDENTIFIED
    hopeless = status is Status.NOT_IDENTIFIED
    implications = search.implications  # before it is asked whether everything was listed
    return Identification(
        question,
        graph,
        design,
        tuple(search.strategies),
        status,
        search.explanation(status),
        tuple(search.proof(status)),
        search.open_path,
        search.complete,
        search.hedge if hopeless else None,
        remedies(graph, search.query, sources) if hopeless else (),
        implications,
        search.bounds if hopeless else (),
        left_out=search.independences[1],
    )


def _zero(query: Query) -> str:
    return (
        f"By the graph {query.treatment} does not cause {query.outcome}: the effect is zero. An estimate that is "
        "not contradicts the graph."
    )


@dataclass(eq=False)
class _Search:
    """The strategies of one query, each kind searched once."""

    question: Question | Query
    graph: CausalGraph
    query: Query
    declared: tuple[str, ...] | None
    sources: tuple[Experiment, ...]
    limit: int
    complete: bool = True

    @cached_property
    def problem(self) -> AdjustmentProblem:
        return AdjustmentProblem.of(self.graph, self.query.treatments, self.query.outcomes)

    @property
    def observes(self) -> bool:
        """Are there observations of the population that is asked about?"""
        return OBSERVATION in self.sources

    @cached_property
    def mosaic(self) -> Mosaic | None:
        """The effect from what is at hand, when that is not just observation of everyone."""
        if self.sources == (OBSERVATION,) and not self.graph.selected:
            return None
        return identify_from(self.graph, self.sources, self.query.treatments, self.query.outcomes, self.query.given)

    @cached_property
    def general(self) -> GeneralEffect:
        """The effect from observation of everyone."""
        return identify_effect(self.graph, self.query.treatments, self.query.outcomes, self.query.given)

    @property
    def is_known(self) -> bool:
        """Does the effect follow, whether or not its expression can be written out?"""
        return (self.general if self.mosaic is None else self.mosaic).identified

    @property
    def hedge(self) -> Hedge | None:
        return self.general.hedge if self.mosaic is None else None

    @cached_property
    def open_path(self) -> str | None:
        """What no adjustment closes, if adjustment does not do."""
        if self.adjustments or self.query.given or not self.observes:
            return None
        if not self.problem.selection_is_ignorable:
            return selection_reason(self.graph, self.query, self.problem)[1]
        return blocked_path(self.graph, self.problem)

    @cached_property
    def is_zero(self) -> bool:
        """Do the outcomes not notice the treatments, among units with the given properties?"""
        if not self.query.given:
            return not self.graph.descendants(self.query.treatments) & set(self.query.outcomes)
        return any(not {v.name for v in f.expression.free} & set(self.query.treatments) for f in self.functionals)

    @cached_property
    def is_dense(self) -> bool:
        """Do hidden causes tie so much together that rare strategies and constraints are not worth their search?"""
        tied = len(self.general.graph.bidirected)
        return tied > MOST_TIED or (tied > MANY_TIED and tied > MANY_TIED_EACH * len(self.general.graph.nodes))

    @cached_property
    def independences(self) -> tuple[tuple[Independence, ...], int | None]:
        """Those that are listed, and how many more there are."""
        return first_independences(self.graph, self.limit)

    @cached_property
    def implications(self) -> tuple[str, ...]:
        found = [str(i) for i in self.independences[0]]
        if self.is_dense:
            self.complete = False
        elif not self.graph.selected and len(self.graph.nodes) <= LARGEST_EXPRESSION:
            found += [str(v) for v in islice(verma_constraints(self.graph), self.limit)]
        return tuple(found)

    @cached_property
    def strategies(self) -> list[Strategy]:
        # What identifies the effect comes before what needs further assumptions.
        found: list[Strategy] = [*self.adjustments, *self.front_doors, *self.functionals]
        wanted = self.is_open and not found and not self.is_known and not self.is_dense
        further = further_strategies(self.graph, self.query, self.instruments) if wanted else ()
        return [*found, *self.instruments, *further]

    @property
    def is_open(self) -> bool:
        """May the graph leave the effect of one treatment on one outcome open, in rows that nobody chose?"""
        return self.query.is_plain and self.observes and not self.graph.selected and not self.is_zero

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        return bounds_beside(self.query, self.instruments) if self.is_open else ()

    @cached_property
    def adjustments(self) -> list[Adjustment]:
        problem = self.problem
        if self.query.given or not self.observes or not problem.is_valid(problem.canonical):
            return []
        listed = list(islice(minimal_adjustment_sets(problem), self.limit + 1))
        self.complete = self.complete and len(listed) <= self.limit
        minimal = sorted(listed[: self.limit], key=len)
        # In a long list the most precise minimal set may be beyond the limit.
        precise = optimal_minimal_adjustment_set(problem)
        minimal += [precise] if precise is not None and set(precise) not in map(set, minimal) else []
        optimal = optimal_adjustment_set(problem)
        chosen: dict[frozenset[str], Adjustment] = {}
        if (
            self.declared is not None
            and set(self.declared) <= set(self.graph.nodes)
            and problem.is_valid(self.declared)
        ):
            chosen[frozenset(self.declared)] = self._adjustment(self.declared, minimal, None)
        for names in ([] if optimal is None else [optimal]) + minimal:
            chosen.setdefault(frozenset(names), self._adjustment(names, minimal, optimal))
        return list(chosen.values())

    def _adjustment(
        self, names: tuple[str, ...], minimal: list[tuple[str, ...]], optimal: tuple[str, ...] | None
    ) -> Adjustment:
        x, y = self.query.treatment, self.query.outcome
        return Adjustment(
            adjust_for=names,
            minimal=set(names) in [set(m) for m in minimal],
            optimal=names == optimal,
            estimand=adjustment_estimand(self.query, names),
            assumptions=(no_hidden_confounding(x, y, names, declared=False), OVERLAP, CONSISTENCY),
            implications=self.implications,
        )

    @cached_property
    def front_doors(self) -> list[FrontDoor]:
        if self.query.given or self.graph.selected or not self.observes:
            return []
        effort = Effort(SEARCH)
        problem = FrontDoorProblem(self.graph, self.problem.treatments, self.problem.outcomes)
        listed = list(islice(minimal_front_door_sets(problem, effort=effort), self.limit + 1))
        given: tuple[str, ...] = ()
        if not listed and not self.adjustments:
            covariates = self.problem.canonical - self.graph.descendants(self.problem.treatments)
            problem = replace(problem, given=covariates)
            listed = list(islice(minimal_front_door_sets(problem, effort=effort), self.limit + 1))
            given = needed_covariates(problem, listed[0], effort=effort) if listed else ()
            listed = [m for m in listed if replace(problem, given=frozenset(given)).is_valid(m)]
        self.complete = self.complete and len(listed) <= self.limit and not effort.exhausted
        listed = sorted(listed[: self.limit], key=lambda m: (len(m), m))
        return [self._front_door(m, tuple(n for n in self.graph.nodes if n in given)) for m in listed]

    def _front_door(self, mediators: tuple[str, ...], given: tuple[str, ...]) -> FrontDoor:
        order = tuple(n for n in self.graph.topological_order if n in mediators)
        primal = None
        if len(self.query.treatments) == len(self.query.outcomes) == 1:
            primal = Primal(given, (*order, self.query.outcomes[0]), frozenset(self.query.outcomes))
        return FrontDoor(
            mediators=order,
            adjust_for=given,
            minimal=True,
            primal=primal,
            estimand=front_door_estimand(self.query, order, given),
            assumptions=(GRAPH, OVERLAP, CONSISTENCY),
            implications=self.implications,
        )

    @cached_property
    def instruments(self) -> list[Instrument]:
        if not (self.query.is_plain and self.observes and self.problem.selection_is_ignorable):
            return []
        effort = Effort(SEARCH)
        problem = InstrumentProblem(self.graph, self.query.treatments[0], self.query.outcomes[0])
        listed = list(islice(instruments(problem, effort=effort), self.limit + 1))
        self.complete = self.complete and len(listed) <= self.limit and not effort.exhausted
        return [
            instrument_strategy(self.query, name, given, minimal=True, implications=self.implications)
            for name, given in listed[: self.limit]
        ]

    @cached_property
    def functionals(self) -> list[Functional]:
        asked = self.general if self.mosaic is None else self.mosaic.query
        found = self.general if self.mosaic is None else self.mosaic
        if len(asked.ancestral) > LARGEST_EXPRESSION or found.expression is None:
            return []
        primal = None
        if self.query.is_plain and self.mosaic is None:
            primal = primal_structure(self.graph, self.query.treatments[0], self.query.outcomes[0])
        named = {*self.query.treatments, *self.query.outcomes}
        written = dict.fromkeys(v.name for v in variables_of(found.expression))
        chain = sequential_structure(self.general) if self.mosaic is None else None
        return [
            Functional(
                expression=found.expression,
                columns=tuple(name for name in written if name not in named),
                estimand=to_unicode(found.expression),
                proof=tuple(self._general_proof()),
                primal=primal,
                # What takes more columns than the expression is no better than the expression.
                sequential=chain if chain is not None and set(chain.columns) <= named | set(written) else None,
                sources=(OBSERVATION,) if self.mosaic is None else self.mosaic.used,
                minimal=False,
                assumptions=(GRAPH, POSITIVITY, CONSISTENCY),
                implications=self.implications,
            )
        ]

    def _general_proof(self) -> list[ProofStep]:
        if self.mosaic is None:
            return general_proof(self.graph, self.query, self.general)
        return mosaic_proof(self.graph, self.query, self.mosaic)

    def proof(self, status: Status) -> list[ProofStep]:
        first = self.strategies[0] if self.strategies else None
        if status is Status.ZERO_EFFECT and not self.query.given:
            return zero_proof(self.query)
        if isinstance(first, Adjustment):
            return adjustment_proof(self.problem, self.query, first.adjust_for, first.estimand)
        if isinstance(first, FrontDoor):
            return front_door_proof(self.query, first.mediators, first.given, first.estimand)
        functional = next((s for s in self.strategies if isinstance(s, Functional)), None)
        if functional is not None:
            return list(functional.proof)
        if self.mosaic is not None:
            return selection_proof(self.mosaic, next(self._reasons(), ""))
        return hedge_proof(self.query, self.general)

    def explanation(self, status: Status) -> str:
        if status is Status.ZERO_EFFECT:
            return _zero(self.query)
        first = next((s for s in self.strategies if s.identifies), None)
        if isinstance(first, Adjustment):
            return f"Identified by adjustment. {first.describe()}{self._compare()}"
        if first is not None:
            kind = "the front door" if isinstance(first, FrontDoor) else "the general algorithm"
            return f"Identified by {kind}. {first.describe()}{self._compare()}"
        if self.is_known:
            return "Identified by the general algorithm; the expression is too large to be written out."
        return " ".join(self._reasons())

    def _reasons(self) -> Iterator[str]:
        """Why the effect is not identified."""
        if self.observes and not self.problem.selection_is_ignorable:
            yield selection_reason(self.graph, self.query, self.problem)[0]
        elif self.open_path:
            yield f"No set of measured nodes closes every path that is not causal; this stays open: {self.open_path}."
        if self.hedge is not None:
            yield self.hedge.explain(self.general.treatments)
        if self.mosaic is not None and self.mosaic.missing:
            places = listed([s.describe() for s in self.sources])
            missing = self.mosaic.missing
            verb, whose = ("responds", "its") if len(missing) == 1 else ("respond", "their")
            yield f"How {listed(missing)} {verb} to {whose} causes does not follow from {places}."
        if self.strategies:
            yield f"Under further assumptions there is an answer. {self.strategies[0].describe()}"

    def _compare(self) -> str:
        kinds = list(dict.fromkeys(s.kind.replace("_", "-") for s in self.strategies if s.kind != "functional"))
        if len(kinds) < 2:
            return ""
        return f" {len(kinds)} designs are available ({', '.join(kinds)}): compare their answers."
