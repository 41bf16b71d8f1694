"""Every error that Butfor raises.

ButforError
├── InputError                the user's data, graph, study file or settings cannot be used (exit code 2)
│   ├── UnreadableData        a file, table or frame that cannot be read
│   ├── UnknownColumn         a column name that the data do not have
│   ├── RoleConflict          one column in two roles that exclude each other
│   ├── MissingValues         missing values in a column that is used
│   ├── InfiniteValues        infinite values in a column that is used
│   ├── NonNumeric            text where numbers are needed
│   ├── ConstantColumn        a treatment or outcome with one value
│   ├── EmptyArm              a treatment arm without rows
│   ├── TooFewRows            fewer rows than the method needs
│   ├── GraphError            a graph that cannot be used
│   │   ├── GraphSyntax       text that is not a graph
│   │   ├── CyclicGraph       a directed cycle
│   │   └── UnknownNode       a node that the graph does not have
│   ├── StudySyntax           a study file with a wrong key or value
│   ├── InvalidSetting        a setting outside its range
│   └── UnwritablePath        an output that cannot be written
├── NotIdentified             the effect does not follow from the graph and the data
├── MethodMismatch            an estimator that cannot answer this question
├── NumericalFailure          data on which the computation has no answer
│   ├── SeparatedPropensity   covariates that predict the treatment perfectly
│   └── Collinear             a treatment that is a linear function of the covariates
└── MissingExtra              an optional dependency that is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ButforError(Exception):
    """An error with a stable code, one sentence of what is wrong, and one action that helps."""

    code = "BF000"

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(f"{message}\nhint: {hint}")
        self.message = message
        self.hint = hint


class InputError(ButforError):
    code = "BF100"


class UnreadableData(InputError):
    code = "BF101"


class UnknownColumn(InputError):
    code = "BF102"

    @classmethod
    def named(cls, name: str, available: Iterable[str], *, role: str) -> UnknownColumn:
        """The error for a name in a role, with the nearest name that exists."""
        return cls(
            f"Column {name!r} is not in the data; the {role} needs a column that exists.",
            hint=did_you_mean(name, available),
        )


class RoleConflict(InputError):
    code = "BF103"


class MissingValues(InputError):
    code = "BF104"


class InfiniteValues(InputError):
    code = "BF105"


class NonNumeric(InputError):
    code = "BF106"


class ConstantColumn(InputError):
    code = "BF107"


class EmptyArm(InputError):
    code = "BF108"


class TooFewRows(InputError):
    code = "BF109"


class GraphError(InputError):
    code = "BF120"


class GraphSyntax(GraphError):
    code = "BF121"


class CyclicGraph(GraphError):
    code = "BF122"


class UnknownNode(GraphError):
    code = "BF123"

    @classmethod
    def named(cls, name: str, available: Iterable[str], *, role: str = "query") -> UnknownNode:
        """The error for a name in a role, with the nearest name that exists."""
        return cls(
            f"Node {name!r} is not in the graph; the {role} needs a node that exists.",
            hint=did_you_mean(name, available),
        )


class StudySyntax(InputError):
    code = "BF130"


class InvalidSetting(InputError):
    code = "BF131"


class UnwritablePath(InputError):
    code = "BF132"


class NotIdentified(ButforError):
    code = "BF200"


class MethodMismatch(ButforError):
    code = "BF300"


class NumericalFailure(ButforError):
    code = "BF400"


class SeparatedPropensity(NumericalFailure):
    code = "BF401"
    column: int | None = None  # position of the covariate that separates most, where known


class Collinear(NumericalFailure):
    code = "BF402"


class MissingExtra(ButforError):
    code = "BF500"


def did_you_mean(name: str, available: Iterable[str]) -> str:
    """One line that names the nearest of the available names, or lists them."""
    names = [str(a) for a in available]
    lowered = {n.lower(): n for n in reversed(names)}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    if close:
        return f"did you mean {lowered[close[0]]!r}?"
    if not names:
        return "there is nothing to choose from."
    shown = ", ".join(repr(n) for n in names[:12])
    return f"choose one of {shown}{', …' if len(names) > 12 else ''}."
