"""How an estimand moves with the probability of each cell: the chain rule, backwards through the expression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.identify.expression import Expression, Factor, Probability, Product, Ratio, Sum, Variable, evaluate

FloatArray = NDArray[np.float64]
Axes = tuple[Variable, ...]


def slopes(expression: Expression, table: Factor, seed: FloatArray) -> FloatArray:
    """∂ Σ seed · value / ∂ p for every cell p of the table, as an array of the table's shape.

    Conditional probabilities, products, sums and ratios are differentiated as they stand, so that centred slopes are
    the influence function of the expression at this distribution, whatever the expression is.

    Args:
        expression: an estimand that `evaluate` has a value for.
        table: the distribution of all columns.
        seed: weights of the estimand's values, with the axes that `evaluate` gives it.

    >>> from butfor.identify.expression import parse_expression
    >>> joint = Factor.table(["x", "y"], np.array([[0.2, 0.2], [0.2, 0.4]]))
    >>> treated = np.array([[0.0, 0.0], [0.0, 1.0]])
    >>> slopes(parse_expression("P(x, y)"), joint, treated).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    >>> slopes(parse_expression("P(y | x)"), joint, treated.T).round(2).tolist()
    [[0.0, 0.0], [-1.11, 0.56]]
    """
    return _Backwards(table).through(expression, seed)


class _Backwards:
    """Slopes collected on the way from the whole expression to its probabilities."""

    def __init__(self, table: Factor) -> None:
        self.table = table
        self.found = np.zeros(table.values.shape)
        self.known: dict[Expression, Factor] = {}

    def through(self, expression: Expression, seed: FloatArray) -> FloatArray:
        waiting = [(expression, seed)]
        while waiting:
            part, slope = waiting.pop()
            match part:
                case Probability():
                    self._collect(part, slope)
                case Product():
                    waiting += self._factors(part.factors, part, slope)
                case Sum():
                    body = part.body
                    waiting += self._factors(body.factors if isinstance(body, Product) else (body,), part, slope)
                case Ratio():
                    waiting += self._ratio(part, slope)
                case _:  # what cannot happen moves with nothing
                    pass
        return self.found

    def _value(self, expression: Expression) -> Factor:
        if expression not in self.known:
            self.known[expression] = evaluate(expression, self.table)
        return self.known[expression]

    def _factors(
        self, factors: tuple[Expression, ...], whole: Expression, slope: FloatArray
    ) -> list[tuple[Expression, FloatArray]]:
        """The slope of one factor is the slope of the sum times the other factors, summed over what it has not."""
        outer = (self._value(whole).variables, slope)
        values = [(f.variables, f.values) for f in map(self._value, factors)]
        found: list[tuple[Expression, FloatArray]] = []
        for i, factor in enumerate(factors):
            own, array = values[i]
            # Ones keep the axes of the factor that nothing else has.
            others = [*values[:i], *values[i + 1 :], outer, (own, np.ones(array.shape))]
            found.append((factor, _multiplied(others, own)))
        return found

    def _ratio(self, ratio: Ratio, slope: FloatArray) -> list[tuple[Expression, FloatArray]]:
        whole, above, below = (self._value(e) for e in (ratio, ratio.numerator, ratio.denominator))
        per_unit = np.divide(1.0, below.values, out=np.zeros(below.values.shape), where=below.values > 0.0)
        outer, inverse = (whole.variables, slope), (below.variables, per_unit)
        ones = [(f.variables, np.ones(f.values.shape)) for f in (above, below)]
        up = _multiplied([outer, inverse, ones[0]], above.variables)
        down = _multiplied([outer, inverse, (whole.variables, whole.values), ones[1]], below.variables)
        return [(ratio.numerator, up), (ratio.denominator, -down)]

    def _collect(self, probability: Probability, slope: FloatArray) -> None:
        value = self._value(probability)
        if probability.given:
            outcomes = tuple(range(len(probability.of)))
            below = self._marginal([v.name for v in probability.given])
            per_unit = np.divide(1.0, below, out=np.zeros(below.shape), where=below > 0.0)
            slope = (slope - (slope * value.values).sum(axis=outcomes, keepdims=True)) * per_unit
        names = [v.name for v in value.variables]
        axes = [v.name for v in self.table.variables]
        order = sorted(range(len(names)), key=lambda i: axes.index(names[i]))
        shape = [size if name in names else 1 for name, size in zip(axes, self.found.shape, strict=True)]
        self.found += np.transpose(slope, order).reshape(shape)

    def _marginal(self, names: list[str]) -> FloatArray:
        return evaluate(Probability.of_names(*names), self.table).arranged(names)


def _multiplied(factors: list[tuple[Axes, FloatArray]], kept: Axes) -> FloatArray:
    number = {v: i for i, v in enumerate(dict.fromkeys(v for names, _ in factors for v in names))}
    operands: list[object] = []
    for names, values in factors:
        operands += [values, [number[v] for v in names]]
    found = np.einsum(*operands, [number[v] for v in kept], optimize=True)  # type: ignore[call-overload]
    return np.asarray(found, dtype=float)
