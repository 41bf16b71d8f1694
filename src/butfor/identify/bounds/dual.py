"""Corners of a polyhedron, exactly: the step that turns a linear program into a formula.

The double description method (Motzkin, Raiffa, Thompson and Thrall 1953; Fukuda and Prodon 1996,
doi:10.1007/3-540-61576-8_77): inequalities are added one by one, and each new one cuts the edges between corners that
meet it and corners that do not. All numbers are integers, so that nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

from butfor.core.effort import Effort

Row = tuple[int, ...]


def independent_rows(matrix: Sequence[Sequence[int]]) -> list[int]:
    """The positions of rows that span all rows, each the first that the ones before it do not span.

    >>> independent_rows([[1, 0], [2, 0], [0, 1]])
    [0, 2]
    """
    basis: list[tuple[int, list[Fraction]]] = []
    chosen: list[int] = []
    for number, row in enumerate(matrix):
        left = [Fraction(v) for v in row]
        for pivot, known in basis:
            if left[pivot]:
                factor = left[pivot]
                left = [a - factor * b for a, b in zip(left, known, strict=True)]
        pivot = next((j for j, v in enumerate(left) if v), None)
        if pivot is not None:
            basis.append((pivot, [v / left[pivot] for v in left]))
            chosen.append(number)
    return chosen


def extreme_rays(rows: Sequence[Row], effort: Effort) -> list[Row] | None:
    """The extreme rays of the cone {x : row · x ≥ 0 for all rows}, each in smallest whole numbers.

    The rows must span the space (the cone then has a corner). None when the effort is spent before the end.

    >>> sorted(extreme_rays([(1, 0), (0, 1), (1, 1)], Effort(1000)))
    [(0, 1), (1, 0)]
    """
    order = _first_a_basis(rows)
    size = len(rows[0])
    rays = [(ray, _zeros(ray, order[:size])) for ray in _corner_of(order[:size])]
    for number in range(size, len(order)):
        new = order[number]
        values = [sum(a * b for a, b in zip(new, ray, strict=True)) for ray, _ in rays]
        bit = 1 << number
        kept = [(ray, zeros | bit if v == 0 else zeros) for (ray, zeros), v in zip(rays, values, strict=True) if v >= 0]
        above = [(*rays[i], v) for i, v in enumerate(values) if v > 0]
        below = [(*rays[i], v) for i, v in enumerate(values) if v < 0]
        faces = [zeros for _, zeros in rays]
        if not effort.spend(len(above) * len(below) + 1):
            return None
        for ray, zeros, up in above:
            for other, others, down in below:
                shared = zeros & others
                if shared.bit_count() < size - 2:
                    continue
                if not effort.spend(len(faces) // 16 + 1):
                    return None
                # Two rays are the ends of an edge if no third one lies on all the planes that they share.
                if sum(shared & face == shared for face in faces) == 2:
                    made = [up * b - down * a for a, b in zip(ray, other, strict=True)]
                    kept.append((_smallest(made), shared | bit))
        rays = kept
    return [ray for ray, _ in rays]


def _first_a_basis(rows: Sequence[Row]) -> list[Row]:
    """The rows, each once, a basis of the space first."""
    rows = sorted(set(rows))
    basis = independent_rows(rows)
    inside = set(basis)
    return [*(rows[i] for i in basis), *(row for i, row in enumerate(rows) if i not in inside)]


def _corner_of(basis: Sequence[Row]) -> list[Row]:
    """The rays of the cone of independent rows: the columns of their inverse."""
    size = len(basis)
    table = [[Fraction(v) for v in row] + [Fraction(i == j) for j in range(size)] for i, row in enumerate(basis)]
    for column in range(size):
        pivot = next(i for i in range(column, size) if table[i][column])
        table[column], table[pivot] = table[pivot], table[column]
        table[column] = [v / table[column][column] for v in table[column]]
        for i in range(size):
            if i != column and table[i][column]:
                factor = table[i][column]
                table[i] = [a - factor * b for a, b in zip(table[i], table[column], strict=True)]
    rays: list[Row] = []
    for j in range(size):
        column_values = [table[i][size + j] for i in range(size)]
        scale = lcm(*(v.denominator for v in column_values))
        rays.append(_smallest([int(v * scale) for v in column_values]))
    return rays


def _zeros(ray: Row, rows: Sequence[Row]) -> int:
    """The rows on whose plane the ray lies, as bits."""
    return sum(1 << i for i, row in enumerate(rows) if sum(a * b for a, b in zip(row, ray, strict=True)) == 0)


def _smallest(values: Sequence[int]) -> Row:
    divisor = gcd(*values) or 1
    return tuple(v // divisor for v in values)
