"""Proximal identification: two proxies of a hidden cause instead of the cause itself.

U is hidden and, together with C, closes every back-door path from treatment X to outcome Y. Proxies Z on the side of
the treatment and W on the side of the outcome identify the effect if

- Z ⊥ Y | X, U, C and W ⊥ (Z, X) | U, C,
- both move with U in as many ways as U can vary (completeness),

because a bridge function h with E(Y | Z, X, C) = E[h(W, X, C) | Z, X, C] then gives E[Y | do(x)] = E[h(W, x, C)]
(Miao, Geng and Tchetgen Tchetgen 2018, doi:10.1093/biomet/asy038; Tchetgen Tchetgen, Ying, Cui, Shi and Miao 2024,
doi:10.1214/23-STS911, arXiv:2009.10982). Completeness is no property of a graph. What the graph can refute is that
there are as many proxies as hidden causes, each moved in a way of its own: the rank condition of linear models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from butfor.core.diagnostic import Assumption
from butfor.core.effort import Effort
from butfor.core.errors import InvalidSetting, NumericalFailure, RoleConflict
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.separation import reachable
from butfor.identify.adjustment import AdjustmentProblem, minimal_adjustment_sets
from butfor.identify.expression import Factor
from butfor.identify.linear.evaluation import Covariance, solved
from butfor.identify.linear.generic import GenericModel
from butfor.identify.remedies import with_named_causes
from butfor.identify.strategies import CONSISTENCY, OVERLAP, Strategy

Nodes = frozenset[str]
FloatArray = NDArray[np.float64]
# Hidden causes that the proxies of one pair may stand for.
MOST_HIDDEN = 3
# Covariates beyond a minimal set that the search tries to make proxies valid.
MOST_EXTRA = 2
# Steps of a search that nobody has bounded: about a second.
MOST_STEPS = 500_000
# Sets that close every back-door path, of which the smallest are tried.
MOST_SETS = 500
# Probabilities and singular values below this are zero.
TINY = 1e-10

_UNTOUCHED = (
    "The treatment proxies do not act on the outcome, the outcome proxies are touched neither by the treatment nor by "
    "the treatment proxies, once the hidden causes and the covariates are fixed."
)
PROXIES = Assumption(
    "proxies",
    f"{_UNTOUCHED} It follows from the arrows that the graph does not have.",
    "Name what each proxy could act on; swap proxies and compare the answers.",
)
DECLARED_PROXIES = Assumption("proxies", f"{_UNTOUCHED} You say so; no graph does.", PROXIES.probe)
COMPLETENESS = Assumption(
    "completeness",
    "The proxies vary with the hidden causes in as many ways as these can vary: every difference that the hidden "
    "causes make shows in the treatment proxies and in the outcome proxies.",
    "Regress the outcome proxies on the treatment proxies given treatment and covariates: the matrix must have full "
    "rank, and by more than chance would (first-stage F). Proxies with few levels cannot stand for a cause with many.",
)


@public_value
@dataclass(frozen=True, kw_only=True)
class ProximalPair(Strategy):
    """Use two kinds of proxies of what is hidden.

    Attributes:
        treatment: the cause.
        outcome: the effect.
        treatment_proxies: proxies that may act on the treatment and not on the outcome.
        outcome_proxies: proxies that may act on the outcome and that the treatment does not touch.
        hidden: what they are proxies of; a bidirected edge is called "common cause of a and b".
        given: covariates (the same as `adjust_for`).
    """

    treatment: str = ""
    outcome: str = ""
    treatment_proxies: tuple[str, ...] = ()
    outcome_proxies: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    kind: ClassVar[str] = "proximal"
    identifies: ClassVar[bool] = False

    @property
    def uses(self) -> tuple[str, ...]:
        """Proxies and covariates."""
        return (*self.treatment_proxies, *self.outcome_proxies, *self.adjust_for)

    @property
    def given(self) -> tuple[str, ...]:
        """Covariates."""
        return self.adjust_for

    def describe(self) -> str:
        """The strategy in a sentence."""
        inside = f", among units alike in {', '.join(self.given)}" if self.given else ""
        z, w, u = (", ".join(names) for names in (self.treatment_proxies, self.outcome_proxies, self.hidden))
        return f"Use {z} (on the side of the treatment) and {w} (on that of the outcome) as proxies of {u}{inside}."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        own = {
            "treatment_proxies": list(self.treatment_proxies),
            "outcome_proxies": list(self.outcome_proxies),
            "hidden": list(self.hidden),
            "given": list(self.given),
        }
        return {**super().to_dict(), **own}


@dataclass(frozen=True)
class ProximalProblem:
    """One treatment, one outcome, and a graph in which every hidden common cause has a name.

    >>> graph = CausalGraph.from_any("z <- u -> w; u -> x; u -> y; x -> y").with_latent(["u"])
    >>> problem = ProximalProblem.of(graph, "x", "y")
    >>> problem.reasons_against(["z"], ["w"], ["u"])
    ()
    """

    graph: CausalGraph
    treatment: str
    outcome: str

    @classmethod
    def of(cls, graph: CausalGraph, treatment: str, outcome: str) -> ProximalProblem:
        """The problem in a graph as it was drawn."""
        return cls(with_named_causes(graph), graph.check(treatment), graph.check(outcome))

    @cached_property
    def adjustment(self) -> AdjustmentProblem:
        """Adjustment as if everything were measured."""
        seen = self.graph.replaced(latent=frozenset())
        return AdjustmentProblem.of(seen, {self.treatment}, {self.outcome})

    @cached_property
    def model(self) -> GenericModel:
        """A linear model with random coefficients."""
        return GenericModel.of(self.graph)

    def split(self, nodes: Nodes) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Hidden nodes and measured ones, in the order of the graph."""
        inside = [n for n in self.graph.nodes if n in nodes]
        hidden = self.graph.latent
        return tuple(n for n in inside if n in hidden), tuple(n for n in inside if n not in hidden)

    def is_valid(
        self,
        treatment_proxies: Iterable[str],
        outcome_proxies: Iterable[str],
        hidden: Iterable[str],
        given: Iterable[str] = (),
    ) -> bool:
        """Do these proxies identify the effect, if they are complete?"""
        return not self.reasons_against(treatment_proxies, outcome_proxies, hidden, given)

    def reasons_against(
        self,
        treatment_proxies: Iterable[str],
        outcome_proxies: Iterable[str],
        hidden: Iterable[str],
        given: Iterable[str] = (),
    ) -> tuple[str, ...]:
        """Why these proxies do not identify the effect; nothing where they do."""
        graph, x, y = self.graph, self.treatment, self.outcome
        z, w, u, c = (tuple(map(graph.check, n)) for n in (treatment_proxies, outcome_proxies, hidden, given))
        roles = (x, y, *z, *w, *u, *c)
        if len(set(roles)) < len(roles):
            return ("A node has two roles.",)
        if graph.selected:
            return (f"The rows were selected by {', '.join(sorted(graph.selected))}.",)
        unseen = [n for n in (x, y, *z, *w, *c) if n in graph.latent]
        found = [f"{n} was not measured." for n in unseen]
        fixed = {*u, *c}
        if not self.adjustment.is_valid(fixed):
            found.append(f"{_listed((*u, *c))} does not close every path from {x} to {y} that is not causal.")
        for first, second, held in ((z, (y,), {x, *fixed}), (w, (*z, x), fixed)):
            path = graph.open_path(first, second, held)
            if path:
                found.append(f"Given {_listed(sorted(held))}, this path is open: {path}.")
        found += [
            f"{_listed(proxies)} cannot vary in as many ways as {_listed(u)}."
            for proxies, held in ((z, (x, *c)), (w, c))
            if self.model.rank(proxies, u, held) < len(u)
        ]
        return tuple(found)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "nothing"


def proximal_pairs(
    graph: CausalGraph, treatment: str, outcome: str, *, effort: Effort | None = None
) -> Iterator[ProximalPair]:
    """Valid pairs of proxies: those with the fewest hidden causes and covariates first.

    A pair holds one proxy of each kind for each hidden cause, of which there are at most three. Several hidden causes
    that one proxy with many levels stands for are drawn as one node. Hidden causes and covariates are a minimal set
    that closes the back-door paths, and at most two more where the proxies need them. Nothing comes out where rows were
    selected. The search ends with the effort.

    References:
        Miao, Geng and Tchetgen Tchetgen 2018, doi:10.1093/biomet/asy038; Tchetgen Tchetgen and others 2024,
        doi:10.1214/23-STS911.

    >>> graph = CausalGraph.from_any("u -> z -> x -> y; u -> w -> y; u -> x; u -> y").with_latent(["u"])
    >>> [(p.treatment_proxies, p.outcome_proxies, p.hidden) for p in proximal_pairs(graph, "x", "y")]
    [(('z',), ('w',), ('u',))]
    """
    effort = effort or Effort(MOST_STEPS)
    problem = ProximalProblem.of(graph, treatment, outcome)
    if graph.selected or {treatment, outcome} & graph.latent or outcome not in graph.descendants({treatment}):
        return
    found: list[tuple[Nodes, Nodes, Nodes]] = []
    for fixed in _closing_sets(problem, effort):
        for treatment_proxies, outcome_proxies in _proxies(problem, fixed, effort):
            pair = frozenset(treatment_proxies), frozenset(outcome_proxies), fixed
            if not any(all(a <= b for a, b in zip(known, pair, strict=True)) for known in found):
                found.append(pair)
                yield _pair(problem, treatment_proxies, outcome_proxies, fixed)


def _closing_sets(problem: ProximalProblem, effort: Effort) -> Iterator[Nodes]:
    """Hidden causes and covariates that close every back-door path, with few more: the smallest first."""
    hidden = problem.graph.latent
    bases: list[Nodes] = []
    for closing in islice(minimal_adjustment_sets(problem.adjustment), MOST_SETS):
        if not effort.spend(len(problem.graph.nodes)):
            break
        if hidden & set(closing):
            bases.append(frozenset(closing))
    candidates = [n for n in problem.graph.nodes if n in problem.adjustment.candidates]
    seen: set[Nodes] = set()
    for size in range(1, max(map(len, bases), default=0) + MOST_EXTRA + 1):
        for base in (b for b in bases if size - MOST_EXTRA <= len(b) <= size):
            for extra in combinations([n for n in candidates if n not in base], size - len(base)):
                if not effort.spend():
                    return
                fixed = base.union(extra)
                if fixed not in seen and len(fixed & hidden) <= MOST_HIDDEN:
                    seen.add(fixed)
                    yield fixed


def _proxies(
    problem: ProximalProblem, fixed: Nodes, effort: Effort
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The valid pairs of proxies when these hidden causes and covariates are fixed."""
    graph, x, y = problem.graph, problem.treatment, problem.outcome
    if not effort.spend(len(graph.nodes)) or not problem.adjustment.is_valid(fixed):
        return
    hidden, given = problem.split(fixed)
    free = [n for n in graph.observed if n not in {x, y, *given}]
    by_treatment = reachable(graph, frozenset({x}), fixed)
    by_outcome = reachable(graph, frozenset({y}), fixed | {x})
    on_treatment_side = [n for n in free if n not in by_outcome]
    for outcome_proxies in combinations([n for n in free if n not in by_treatment], len(hidden)):
        if not effort.spend(len(graph.nodes)):
            return
        if problem.model.rank(outcome_proxies, hidden, given) < len(hidden):
            continue
        touched = reachable(graph, frozenset(outcome_proxies), fixed)
        for treatment_proxies in combinations([n for n in on_treatment_side if n not in touched], len(hidden)):
            if not effort.spend(1 + len(fixed) ** 2 // 4):
                return
            if problem.model.rank(treatment_proxies, hidden, (x, *given)) == len(hidden):
                yield treatment_proxies, outcome_proxies


def _pair(
    problem: ProximalProblem, treatment_proxies: tuple[str, ...], outcome_proxies: tuple[str, ...], fixed: Nodes
) -> ProximalPair:
    x, y = problem.treatment, problem.outcome
    hidden, given = problem.split(fixed)
    closes = Assumption(
        "hidden causes closed",
        f"Among units alike in {', '.join((*hidden, *given))}, nothing else causes both {x} and {y}. It follows from "
        "the arrows that the graph does not have.",
        "Placebo outcomes, other pairs of proxies; show the graph to someone who knows the field.",
    )
    return ProximalPair(
        treatment=x,
        outcome=y,
        treatment_proxies=treatment_proxies,
        outcome_proxies=outcome_proxies,
        hidden=hidden,
        adjust_for=given,
        minimal=True,
        estimand=_estimand(x, y, treatment_proxies, outcome_proxies, given),
        assumptions=(closes, PROXIES, COMPLETENESS, OVERLAP, CONSISTENCY),
    )


def _estimand(
    x: str, y: str, treatment_proxies: tuple[str, ...], outcome_proxies: tuple[str, ...], given: tuple[str, ...]
) -> str:
    z, w, bar = ", ".join(treatment_proxies), ", ".join(outcome_proxies), "".join(f", {n}" for n in given)
    return f"E({y} | do({x})) = E[h({w}, {x}{bar})], where E({y} | {z}, {x}{bar}) = E[h({w}, {x}{bar}) | {z}, {x}{bar}]"


def declared_pair(
    treatment: str,
    outcome: str,
    treatment_proxies: Iterable[str] | str,
    outcome_proxies: Iterable[str] | str,
    covariates: Iterable[str] | str = (),
) -> ProximalPair:
    """The pair on the word of someone who names the proxies of what was not measured.

    Raises:
        InvalidSetting: without proxies of one kind.
        RoleConflict: for a column in two roles.

    >>> declared_pair("x", "y", "z", "w").describe()
    'Use z (on the side of the treatment) and w (on that of the outcome) as proxies of what was not measured.'
    """
    z, w, c = ((n,) if isinstance(n, str) else tuple(n) for n in (treatment_proxies, outcome_proxies, covariates))
    for names, kind in ((z, "treatment_proxies"), (w, "outcome_proxies")):
        if not names:
            raise InvalidSetting(
                f"There are no {kind.replace('_', ' ')}; a hidden cause needs proxies of both kinds.",
                hint=f'{kind}=["..."]',
            )
    seen = set[str]()
    for name in (treatment, outcome, *z, *w, *c):
        if name in seen:
            raise RoleConflict(
                f"Column {name!r} has two roles; treatment, outcome, proxies and covariates need columns of their own.",
                hint=f"leave {name!r} out of one of them",
            )
        seen.add(name)
    closes = Assumption(
        "hidden causes closed",
        f"What was not measured{' and ' + ', '.join(c) if c else ''} holds all that {treatment} and {outcome} have in "
        "common. You say so; no graph does.",
        "Placebo outcomes, other pairs of proxies; draw a graph.",
    )
    return ProximalPair(
        treatment=treatment,
        outcome=outcome,
        treatment_proxies=z,
        outcome_proxies=w,
        hidden=("what was not measured",),
        adjust_for=c,
        estimand=_estimand(treatment, outcome, z, w, c),
        assumptions=(closes, DECLARED_PROXIES, COMPLETENESS, OVERLAP, CONSISTENCY),
    )


def proximal_slope(pair: ProximalPair, matrix: ArrayLike, names: Sequence[str]) -> float:
    """The effect of one unit of treatment, where the bridge function is linear.

    The outcome is regressed on treatment, outcome proxies and covariates, with treatment, treatment proxies and
    covariates as instruments; the coefficient of the treatment is the effect.

    Args:
        pair: the proxies, as many of each kind.
        matrix: covariances of the columns.
        names: of the columns.

    Raises:
        InvalidSetting: for something that is no covariance matrix, or unlike numbers of proxies.
        NumericalFailure: where the treatment proxies tell nothing about the outcome proxies.
    """
    if len(pair.treatment_proxies) != len(pair.outcome_proxies):
        raise InvalidSetting(
            f"There are {len(pair.treatment_proxies)} treatment proxies and {len(pair.outcome_proxies)} outcome "
            "proxies; the linear formula needs as many of each.",
            hint="leave out the weakest proxies",
        )
    numbers = Covariance(np.asarray(matrix, dtype=float), tuple(names))
    columns = (pair.treatment, *pair.outcome_proxies, *pair.given)
    instruments = (pair.treatment, *pair.treatment_proxies, *pair.given)
    table, right = numbers.block(instruments, columns), numbers.block(instruments, (pair.outcome,))
    return float(solved(table, right[:, 0])[0])


def proximal_distribution(pair: ProximalPair, joint: Factor) -> FloatArray:
    """P(outcome | do(treatment)) from the exact distribution of discrete columns.

    In each cell c of the covariates, P(y | do(x), c) = P(y | Z, x, c) P(W | Z, x, c)⁻¹ P(W | c), with matrices over the
    levels of the proxies (Miao, Geng and Tchetgen Tchetgen 2018, equation 5; Kuroki and Pearl 2014,
    doi:10.1093/biomet/ast066). With more levels than the hidden cause has, any solution of the bridge equation does.

    Args:
        pair: the proxies.
        joint: the distribution; columns that the pair does not use are summed out.

    Returns:
        Levels of the treatment × levels of the outcome.

    Raises:
        NumericalFailure: where the bridge equation has no solution or does not determine the answer: the proxies have
            fewer levels than the hidden cause, or do not move with it.
        InvalidSetting: for a distribution without the columns of the pair.
    """
    table = _cells(pair, joint)
    levels_x, levels_y = table.shape[:2]
    answer = np.zeros((levels_x, levels_y))
    for cell in range(table.shape[4]):
        here = table[..., cell]
        if here.sum() <= 0.0:
            continue
        weights = here.sum(axis=(0, 1, 2))  # P(w, c)
        for x in range(levels_x):
            answer[x] += weights @ _bridge(here[x], weights / weights.sum())
    return answer


def _cells(pair: ProximalPair, joint: Factor) -> FloatArray:
    """The table with axes x, y, z, w, c; proxies of one kind and covariates are put together."""
    groups = ((pair.treatment,), (pair.outcome,), pair.treatment_proxies, pair.outcome_proxies, pair.given)
    order = [n for group in groups for n in group]
    have = [v.name for v in joint.variables]
    missing = [n for n in order if n not in have]
    if missing:
        raise InvalidSetting(
            f"The distribution has no column {missing[0]!r}; the proximal formula needs every column of the pair.",
            hint=f"Factor.table({order}, …)",
        )
    values = joint.arranged(have)
    values = values.sum(axis=tuple(i for i, n in enumerate(have) if n not in order))
    kept = [n for n in have if n in order]
    values = np.transpose(values, [kept.index(n) for n in order])
    sizes = [int(np.prod([values.shape[order.index(n)] for n in group], dtype=int)) for group in groups]
    return np.reshape(values, sizes)


def _bridge(joint: FloatArray, weights: FloatArray) -> FloatArray:
    """The bridge function h(w) of each outcome level: P(y | z) = Σ_w h(w, y) P(w | z), at one treatment level."""
    seen = joint.sum(axis=(0, 2))  # P(z)
    inside = seen > TINY
    outcomes = (joint.sum(axis=2)[:, inside] / seen[inside]).T  # z × y
    proxies = joint.sum(axis=0)[inside] / seen[inside, None]  # z × w
    inverse = np.linalg.pinv(proxies, rcond=TINY) if inside.any() else np.zeros((len(weights), 0))
    bridge = inverse @ outcomes
    unsolved = np.abs(proxies @ bridge - outcomes).max(initial=0.0)
    undetermined = np.abs(weights @ inverse @ proxies - weights).max(initial=0.0)
    if unsolved > 1e-7 or undetermined > 1e-7:
        raise NumericalFailure(
            "The bridge equation has no solution that determines the effect; the proximal formula needs proxies with "
            "as many levels as the hidden cause, which move with it.",
            hint="merge no levels of the proxies, add proxies, or look for other ones",
        )
    return bridge
