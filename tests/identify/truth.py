"""Estimands beside the truth: how far an expression is from an exact interventional distribution."""

from __future__ import annotations

import numpy as np

from butfor.identify.expression import Expression, Factor, Variable, evaluate
from butfor.identify.expression.evaluation import Source
from tests.identify.exact import ExactModel


def distance(found: Factor, truth: Factor) -> float:
    """The largest difference, for all values of every variable; what one of them lacks, it does not depend on."""
    names = tuple(dict.fromkeys((*truth.variables, *found.variables)))
    return float(np.abs(_wide(found, names) - _wide(truth, names)).max())


def _wide(factor: Factor, names: tuple[Variable, ...]) -> np.ndarray:
    order = [v for v in names if v in factor.variables]
    sizes = dict(zip(factor.variables, factor.values.shape, strict=True))
    return factor.arranged(order).reshape([sizes.get(v, 1) for v in names])


def error(
    expression: Expression,
    model: ExactModel,
    query: tuple[list[str], list[str], list[str]],
    tables: dict[Source, Factor] | None = None,
) -> float:
    """How far the expression is from P(outcomes | do(treatments), given) in a model."""
    return distance(evaluate(expression, tables or model.table()), model.effect(*query))
