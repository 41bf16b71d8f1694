"""Random graphs for property tests."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

import butfor as bf

# Words of the formats, signs, and spaces at the ends are the names that a writer gets wrong first.
TRICKY = [
    "latent",
    "selected",
    "node",
    "graph",
    "digraph",
    "dag",
    "Version",
    " a",
    "a\nb",
    "&quot;",
    "\\n",
    '"',
    "#",
    "-3",
]
NAMES = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=8) | st.sampled_from(TRICKY)


@st.composite
def graphs(
    draw: st.DrawFn, nodes: int = 5, *, latent: bool = False, selected: bool = False, weird: bool = False
) -> bf.CausalGraph:
    """A random acyclic graph with bidirected edges, perhaps latent or selected nodes and strange names."""
    count = draw(st.integers(2, nodes))
    names = (
        draw(st.lists(NAMES, min_size=count, max_size=count, unique=True)) if weird else [f"v{i}" for i in range(count)]
    )
    pairs = list(itertools.combinations(names, 2))
    kinds = draw(
        st.lists(st.sampled_from(["none", "->", "->", "<->", "both"]), min_size=len(pairs), max_size=len(pairs))
    )
    directed = [p for p, k in zip(pairs, kinds, strict=True) if k in ("->", "both")]
    bidirected = [p for p, k in zip(pairs, kinds, strict=True) if k in ("<->", "both")]
    hidden = draw(st.sets(st.sampled_from(names))) if latent else set()
    chosen = draw(st.sets(st.sampled_from(names), max_size=2)) if selected else set()
    return bf.CausalGraph(tuple(names), tuple(directed), tuple(bidirected), frozenset(hidden), frozenset(chosen))
