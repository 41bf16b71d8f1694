"""What kinds of implications a check can test, behind one protocol; and the independences among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from butfor.core.effort import Effort
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.implications import Independence, InstrumentInequality, Tetrad, VermaConstraint, independences
from butfor.refute.graph.columns import Columns
from butfor.refute.graph.independence_tests import IndependenceTest, TestResult

Implication = Independence | Tetrad | VermaConstraint | InstrumentInequality


class ImplicationKind(Protocol):
    """One kind of implications: which of them a graph has, and how data are asked about one.

    Attributes:
        noun: what one of them is called.
        steps: work that the search for them may do.
    """

    noun: ClassVar[str]
    steps: ClassVar[int]

    @property
    def name(self) -> str:
        """The test in words."""
        ...

    def statements(self, graph: CausalGraph, effort: Effort) -> Iterator[Any]:
        """What the graph implies, one by one; where the effort ends, `exhausted` says so."""
        ...

    def test(self, columns: Columns, statement: Any) -> TestResult:
        """Test one implication.

        Raises:
            MethodMismatch, NumericalFailure, TooFewRows: when these columns cannot tell.
        """
        ...


@public_value
@dataclass(frozen=True)
class Independences:
    """Two variables tell nothing about each other given others: one statement for each missing edge.

    Args:
        tested_by: the test of one.
    """

    tested_by: IndependenceTest

    noun: ClassVar[str] = "independence"
    steps: ClassVar[int] = 5_000_000

    @property
    def name(self) -> str:
        """The test in words."""
        return self.tested_by.name

    def statements(self, graph: CausalGraph, effort: Effort) -> Iterator[Independence]:
        """One for each missing edge, in the order of the alphabet."""
        return independences(graph, effort=effort)

    def test(self, columns: Columns, statement: Independence) -> TestResult:
        """Test one; nodes that decide which rows are seen are the same in all of them."""
        given = [n for n in statement.given if n in columns]
        return self.tested_by.test(columns, statement.first, statement.second, given)
