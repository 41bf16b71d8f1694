"""Estimands to numbers: exactly, on a table of probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, NumericalFailure, UnknownColumn
from butfor.identify.expression.expression import Expression, Probability, Product, Ratio, Sum, Variable, Zero

FloatArray = NDArray[np.float64]
# Which table a probability is read from: the population and the columns that were set.
Source = tuple[str, frozenset[str]]


@dataclass(frozen=True, eq=False)
class Factor:
    """A function of discrete variables: one axis per variable.

    Attributes:
        values: the function; 0 where it has no value.
        undefined: where it has none, for want of data: a probability given something that never happens.
    """

    variables: tuple[Variable, ...]
    values: FloatArray
    undefined: NDArray[np.bool_]

    @classmethod
    def table(cls, names: Iterable[str], values: FloatArray) -> Factor:
        """A joint distribution over named columns (axes in that order)."""
        axes = tuple(map(Variable, names))
        array = np.asarray(values, dtype=float)
        if array.ndim != len(axes):
            raise InvalidSetting(
                f"The table has {array.ndim} axes and {len(axes)} names; a distribution needs a name for each axis.",
                hint="Factor.table(['x', 'y'], array of shape (levels of x, levels of y))",
            )
        return cls(axes, array, np.zeros(array.shape, dtype=bool))

    def arranged(self, variables: Iterable[str | Variable]) -> FloatArray:
        """The values with axes in this order.

        Raises:
            NumericalFailure: where a value is needed that the distribution does not determine.
        """
        if self.undefined.any():
            where = np.argwhere(self.undefined)[0]
            place = ", ".join(f"{v} = level {i}" for v, i in zip(self.variables, where, strict=True))
            raise NumericalFailure(
                f"The estimand has no value{' at ' + place if place else ''}: it divides by the probability of "
                "something that never happens in this distribution.",
                hint="restrict the population to where every arm occurs, or merge rare levels",
            )
        wanted = [v if isinstance(v, Variable) else Variable(v) for v in variables]
        if set(wanted) != set(self.variables):
            raise InvalidSetting(
                f"The estimand is a function of {', '.join(map(str, self.variables)) or 'nothing'}; these are not the "
                "variables asked for.",
                hint=f"arranged({[str(v) for v in self.variables]})",
            )
        return np.transpose(self.values, [self.variables.index(v) for v in wanted])


def evaluate(
    expression: Expression, tables: Factor | Mapping[Source, Factor], *, along: Variable | None = None
) -> Factor:
    """The estimand on exact distributions.

    Args:
        expression: the estimand.
        tables: the joint distribution of all columns; or several, by population and set columns, where the columns
            that were set are axes as well (the table sums to one for each of their values).
        along: an axis of every table that counts distributions: the estimand is evaluated on each of them at once.

    Returns:
        A function of the estimand's free variables.

    >>> import numpy as np
    >>> from butfor.identify.expression import parse_expression
    >>> joint = Factor.table(["x", "y"], np.array([[0.3, 0.2], [0.1, 0.4]]))
    >>> evaluate(parse_expression("P(y | x)"), joint).arranged(["x", "y"]).round(3).tolist()
    [[0.6, 0.4], [0.2, 0.8]]
    """
    sources = {("", frozenset[str]()): tables} if isinstance(tables, Factor) else dict(tables)
    return _Evaluator(sources, along).value(expression)


class _Evaluator:
    """Values of expressions, each computed once."""

    def __init__(self, sources: Mapping[Source, Factor], along: Variable | None) -> None:
        self.sources = sources
        self.along = () if along is None else (along,)
        self.known: dict[Expression, Factor] = {}

    def value(self, expression: Expression) -> Factor:
        if expression not in self.known:
            self.known[expression] = self._compute(expression)
        return self.known[expression]

    def _compute(self, expression: Expression) -> Factor:
        match expression:
            case Zero():
                return Factor((), np.zeros(()), np.zeros((), dtype=bool))
            case Probability():
                return self._probability(expression)
            case Product():
                return _contract([self.value(f) for f in expression.factors], ())
            case Sum():
                body = expression.body
                factors = body.factors if isinstance(body, Product) else (body,)
                return _contract([self.value(f) for f in factors], expression.over)
            case Ratio():
                return _divide(self.value(expression.numerator), self.value(expression.denominator))
            case _:
                raise TypeError(f"{type(expression).__name__} is not an expression.")

    def _probability(self, expression: Probability) -> Factor:
        source = (expression.population, frozenset(v.name for v in expression.do))
        if source not in self.sources:
            raise InvalidSetting(
                f"There is no table for {expression}; the estimand needs one.",
                hint=f"tables[({source[0]!r}, frozenset({sorted(source[1])}))] = Factor.table(...)",
            )
        table = self.sources[source]
        axes = {v.name: i for i, v in enumerate(table.variables)}
        for v in expression.free:
            if v.name not in axes:
                raise UnknownColumn.named(v.name, axes, role="estimand")
        wanted = (*expression.of, *expression.given, *expression.do, *self.along)
        joint = _marginal(table.values, [axes[v.name] for v in wanted])
        if expression.given:
            outcomes = tuple(range(len(expression.of)))
            below = joint.sum(axis=outcomes, keepdims=True)
            undefined = np.broadcast_to(below <= 0.0, joint.shape)
            joint = np.divide(joint, below, out=np.zeros_like(joint), where=below > 0.0)
            return Factor(wanted, joint, undefined)
        return Factor(wanted, joint, np.zeros(joint.shape, dtype=bool))


def _marginal(values: FloatArray, keep: list[int]) -> FloatArray:
    gone = tuple(i for i in range(values.ndim) if i not in keep)
    left = sorted(keep)
    return cast("FloatArray", np.transpose(values.sum(axis=gone), [left.index(i) for i in keep]))


def _contract(factors: list[Factor], over: tuple[Variable, ...]) -> Factor:
    """The product, summed. What is undefined does no harm where another factor is zero."""
    variables = tuple(dict.fromkeys(v for f in factors for v in f.variables))
    kept = tuple(v for v in variables if v not in over)
    values = _einsum([(f.variables, f.values) for f in factors], kept)
    undefined = np.zeros(values.shape, dtype=bool)
    if any(f.undefined.any() for f in factors):
        possible = _einsum([(f.variables, ((f.values != 0) | f.undefined).astype(float)) for f in factors], kept)
        certain = _einsum([(f.variables, ((f.values != 0) & ~f.undefined).astype(float)) for f in factors], kept)
        undefined = possible > certain + 0.5
    return Factor(kept, values, undefined)


def _einsum(factors: list[tuple[tuple[Variable, ...], FloatArray]], kept: tuple[Variable, ...]) -> FloatArray:
    numbers = {v: i for i, v in enumerate(dict.fromkeys(v for names, _ in factors for v in names))}
    operands: list[object] = []
    for names, values in factors:
        operands += [values, [numbers[v] for v in names]]
    if not operands:
        return np.ones(())
    result = np.einsum(*operands, [numbers[v] for v in kept], optimize=len(factors) > 2)  # type: ignore[call-overload]
    return np.asarray(result, dtype=float)


def _divide(above: Factor, below: Factor) -> Factor:
    variables = tuple(dict.fromkeys((*above.variables, *below.variables)))
    shape = [0] * len(variables)
    for f in (above, below):
        for v, size in zip(f.variables, f.values.shape, strict=True):
            shape[variables.index(v)] = size
    top, bottom = (_spread(f.variables, f.values, variables, shape) for f in (above, below))
    missing = [_spread(f.variables, f.undefined.astype(float), variables, shape) > 0 for f in (above, below)]
    undefined = missing[0] | missing[1] | (bottom <= 0.0)
    return Factor(variables, np.divide(top, bottom, out=np.zeros(shape), where=~undefined), undefined)


def _spread(
    names: tuple[Variable, ...], values: FloatArray, variables: tuple[Variable, ...], shape: list[int]
) -> FloatArray:
    order = sorted(range(len(names)), key=lambda i: variables.index(names[i]))
    wide = [shape[i] if v in names else 1 for i, v in enumerate(variables)]
    return np.broadcast_to(np.transpose(values, order).reshape(wide), shape)
