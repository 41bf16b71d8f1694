"""Errors have a code of their own, one sentence and one action; missing extras say how to get them."""

from __future__ import annotations

import json
import re

import pytest

from butfor.core import errors
from butfor.core.errors import ButforError, MissingExtra, UnknownColumn, UnknownNode, did_you_mean
from butfor.core.extras import require


def family(kind: type[ButforError]) -> list[type[ButforError]]:
    """The class and all that derive from it."""
    return [kind, *(found for child in kind.__subclasses__() for found in family(child))]


ALL = family(ButforError)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.__dict__["code"] for kind in ALL]  # its own, not its parent's
    assert len(set(codes)) == len(codes) > 20
    assert all(re.fullmatch(r"BF\d{3}", code) for code in codes)


def test_a_code_starts_like_that_of_its_family() -> None:
    for child in ButforError.__subclasses__():
        assert {kind.code[:3] for kind in family(child)} == {child.code[:3]}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert set(re.findall(r"(?:├──|└──|^)\s*([A-Z]\w+)", errors.__doc__ or "", flags=re.MULTILINE)) - {"Every"} == {
        kind.__name__ for kind in ALL
    }


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_carries_a_message_and_a_hint(kind: type[ButforError]) -> None:
    error = kind("n is 1; a mean needs 2.", hint="use more rows")
    assert str(error) == "n is 1; a mean needs 2.\nhint: use more rows"
    assert (error.message, error.hint) == ("n is 1; a mean needs 2.", "use more rows")
    with pytest.raises(TypeError):
        kind("no hint")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "available", "hint"),
    [
        ("incme", ["age", "income"], "did you mean 'income'?"),
        ("INCOME", ["age", "Income"], "did you mean 'Income'?"),
        ("zzz", ["age", "sex"], "choose one of 'age', 'sex'."),
        ("zzz", [], "there is nothing to choose from."),
    ],
)
def test_the_nearest_name_is_offered(name: str, available: list[str], hint: str) -> None:
    assert did_you_mean(name, available) == hint


def test_long_lists_are_cut() -> None:
    hint = did_you_mean("zzz", [f"column{i}" for i in range(20)])
    assert hint.count("'column") == 12
    assert hint.endswith(", ….")


def test_unknown_names_say_their_role() -> None:
    column = UnknownColumn.named("wage", ["wages"], role="outcome")
    assert column.message == "Column 'wage' is not in the data; the outcome needs a column that exists."
    assert column.hint == "did you mean 'wages'?"
    assert "graph" in UnknownNode.named("wage", ["wages"]).message


def test_what_is_installed_is_imported() -> None:
    assert require("json", extra="report", purpose="A report") is json


def test_what_is_not_installed_names_its_extra() -> None:
    with pytest.raises(MissingExtra) as caught:
        require("no_such_package.inside", extra="report", purpose="A report")
    assert caught.value.message == "A report needs the package 'no_such_package', which is not installed."
    assert caught.value.hint == "pip install 'butfor[report]'"
