"""Learn a graph, and learn it again from resamples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from butfor.core.errors import ButforError, CyclicGraph, InvalidSetting
from butfor.core.provenance import Provenance, versions
from butfor.core.rng import Seed, seed_of, streams
from butfor.data.missing import MissingPolicy
from butfor.data.sample import FloatArray
from butfor.discovery.causal_learn import version
from butfor.discovery.columns import LearningData, dependent, standardised
from butfor.discovery.knowledge import Knowledge
from butfor.discovery.methods import PC, DiscoveryMethod
from butfor.discovery.proposal import GraphProposal, ResampledGraph, check_threshold
from butfor.graph.marked_graph import MarkedEdge, MarkedGraph

NUMERIC = ("fisherz", "bic")


def propose_graph(
    data: Any,
    method: DiscoveryMethod | None = None,
    *,
    columns: Iterable[str] | None = None,
    knowledge: Knowledge | None = None,
    bootstrap: int = 100,
    threshold: float = 0.8,
    missing: MissingPolicy = "error",
    rng: Seed = 0,
) -> GraphProposal:
    """Learn a graph from data, as a proposal.

    **Answers** which causal graphs the data are in line with, under assumptions that the data cannot confirm; and how
    often resamples of the rows give the same edges.

    Data alone seldom tell causes from effects: the result is an equivalence class. Use it to find what you forgot to
    draw, and to ask which answers do not depend on what is open; learn it from other rows than you estimate from.

    Args:
        data: a frame, a dict of arrays, a path, a table or a dataset.
        method: `PC()`, `FCI()` or `GES()`.
        columns: those that become nodes; default all.
        knowledge: order in time, forbidden and required edges.
        bootstrap: resamples of the rows; 0 for none.
        threshold: share of the resamples below which an edge counts as unstable.
        missing: "error" refuses rows with missing values, "drop" leaves them out.
        rng: seed or generator of the resamples.

    Raises:
        MissingExtra: without causal-learn (`pip install 'butfor[discovery]'`).
        InvalidSetting: for a setting outside its range, fewer than two columns, or a search that is too long.
        UnknownColumn, MissingValues, InfiniteValues, NonNumeric, ConstantColumn: when a column cannot be used.
        TooFewRows: with fewer than 20 rows, or for numbers twice as many rows as columns.
        Collinear: for columns that determine each other.
        MethodMismatch: for numbers and categories together, or knowledge that the method does not take.
        CyclicGraph: when the learned edges form a cycle.

    References:
        Friedman, Goldszmidt and Wyner 1999 (arXiv:1301.6695) for the bootstrap; Zheng and others 2024
        (jmlr.org/papers/v25/23-0970.html) for causal-learn.

    >>> noise = np.random.default_rng(0).normal(size=(3, 500))
    >>> data = {"rain": noise[0], "sprinkler": noise[1], "wet": noise[0] + noise[1] + noise[2]}
    >>> proposal = propose_graph(data, PC(alpha=0.001), bootstrap=20)
    >>> proposal.graph.edges
    (('rain', 'tail', 'arrow', 'wet'), ('sprinkler', 'tail', 'arrow', 'wet'))
    >>> print(proposal.adjustment("rain", "wet").adjust_for)
    ()
    """
    if bootstrap < 0:
        raise InvalidSetting(f"bootstrap is {bootstrap}; stability needs no or some resamples.", hint="bootstrap=100")
    check_threshold(threshold)
    method, known = method or PC(), knowledge or Knowledge()
    found = LearningData.read(data, columns, missing)
    known.check(found.names)
    criterion = method.choose(found, known)
    numeric = criterion in NUMERIC
    matrix = found.numbers(method.words(criterion)) if numeric else found.categories(method.words(criterion))
    installed = version()
    edges = method.learn(matrix, found.names, criterion, known)
    seed = rng if isinstance(rng, int) else seed_of(rng)
    counts: Counter[tuple[MarkedEdge, ...] | None] = Counter()
    for stream in streams(seed, bootstrap):
        sample = _resampled(matrix, stream, numeric)
        counts[None if sample is None else _learned(method, sample, found.names, criterion, known)] += 1
    failed = counts.pop(None, 0)
    return GraphProposal(
        graph=_graph(edges, found.names, method, criterion),
        method=method.words(criterion),
        assumptions=method.assumptions(criterion),
        knowledge=known,
        n=found.rows.n,
        resampled=tuple(ResampledGraph(edges, count) for edges, count in counts.most_common() if edges is not None),
        failed=failed,
        threshold=threshold,
        provenance=Provenance(
            data_source=found.rows.source,
            data_fingerprint=found.fingerprint,
            rows_read=found.rows.loss.rows_read,
            rows_used=found.rows.n,
            seed=seed,
            settings=f"{method!r}; {known!r}; bootstrap={bootstrap}",
            versions={**versions(), "causal-learn": installed},
        ),
    )


def _graph(
    edges: tuple[MarkedEdge, ...], names: tuple[str, ...], method: DiscoveryMethod, criterion: str
) -> MarkedGraph:
    try:
        return MarkedGraph(names, edges, method.kind)
    except CyclicGraph as error:
        raise CyclicGraph(
            f"What {method.words(criterion)} learned contradicts itself. {error.message}",
            hint="another alpha, more rows, or what is known of the order in time: knowledge=Knowledge(tiers=…)",
        ) from error


def _resampled(matrix: FloatArray, rng: np.random.Generator, numeric: bool) -> FloatArray | None:
    """As many rows again, drawn with replacement; None when their columns determine each other."""
    sample = matrix[rng.integers(len(matrix), size=len(matrix))]
    if not numeric:
        return sample
    sample = standardised(sample)
    return None if dependent(sample) else sample


def _learned(
    method: DiscoveryMethod, sample: FloatArray, names: tuple[str, ...], criterion: str, known: Knowledge
) -> tuple[MarkedEdge, ...] | None:
    try:
        return method.learn(sample, names, criterion, known)
    except ButforError:
        return None
