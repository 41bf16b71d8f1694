"""Moments computed by DuckDB where the data are: one scan, a handful of sums in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InfiniteValues, NonNumeric
from butfor.data.executors.duckdb_text import quoted, readable
from butfor.data.executors.from_arrow import column_of_arrow
from butfor.data.executors.moments_of_rows import groups_of
from butfor.data.moments import Group, Measure, MomentRequest, Moments, Term
from butfor.data.rows import Rows
from butfor.question.question import Level

FloatArray = NDArray[np.float64]

FIRST_ROWS = 1_000
"""Rows whose mean is the first guess of a column's centre."""

FAR = 1e6
"""A centre further from the mean than this many variances costs digits: the sums are taken again from the mean."""

FLOATS = {"FLOAT", "DOUBLE"}
SIGNED = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
NUMBERS = FLOATS | SIGNED | {f"U{name}" for name in SIGNED} | {"BOOLEAN", "DECIMAL"}


def moments_in_duckdb(relation: Any, request: MomentRequest, source: str) -> Moments:
    """The requested moments of a relation.

    Raises:
        NonNumeric: a measure of something else than numbers.
        InfiniteValues: a measure with infinite values.
        UnreadableData: when DuckDB cannot evaluate the relation.
    """
    query = _Query(relation, {name: str(t) for name, t in zip(relation.columns, relation.types, strict=True)}, source)
    given = dict(request.centre)
    first = query.centres([name for name in request.centred if name not in given])
    request = replace(request, centre={name: first.get(name, given.get(name, 0.0)) for name in request.centred})
    found = query.moments(request)
    better = {name: c for name, c in _means(found).items() if name not in given}
    return query.moments(replace(request, centre={**request.centre, **better})) if better else found


def _means(found: Moments) -> dict[str, float]:
    """Columns whose centre turned out to be far from their mean, and that mean."""
    whole, far = found.pool([]), dict[str, float]()
    for measure in found.request.measures if found.rows.any() else ():
        term, places = measure.terms[0], [whole.at(measure), whole.presence(measure)]
        total, present = whole.mean[0, places]
        if len(measure.terms) > 1 or term.condition or present == 0.0:
            continue
        away = float(total / present)
        residual = np.array([1.0, -away])
        spread = residual @ whole.comoment[0][np.ix_(places, places)] @ residual / (whole.units[0] * present)
        if away**2 > FAR * max(float(spread), 0.0):
            far[term.column] = found.request.centre[term.column] + away
    return far


@dataclass(frozen=True, eq=False)
class _Query:
    """A relation, and the SQL type of each column."""

    relation: Any
    types: Mapping[str, str]
    source: str

    def centres(self, columns: Sequence[str]) -> dict[str, float]:
        """The mean of each column in the first rows."""
        if not columns:
            return {}
        averages = ", ".join(f"avg({self._number(name)})" for name in columns)
        names = ", ".join(map(quoted, columns))
        (row,) = self._rows(f"SELECT {averages} FROM (SELECT {names} FROM data LIMIT {FIRST_ROWS}) AS data").fetchall()
        found = dict(zip(columns, row, strict=True))
        return {name: float(c) if c is not None and np.isfinite(c) else 0.0 for name, c in found.items()}

    def moments(self, request: MomentRequest) -> Moments:
        """Counts, sums and sums of products, as moments."""
        k, width = len(request.measures), len(request.measures) + len(request.presences)
        pairs = [(i, j) for i in range(width) for j in range(i, width)]
        first = [(i, j) for i, j in pairs if request.unit is not None or j < k]
        found = self._sums(request, first)
        square = np.zeros((len(found.groups), width, width))
        _fill(square, first, found.products)
        if request.unit is None:
            # Presences are 1 or 0: where one is 1 throughout, its products are sums that are known.
            whole = {j for j in range(k, width) if np.array_equal(found.sums[:, j], found.units)}
            known = [(i, j) for i, j in pairs if j >= k and {i, j} & whole]
            _fill(square, known, np.column_stack([found.sums[:, i if j in whole else j] for i, j in known]))
            partial = [(i, j) for i, j in pairs if j >= k and not {i, j} & whole]
            if partial:
                _fill(square, partial, self._sums(request, partial).products)
        if not (np.isfinite(found.sums).all() and np.isfinite(square).all()):
            raise InfiniteValues(
                f"A measure of {self.source} has infinite values; a mean needs finite ones.",
                hint="make them missing at the source",
            )
        mean = found.sums / np.maximum(found.units, 1.0)[:, None]
        comoment = square - found.units[:, None, None] * mean[:, :, None] * mean[:, None, :]
        return Moments(request, found.groups, found.sums[:, k], found.units, mean, comoment)

    def _sums(self, request: MomentRequest, pairs: Sequence[tuple[int, int]]) -> _Sums:
        """Sums of the variables, and of the products of these pairs."""
        by = {f"g{j}": self._clean(name) for j, name in enumerate(request.by)}
        variables = [self._measure(m, request) for m in request.measures]
        variables += [self._present(needed) for needed in request.presences]
        named = {f"v{j}": variable for j, variable in enumerate(variables)}
        inner = ", ".join(f"{sql} AS {name}" for name, sql in {**by, **named}.items())
        table = f"(SELECT {inner} FROM data) AS t"
        if request.unit is not None:
            inner = f"{inner}, {self._clean(request.unit)} AS u"
            totals = ", ".join([*by, *(f"sum({v}) AS {v}" for v in named)])
            keys = ", ".join([*by, "u"])
            table = f"(SELECT {totals} FROM (SELECT {inner} FROM data) AS t GROUP BY {keys}) AS units"
        wanted = [*by, "count(*) AS n", *(f"sum({v}) AS s_{v}" for v in named)]
        wanted += [f"sum(v{i} * v{j}) AS p{place}" for place, (i, j) in enumerate(pairs)]
        text = f"SELECT {', '.join(wanted)} FROM {table}" + (f" GROUP BY {', '.join(by)}" if by else "")
        with readable(self.source):
            answer = self._rows(text).to_arrow_table()
        keys = Rows.of((column_of_arrow(name, answer[name]) for name in by), answer.num_rows)
        codes, groups = groups_of(keys, tuple(by))
        order = np.argsort(codes)

        def column(name: str) -> FloatArray:
            return np.array([0.0 if v is None else float(v) for v in answer[name].to_pylist()])[order]

        products = [column(f"p{place}") for place in range(len(pairs))]
        return _Sums(
            groups,
            column("n"),
            np.column_stack([column(f"s_{v}") for v in named]),
            np.column_stack(products) if products else np.empty((len(groups), 0)),
        )

    def _rows(self, text: str) -> Any:
        with readable(self.source):
            return self.relation.query("data", text)

    def _clean(self, name: str) -> str:
        """The column, with NaN as missing. The statistics of a Parquet file may deny that there are any: isnan() cannot
        be trusted there."""
        column = f"data.{quoted(name)}"
        if self.types[name] not in FLOATS:
            return column
        return f"CASE WHEN isfinite({column}) OR isinf({column}) THEN {column} END"

    def _number(self, name: str) -> str:
        kind = self.types[name].split("(")[0]
        if kind not in NUMBERS:
            what = "text" if kind in ("VARCHAR", "ENUM") else f"values of type {kind}"
            raise NonNumeric(
                f"Column {name!r} holds {what}; a measure needs numbers.",
                hint=f"derive a number from {name!r}, or use it as a group",
            )
        return f"CAST({self._clean(name)} AS DOUBLE)"

    def _term(self, term: Term, request: MomentRequest) -> str:
        if term.equals is not None:
            return self._equal(term.column, term.equals)
        value = self._number(term.column)
        if term.at_most is not None:
            return f"CASE WHEN {value} <= {_literal(term.at_most)} THEN 1.0::DOUBLE ELSE 0.0::DOUBLE END"
        low, high = (None if edge is None else _literal(edge) for edge in (term.floor, term.ceiling))
        if low is not None or high is not None:
            beyond = [] if high is None else [f"WHEN {value} > {high} THEN {high}"]
            beyond += [] if low is None else [f"WHEN {value} < {low} THEN {low}"]
            value = f"CASE {' '.join(beyond)} ELSE {value} END"
        return f"coalesce({value} - {_literal(request.centre[term.column])}, 0.0::DOUBLE)"

    def _equal(self, name: str, level: Level) -> str:
        text = self.types[name].split("(")[0] in ("VARCHAR", "ENUM")
        if text != isinstance(level, str):
            return "0.0::DOUBLE"
        literal = "'" + level.replace("'", "''") + "'" if isinstance(level, str) else _literal(float(level))
        column = f"data.{quoted(name)}" if text else self._number(name)
        return f"CASE WHEN {column} = {literal} THEN 1.0::DOUBLE ELSE 0.0::DOUBLE END"

    def _present(self, needed: Sequence[str]) -> str:
        if not needed:
            return "1.0::DOUBLE"
        every = " AND ".join(f"({self._clean(name)}) IS NOT NULL" for name in needed)
        return f"CASE WHEN {every} THEN 1.0::DOUBLE ELSE 0.0::DOUBLE END"

    def _measure(self, measure: Measure, request: MomentRequest) -> str:
        product = " * ".join(f"({self._term(term, request)})" for term in measure.terms)
        if not set(measure.presence) - {t.column for t in measure.terms} and len(measure.terms) == 1:
            return product  # a missing value is zero from its centre already
        return f"CASE WHEN {self._present(measure.presence)} = 1.0 THEN {product} ELSE 0.0::DOUBLE END"


@dataclass(frozen=True, eq=False)
class _Sums:
    """What one query answers, by group in sorted order."""

    groups: tuple[Group, ...]
    units: FloatArray
    sums: FloatArray
    products: FloatArray


def _fill(square: FloatArray, pairs: Sequence[tuple[int, int]], products: FloatArray) -> None:
    for place, (i, j) in enumerate(pairs):
        square[:, i, j] = square[:, j, i] = products[:, place]


def _literal(number: float) -> str:
    return f"{number!r}::DOUBLE"
