"""Roles of nodes in words and in attributes: latent, selected, exposure, outcome, adjusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from butfor.graph.causal_graph import ROLES

# Every word that marks a node in text, with the field of the graph that it fills; dagitty has the short ones.
WORDS = {
    **{word: marks for marks, word in ROLES.items()},
    **{word[0]: marks for marks, word in ROLES.items()},
    "unobserved": "latent",
    "u": "latent",
}
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")


def is_yes(value: object) -> bool:
    """Does an attribute say yes? Text formats write True in many ways."""
    return str(value).lower() in YES


def is_no(value: object) -> bool:
    """Does an attribute say no?"""
    return str(value).lower() in NO


def from_attributes(nodes: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, frozenset[str]]:
    """The marked nodes by field, from attributes such as `latent=True`, `observed="no"` or `exposure=1`.

    >>> from_attributes([("x", {"exposure": "true"}), ("u", {"observed": "no"})])["latent"]
    frozenset({'u'})
    """
    found: dict[str, set[str]] = {marks: set() for marks in ROLES}
    for name, attributes in nodes:
        if is_no(attributes.get("observed", "yes")):
            found["latent"].add(name)
        for marks, word in ROLES.items():
            if is_yes(attributes.get(word, "no")):
                found[marks].add(name)
    return {marks: frozenset(names) for marks, names in found.items()}
