"""JSON text of the dicts that `mapping` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats import mapping
from butfor.graph.formats.tokens import shown


def read(text: str) -> CausalGraph:
    """A graph from JSON text.

    Raises:
        GraphSyntax: for text that is not JSON, with its line, and for JSON that is no graph.

    >>> read('{"edges": [["a", "b"]]}').directed
    (('a', 'b'),)
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GraphSyntax(f"The graph is no JSON ({error}); a JSON graph needs JSON.", hint="check the text") from error
    if not isinstance(found, Mapping):
        raise GraphSyntax(f"The JSON is {shown(found)}; a graph needs an object.", hint='{"edges": [["age", "dose"]]}')
    return mapping.read(cast(Mapping[str, Any], found))


def write(graph: CausalGraph) -> str:
    """JSON text that reads back as the same graph."""
    return json.dumps(mapping.write(graph), ensure_ascii=False)
