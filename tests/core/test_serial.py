"""Public values survive JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import butfor as bf
from butfor.core.diagnostic import Assumption, Diagnostic, Severity
from butfor.core.figure import Figure
from butfor.core.provenance import Provenance
from butfor.core.serial import encode, from_json, public_value, to_json
from butfor.core.table import Table


@public_value
@dataclass(frozen=True)
class Leaf:
    """A value in a value."""

    name: str
    numbers: tuple[float, ...] = ()


@public_value
@dataclass(frozen=True)
class Tree:
    """Everything that a result may hold."""

    leaves: tuple[Leaf, ...]
    lookup: dict[str, Leaf]
    flag: bool | None = None
    hidden: str = field(default="not written", repr=False)


def strict(text: str) -> object:
    """JSON by the letter: NaN and Infinity are refused."""

    def refuse(word: str) -> object:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_nested_values_come_back_equal() -> None:
    tree = Tree((Leaf("a", (1.0, 2.5)), Leaf('é\n"|<')), {"x": Leaf("b")}, True)
    assert from_json(to_json(tree)) == tree
    assert from_json(to_json(tree, indent=2)) == tree


def test_types_are_named_and_what_repr_hides_is_not_written() -> None:
    written = encode(Tree((), {}))
    assert written == {"type": "Tree", "leaves": [], "lookup": {}, "flag": None}


def test_numbers_that_json_lacks_survive_strict_json() -> None:
    text = to_json(Leaf("odd", (math.nan, math.inf, -math.inf, -0.0)))
    strict(text)
    found = from_json(text).numbers
    assert math.isnan(found[0])
    assert found[1:3] == (math.inf, -math.inf)
    assert math.copysign(1.0, found[3]) == -1.0


@given(st.lists(st.floats(), max_size=8))
def test_floats_come_back_to_the_bit(numbers: list[float]) -> None:
    found = from_json(to_json(Leaf("n", tuple(numbers)))).numbers
    assert_array_equal(np.array(found, dtype=float), np.array(numbers, dtype=float))


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 3), (2, 1, 2)])
def test_arrays_come_back_as_arrays(shape: tuple[int, ...]) -> None:
    array: NDArray[np.float64] = np.random.default_rng(0).normal(size=shape)
    array.reshape(-1)[:1] = np.nan
    found = from_json(to_json(array))
    assert isinstance(found, np.ndarray)
    assert_array_equal(found, array)


def test_numpy_scalars_are_plain_numbers() -> None:
    assert json.loads(to_json({"a": np.float64(1.5), "b": np.int32(2), "c": np.bool_(True)})) == {
        "a": 1.5,
        "b": 2,
        "c": True,
    }
    assert encode(np.float64("nan")) == {"number": "NaN"}


@pytest.mark.parametrize("severity", list(Severity))
def test_a_severity_is_a_severity_again(severity: Severity) -> None:
    found = from_json(to_json(Diagnostic("weak-overlap", severity, "Few.", 0.3)))
    assert found == Diagnostic("weak-overlap", severity, "Few.", 0.3)
    assert found.severity is severity


@pytest.mark.parametrize(
    "value",
    [
        Assumption("exchangeability", "No hidden causes.", "Sensitivity()"),
        Figure("Balance", "Small is good.", {"mark": {"type": "point"}, "width": 560}),
        Provenance("a.csv", "ab12", 10, 9, 7, "OLS()", {"numpy": "2.0"}),
        Table(("a", "b"), ((1, None), (2.5, "x"))),
        bf.ATE(trim=0.1),
        bf.ATO(),
        bf.Question("quit", "weight"),
        bf.Randomized(),
        bf.Observational(),
    ],
    ids=lambda v: type(v).__name__,
)
def test_public_values_come_back_equal(value: object) -> None:
    text = to_json(value)
    strict(text)
    assert from_json(text) == value


def test_a_notebook_gets_the_specification_of_a_figure() -> None:
    bundle = Figure("Overlap", "Two bars.", {"width": 1})._repr_mimebundle_()
    assert bundle["application/vnd.vegalite.v5+json"] == {"width": 1}
    assert bundle["text/plain"] == "Overlap: Two bars."
