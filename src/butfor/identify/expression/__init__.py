"""Estimands as values: built, simplified, printed, parsed back and evaluated."""

from butfor.identify.expression.evaluation import Factor, evaluate
from butfor.identify.expression.expression import (
    ONE,
    ZERO,
    Expression,
    Probability,
    Product,
    Ratio,
    Sum,
    Variable,
    Zero,
    product,
    ratio,
    total,
    variables_of,
)
from butfor.identify.expression.parsing import parse_expression
from butfor.identify.expression.writing import quoted_names, to_latex, to_text, to_unicode

__all__ = [
    "ONE",
    "ZERO",
    "Expression",
    "Factor",
    "Probability",
    "Product",
    "Ratio",
    "Sum",
    "Variable",
    "Zero",
    "evaluate",
    "parse_expression",
    "product",
    "quoted_names",
    "ratio",
    "to_latex",
    "to_text",
    "to_unicode",
    "total",
    "variables_of",
]
