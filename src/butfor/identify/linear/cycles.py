"""Missing cycles: quadratic equations of coefficients whose errors are not tied to each other.

Where the equation of i has one unknown coefficient λ_i, of its cause p, and that of j has λ_j, of its cause q, and no
hidden cause ties i and j, their errors are uncorrelated:

    Cov(i, j) − λ_i Cov(p, j) − λ_j Cov(i, q) + λ_i λ_j Cov(p, q) = 0

(i and j less what their known causes bring). So λ_j is a fraction (a − b λ_i) / (c − d λ_i), and along a spanning tree
of such pairs every coefficient is a fraction of one of them. Each further pair closes a cycle and gives a quadratic
equation. Together they have one solution, two, or infinitely many (van der Zander, Wienöbst, Bläser and Liśkiewicz
2022, arXiv:2203.01852; in polynomial time: Gupta and Bläser 2024, arXiv:2311.14058).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.identify.linear.generic import PRIME, GenericModel
from butfor.identify.linear.moments import Numbers, cleaned_weights, covariance

# (a, b, c, d) of a pair, see above.
Bilinear = tuple[Any, Any, Any, Any]
# q0 + q1 t + q2 t².
Quadratic = tuple[Any, Any, Any]
# (n0, n1, d0, d1) of (n0 + n1 t) / (d0 + d1 t).
Fraction = tuple[Any, Any, Any, Any]
ITSELF: Fraction = (0, 1, 1, 0)
Form = Literal["linear", "double root", "excluded root", "common root", "two roots"]


@public_value
@dataclass(frozen=True)
class Unknown:
    """A node with one unknown coefficient: its cause, and the causes whose coefficients are known."""

    node: str
    cause: str
    less: tuple[str, ...] = ()

    @property
    def needs(self) -> frozenset[Edge]:
        """The known arrows."""
        return frozenset((p, self.node) for p in self.less)


@public_value
@dataclass(frozen=True)
class MissingCycle:
    """The equations of one coefficient.

    Attributes:
        unknown: the node of the coefficient.
        steps: pairs (from, to) along which other coefficients are fractions of it.
        closing: pairs that close a cycle; two where each leaves two solutions and together one.
        form: of the equation.
        excluded: a node whose coefficient has no value at the other root of a quadratic equation.
    """

    unknown: Unknown
    steps: tuple[tuple[Unknown, Unknown], ...]
    closing: tuple[tuple[Unknown, Unknown], ...]
    form: Form = "two roots"
    excluded: Unknown | None = None

    @property
    def solutions(self) -> int:
        """How many values there are."""
        return 2 if self.form == "two roots" else 1

    @property
    def needs(self) -> frozenset[Edge]:
        """The known arrows."""
        nodes = [self.unknown, *(u for pair in (*self.steps, *self.closing) for u in pair)]
        return frozenset().union(*(u.needs for u in nodes))

    def __str__(self) -> str:
        pairs = ", ".join(f"{a.node} ⊥ {b.node}" for a, b in (*self.steps, *self.closing))
        return f"the equations of the uncorrelated errors {pairs}"


@public_value
@dataclass(frozen=True)
class Partner:
    """A coefficient that follows from another one with two values."""

    unknown: Unknown
    other: Unknown

    @property
    def needs(self) -> frozenset[Edge]:
        """The known arrows, and the other one."""
        return self.unknown.needs | self.other.needs | {(self.other.cause, self.other.node)}

    def __str__(self) -> str:
        return f"λ({self.other.cause}→{self.other.node}), since {self.unknown.node} ⊥ {self.other.node}"


def bilinear(first: Unknown, second: Unknown, numbers: Numbers, coefficients: Mapping[Edge, Any]) -> Bilinear:
    """The equation of a pair."""
    i, j = (cleaned_weights(u.node, u.less, coefficients) for u in (first, second))
    p, q = {first.cause: 1}, {second.cause: 1}
    pairs = ((i, j), (p, j), (i, q), (p, q))
    a, b, c, d = (covariance(left, right, numbers) for left, right in pairs)
    return a, b, c, d


def onward(equation: Bilinear, start: Fraction) -> Fraction:
    """The second coefficient of a pair, where the first is a fraction."""
    (a, b, c, d), (n0, n1, d0, d1) = equation, start
    return a * d0 - b * n0, a * d1 - b * n1, c * d0 - d * n0, c * d1 - d * n1


def closed(equation: Bilinear, first: Fraction, second: Fraction) -> Quadratic:
    """The equation of a pair whose coefficients are both fractions."""
    a, b, c, d = equation
    (n0, n1, d0, d1), (m0, m1, e0, e1) = first, second

    def product(i: int, j: int) -> Any:
        n, de, m, e = (n0, n1)[i], (d0, d1)[i], (m0, m1)[j], (e0, e1)[j]
        return a * de * e - b * n * e - c * de * m + d * n * m

    return product(0, 0), product(0, 1) + product(1, 0), product(1, 1)


def common_root(first: Quadratic, second: Quadratic) -> tuple[Any, Any]:
    """The one solution of two quadratic equations, as numerator and denominator."""
    return second[2] * first[0] - first[2] * second[0], first[2] * second[1] - second[2] * first[1]


def missing_cycles(
    graph: CausalGraph, nodes: Sequence[Unknown], model: GenericModel
) -> Iterator[MissingCycle | Partner]:
    """Coefficients with one or two values, of nodes with one unknown coefficient each.

    Where there is one value, the other coefficients of the component follow as by an instrument and are not listed.
    """
    beside: dict[str, list[Unknown]] = {u.node: [] for u in nodes}
    for first, second in combinations(nodes, 2):
        if second.node in graph.spouses(first.node):
            continue
        a, b, c, d = (v % PRIME for v in bilinear(first, second, model, model.coefficients))
        # Without this determinant the equation is about one of the two, and an instrument has told it already.
        if (a * d - b * c) % PRIME:
            beside[first.node].append(second)
            beside[second.node].append(first)
    waiting = {u.node: u for u in nodes}
    while waiting:
        component = _Component.around(next(iter(waiting.values())), beside, model)
        waiting = {n: u for n, u in waiting.items() if n not in component.fractions}
        yield from component.solved(beside)


@dataclass(eq=False)
class _Component:
    """Nodes whose coefficients are fractions of the first one's."""

    model: GenericModel
    start: Unknown
    fractions: dict[str, Fraction]
    came: dict[str, tuple[Unknown, Unknown]]

    @classmethod
    def around(cls, start: Unknown, beside: Mapping[str, list[Unknown]], model: GenericModel) -> _Component:
        found = cls(model, start, {start.node: ITSELF}, {})
        queue = [start]
        for first in queue:
            for second in beside[first.node]:
                if second.node not in found.fractions:
                    fraction = onward(found.equation(first, second), found.fractions[first.node])
                    n0, n1, d0, d1 = (v % PRIME for v in fraction)
                    found.fractions[second.node] = (n0, n1, d0, d1)
                    found.came[second.node] = (first, second)
                    queue.append(second)
        return found

    def equation(self, first: Unknown, second: Unknown) -> Bilinear:
        return bilinear(first, second, self.model, self.model.coefficients)

    def solved(self, beside: Mapping[str, list[Unknown]]) -> Iterator[MissingCycle | Partner]:
        """One value of the first coefficient, or two values of each."""
        tree = {frozenset((a.node, b.node)) for a, b in self.came.values()}
        truth = self.model.coefficients[self.start.cause, self.start.node]
        left: tuple[tuple[Unknown, Unknown], Quadratic] | None = None
        members = [self.start, *(b for _, b in self.came.values())]
        for first in members:
            for second in beside[first.node]:
                if second.node <= first.node or frozenset((first.node, second.node)) in tree:
                    continue
                raw = closed(self.equation(first, second), self.fractions[first.node], self.fractions[second.node])
                q0, q1, q2 = (v % PRIME for v in raw)
                if not (q0 or q1 or q2):
                    continue
                if not q2 or not (q1 + 2 * q2 * truth) % PRIME:
                    yield self.cycle(((first, second),), "double root" if q2 else "linear")
                    return
                if left is None:
                    left = (first, second), (q0, q1, q2)
                elif common_root(left[1], (q0, q1, q2))[1] % PRIME:
                    yield self.cycle((left[0], (first, second)), "common root")
                    return
        if left is not None:
            yield from self.two_roots(*left, truth)

    def two_roots(
        self, closing: tuple[Unknown, Unknown], equation: Quadratic, truth: int
    ) -> Iterator[MissingCycle | Partner]:
        """Both roots, unless some coefficient has no value at the other root."""
        _, q1, q2 = equation
        other = -(q1 * pow(q2, -1, PRIME) + truth)
        for _, node in self.came.values():
            _, _, d0, d1 = self.fractions[node.node]
            if not (d0 + d1 * other) % PRIME:
                yield self.cycle((closing,), "excluded root", node)
                return
        yield self.cycle((closing,), "two roots")
        for first, node in self.came.values():
            yield Partner(node, first)

    def cycle(
        self, closing: tuple[tuple[Unknown, Unknown], ...], form: Form, excluded: Unknown | None = None
    ) -> MissingCycle:
        needed: dict[str, tuple[Unknown, Unknown]] = {}
        for at in [*(u.node for pair in closing for u in pair), *([excluded.node] if excluded else [])]:
            while at in self.came:
                needed[at] = self.came[at]
                at = self.came[at][0].node
        steps = tuple(self.came[n] for n in self.came if n in needed)
        return MissingCycle(self.start, steps, closing, form, excluded)
