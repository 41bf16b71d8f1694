"""A graph that was learned: a proposal, with what it assumes and how stable it is, never the truth."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

from butfor.core.diagnostic import Assumption, Diagnostic, Severity
from butfor.core.effort import Effort
from butfor.core.errors import CyclicGraph, GraphError, InputError, InvalidSetting
from butfor.core.provenance import Provenance
from butfor.core.serial import public_value
from butfor.core.table import Table
from butfor.data.missing import MissingPolicy
from butfor.discovery.answer import ProposedAdjustment, answer
from butfor.discovery.classes import graphs_of
from butfor.discovery.columns import LearningData
from butfor.discovery.knowledge import Knowledge
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.marked_graph import MARKS_OF, SIGNS, Kind, MarkedEdge, MarkedGraph
from butfor.identify.generalised_adjustment import closed, member

NONE = "none"
MOST_GRAPHS = 1_000
MOST_SHOWN = 12


@public_value
@dataclass(frozen=True)
class ResampledGraph:
    """What was learned from some of the resamples.

    Attributes:
        edges: as in a `MarkedGraph`.
        count: resamples that gave just these edges.
    """

    edges: tuple[MarkedEdge, ...]
    count: int


@public_value
@dataclass(frozen=True, kw_only=True)
class GraphProposal:
    """A graph that was learned from data: a proposal, not the truth.

    `propose_graph` makes one; a graph that was learned elsewhere becomes one with its method in words.

    Args:
        graph: a PDAG or a PAG.
        method: how it was learned, in words.
        assumptions: what must be true for it to be right.
        knowledge: what was known before.
        n: rows that it was learned from.
        resampled: what was learned from the resamples, the most frequent first.
        failed: resamples from which nothing could be learned.
        threshold: share of the resamples below which an edge, or the absence of one, counts as unstable.
        provenance: data, seed, settings and versions.

    Raises:
        InvalidSetting: for a threshold that is no share.

    >>> proposal = GraphProposal(graph=MarkedGraph.from_text("pdag { a -- b -> d; c -> d }"), method="PC of pcalg")
    >>> proposal.covariates("c", "d")
    ()
    >>> proposal.adjustment("a", "d").answer.why
    'the path a -- b -> d may be causal, but its first edge does not say whether a causes b'
    """

    graph: MarkedGraph
    method: str
    assumptions: tuple[Assumption, ...] = ()
    knowledge: Knowledge = field(default_factory=Knowledge)
    n: int = 0
    resampled: tuple[ResampledGraph, ...] = ()
    failed: int = 0
    threshold: float = 0.8
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    # --- stability -----------------------------------------------------------------------------------------------

    @property
    def resamples(self) -> int:
        """Resamples from which a graph was learned."""
        return sum(found.count for found in self.resampled)

    @cached_property
    def stability(self) -> Table:
        """One row per pair of columns: its edge, the share of resamples that agree, and that with each kind of edge.

        The bootstrap finds more edges than there are: a resample repeats rows, which makes columns look more dependent
        than they are. With tests of level alpha it joins an independent pair with a probability of about
        2 Φ(-z / √2), z being the two-sided critical value: 7 % for alpha = 0.01, 17 % for 0.05.
        """
        pairs = list(combinations(self.graph.nodes, 2))
        signs = _signs(self.graph.kind)
        counts = {pair: dict.fromkeys((*signs, NONE), 0) for pair in pairs}
        for found in self.resampled:
            joined = _by_pair(found.edges, self.graph.nodes)
            for pair in pairs:
                counts[pair][joined.get(pair, NONE)] += found.count
        own = _by_pair(self.graph.edges, self.graph.nodes)
        shares = {
            sign: [count[sign] / self.resamples if self.resampled else None for count in counts.values()]
            for sign in (*signs, NONE)
        }
        edges = [own.get(pair, NONE) for pair in pairs]
        return Table.of(
            {
                "first": [a for a, _ in pairs],
                "second": [b for _, b in pairs],
                "edge": edges,
                "share": [shares[edge][i] for i, edge in enumerate(edges)],
                **shares,
            }
        )

    @property
    def unstable(self) -> Table:
        """The rows of `stability` whose share is below the threshold."""
        at = self.stability.names.index("share")
        rows = self.stability.rows
        return Table(self.stability.names, tuple(r for r in rows if _is_below(r[at], self.threshold)))

    # --- the class -----------------------------------------------------------------------------------------------

    def graphs(self, effort: Effort | None = None) -> Iterator[CausalGraph]:
        """Every acyclic graph that a CPDAG stands for, until the effort ends.

        Raises:
            MethodMismatch: for a PAG.
            GraphError: when there is none: the edges contradict each other.
        """
        return graphs_of(self.graph, effort)

    @cached_property
    def contradiction(self) -> str:
        """Why the graph stands for no causal graph at all; "" when it does."""
        try:
            member(closed(self.graph))
        except GraphError as error:
            return error.message
        return ""

    @cached_property
    def size(self) -> str:
        """How many acyclic graphs it stands for, in words; "" for a PAG."""
        if self.graph.kind != "pdag":
            return ""
        if self.contradiction:
            return "no acyclic graph"
        effort = Effort(MOST_GRAPHS)
        count = sum(1 for _ in graphs_of(self.graph, effort))
        if effort.exhausted:
            return f"more than {count:,} acyclic graphs"
        return "one acyclic graph" if count == 1 else f"{count:,} acyclic graphs"

    # --- answers -------------------------------------------------------------------------------------------------

    def adjustment(
        self, treatment: str, outcome: str, *, adjust_for: Iterable[str] | None = None
    ) -> ProposedAdjustment:
        """Is the effect identified by adjustment in every graph of the class, by which columns, and how surely?

        Args:
            treatment: a column.
            outcome: another.
            adjust_for: columns whose validity is in question; default: the smallest valid set.

        Raises:
            UnknownNode, RoleConflict: for nodes that the graph does not have, or one in both roles.
            GraphError: when the graph stands for no causal graph.
        """
        resampled = [(self._marked(found.edges), found.count) for found in self.resampled]
        chosen = None if adjust_for is None else tuple(adjust_for)
        return answer(self.graph, resampled, treatment, outcome, chosen)

    def covariates(self, treatment: str, outcome: str) -> tuple[str, ...]:
        """The columns to adjust for, if the proposal is right: `Study(…, covariates=proposal.covariates(…))`.

        Raises:
            NotIdentified: when no set of columns will do in every graph of the class, with the reason.
        """
        return self.adjustment(treatment, outcome).require()

    def _marked(self, edges: tuple[MarkedEdge, ...]) -> MarkedGraph | None:
        try:
            return MarkedGraph(self.graph.nodes, edges, self.graph.kind)
        except CyclicGraph:
            return None

    # --- caveats -------------------------------------------------------------------------------------------------

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What the reader of any answer from this graph should know."""
        found = [
            Diagnostic(
                "graph-learned",
                Severity.CAUTION,
                f"The graph was learned from data by {self.method}: it is a proposal, not knowledge.",
            )
        ]
        if self.contradiction:
            found.append(Diagnostic("learned-graph-contradictory", Severity.DANGER, self.contradiction))
        for cause, effect in self.knowledge.required:
            if not self.graph.is_directed(cause, effect):
                message = f"The edge {cause} -> {effect} is required, but the data show no such dependence."
                found.append(Diagnostic("required-edge-missing", Severity.CAUTION, message))
        count = len(self.unstable)
        if count:
            share = count / len(self.stability)
            message = (
                f"{count:,} of {len(self.stability):,} pairs of columns have another edge, or none, in more than "
                f"{1 - self.threshold:.0%} of the resamples."
            )
            found.append(Diagnostic("learned-graph-unstable", Severity.CAUTION, message, share))
        if self.failed:
            message = f"From {self.failed:,} of {self.failed + self.resamples:,} resamples no graph could be learned."
            found.append(Diagnostic("resamples-failed", Severity.NOTE, message, float(self.failed)))
        return tuple(found)

    def caveats(self, data: Any, *, missing: MissingPolicy = "error") -> tuple[Diagnostic, ...]:
        """The diagnostics, and a danger when the rows are those that the graph was learned from.

        Args:
            data: what the effect is estimated from, as for `propose_graph`.
            missing: what is done there with rows that have missing values.
        """
        if not self.learned_from(data, missing=missing):
            return self.diagnostics
        message = (
            "The graph was learned from the very rows that the effect is estimated from: intervals and p-values do not "
            "count that the data chose the graph. Learn from one part of the rows, and estimate from the other."
        )
        return (*self.diagnostics, Diagnostic("graph-learned-from-same-rows", Severity.DANGER, message))

    def learned_from(self, data: Any, *, missing: MissingPolicy = "error") -> bool:
        """Do the data have just the rows, in their order, that the graph was learned from?"""
        if not self.provenance.data_fingerprint:
            return False
        try:
            found = LearningData.read(data, self.graph.nodes, missing)
        except InputError:
            return False
        return found.fingerprint == self.provenance.data_fingerprint

    # --- text ----------------------------------------------------------------------------------------------------

    def to_text(self) -> str:
        """The proposal in words, edge by edge."""
        return "\n".join([*self._head(), *(f"  {line}" for line in self._edges_in_words()), *self._tail()])

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        head, tail = (f"<p>{html.escape(' '.join(lines))}</p>" for lines in (self._head()[:-1], self._tail()))
        shown = self.stability if self.resampled else Table(self.stability.names[:3], self._joined())
        return f"{head}{shown.to_html()}{tail}"

    def _head(self) -> list[str]:
        rows = f", {self.n:,} rows" if self.n else ""
        known = f" Known before: {self.knowledge.words}." if self.knowledge.words else ""
        kind = "PAG" if self.graph.kind == "pag" else "CPDAG"
        size = (
            f"It stands for {self.size}."
            if self.size
            else "It stands for all graphs with these edges, hidden causes included."
        )
        return [
            "A proposal, not the truth: this graph was learned from data.",
            f"Learned by {self.method}{rows}.{known}",
            f"The {kind} has {len(self.graph.edges)} edge{'s' * (len(self.graph.edges) != 1)}. {size}",
            "Edges:" if self.graph.edges else "There are no edges.",
        ]

    def _edges_in_words(self) -> list[str]:
        shares = {(row["first"], row["second"]): row["share"] for row in self.stability}
        position = {n: i for i, n in enumerate(self.graph.nodes)}
        lines: list[str] = []
        for a, here, there, b in self.graph.edges:
            first, second = sorted((a, b), key=position.__getitem__)
            share = shares[first, second]
            seen = "" if share is None else f"  in {float(share):.0%} of {self.resamples} resamples"
            mark = "  (unstable)" if _is_below(share, self.threshold) else ""
            lines.append(f"{a} {SIGNS[here, there]} {b}{seen}{mark}")
        return lines

    def _tail(self) -> list[str]:
        lines: list[str] = []
        missing = [r for r in self.unstable.to_dicts() if r["edge"] == NONE]
        if missing:
            named = ", ".join(f"{r['first']} and {r['second']}" for r in missing[:MOST_SHOWN])
            more = f" and {len(missing) - MOST_SHOWN} more" if len(missing) > MOST_SHOWN else ""
            lines.append(f"No edge here, but in many resamples: {named}{more}.")
        if not self.resampled:
            lines.append("How stable the edges are was not examined.")
        lines += [f"Assumes {a.name.replace('-', ' ')}: {a.statement}" for a in self.assumptions]
        lines += [f"{d.severity.value.capitalize()}: {d.message}" for d in self.diagnostics if d.name not in _SAID]
        return lines

    def _joined(self) -> tuple[tuple[Any, ...], ...]:
        return tuple(row[:3] for row in self.stability.rows if row[2] != NONE)


_SAID = ("graph-learned", "learned-graph-unstable")


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that is no share.

    Raises:
        InvalidSetting: unless 0 ≤ threshold ≤ 1.
    """
    if not 0.0 <= threshold <= 1.0:
        raise InvalidSetting(
            f"threshold is {threshold}; stability needs a share between 0 and 1.", hint="threshold=0.8"
        )


def _signs(kind: Kind) -> tuple[str, ...]:
    """The edges that a pair may have, as they are written from the first node to the second."""
    marks = MARKS_OF[kind]
    return tuple(sign for (here, there), sign in SIGNS.items() if (here, there) in marks or (there, here) in marks)


def _by_pair(edges: Iterable[MarkedEdge], nodes: tuple[str, ...]) -> Mapping[tuple[str, str], str]:
    """How each pair is joined, written in the order of the nodes."""
    at = {n: i for i, n in enumerate(nodes)}
    forth = {(a, b): SIGNS[here, there] for a, here, there, b in edges if at[a] < at[b]}
    back = {(b, a): SIGNS[there, here] for a, here, there, b in edges if at[a] > at[b]}
    return {**forth, **back}


def _is_below(share: Any, threshold: float) -> bool:
    return share is not None and float(share) < threshold
