"""GraphML: nodes and edges with data, in XML (graphml.graphdrawing.org).

A node is `latent`, `selected`, `exposure`, `outcome` or `adjusted` by data of that name, an edge is `bidirected` by its
`kind`. What other programs write is read too: node names from data called `label` or `name`, or from a drawn label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as Xml

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import ROLES, CausalGraph
from butfor.graph.formats import nx
from butfor.graph.formats.tokens import shown

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
# What XML 1.0 has no way to write (section 2.2 of the standard).
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read(text: str) -> CausalGraph:
    """A graph from GraphML.

    Raises:
        GraphSyntax: for text that is not XML, for entities of its own, for edges without direction or without nodes.
    """
    root = _root(text)
    keys = [element for element in root if _tag(element) == "key"]
    called = {key.get("id", ""): key.get("attr.name", key.get("id", "")) for key in keys}
    defaults = {called[key.get("id", "")]: (part.text or "").strip() for key in keys for part in key}
    data = [(element.get("id", ""), _data(element, called, defaults)) for element in _all(root, "node")]
    nodes = [(number, found.get("label") or found.get("name") or number, found) for number, found in data]
    names = {number: name for number, name, _ in nodes}
    if not names:
        raise GraphSyntax("The GraphML has no node; a causal graph needs some.", hint='<node id="x"/>')
    without = [element.get("edgedefault") == "undirected" for element in _all(root, "graph")]
    edges: list[tuple[str, str, Mapping[str, str]]] = []
    for element in _all(root, "edge"):
        data = _data(element, called, defaults)
        ends = [element.get(end, "") for end in ("source", "target")]
        if not names.keys() >= set(ends):
            raise GraphSyntax(
                f"A GraphML edge goes from {shown(ends[0])} to {shown(ends[1])}; an edge needs the ids of two nodes.",
                hint="give every edge the ids of two nodes",
            )
        edges.append((names[ends[0]], names[ends[1]], data))
        undirected = element.get("directed", "false" if any(without) else "true") == "false"
        if undirected and not nx.is_bidirected(data):
            raise GraphSyntax(
                f"The GraphML edge from {shown(ends[0])} to {shown(ends[1])} is undirected; a causal graph needs "
                "directions.",
                hint='edgedefault="directed"',
            )
    return nx.from_attributes([(name, found) for _, name, found in nodes], edges, directed=True)


def _root(text: str) -> Xml.Element:
    # Entities of the text's own could grow without end; nothing outside the text is ever opened.
    if "<!ENTITY" in text:
        raise GraphSyntax("The GraphML declares entities; it needs to do without.", hint="remove <!ENTITY ...>")
    try:
        root = Xml.fromstring(text)
    except (Xml.ParseError, ValueError) as error:
        raise GraphSyntax(
            f"The GraphML is no XML ({error}); GraphML needs closed elements.", hint="check the text"
        ) from error
    if _tag(root) != "graphml":
        raise GraphSyntax(f"The XML is a {shown(_tag(root))}; a causal graph needs graphml.", hint="save it as GraphML")
    return root


def _tag(element: Xml.Element) -> str:
    return element.tag.rpartition("}")[2]


def _all(root: Xml.Element, tag: str) -> Iterator[Xml.Element]:
    return (element for element in root.iter() if _tag(element) == tag)


def _data(element: Xml.Element, called: Mapping[str, str], defaults: Mapping[str, str]) -> Mapping[str, str]:
    """The data of a node or an edge by name; a label that is only drawn counts as `label`."""
    drawn = next(_all(element, "NodeLabel"), None)
    found = {} if drawn is None else {"label": drawn.text or ""}
    for part in element:
        if _tag(part) == "data" and len(part) == 0:
            found[called.get(part.get("key", ""), "")] = part.text or ""
    return {**defaults, **found}


def write(graph: CausalGraph) -> str:
    """GraphML that reads back as the same graph.

    Raises:
        GraphSyntax: for names with characters that XML does not have.
    """
    root = Xml.Element("graphml", xmlns=NAMESPACE)
    used = [role for marks, role in ROLES.items() if getattr(graph, marks)]
    for role in used:
        Xml.SubElement(root, "key", {"id": role, "for": "node", "attr.name": role, "attr.type": "boolean"})
    Xml.SubElement(root, "key", {"id": "kind", "for": "edge", "attr.name": "kind", "attr.type": "string"})
    body = Xml.SubElement(root, "graph", edgedefault="directed")
    for name in graph.nodes:
        if NOT_IN_XML.search(name):
            raise GraphSyntax(f"A node is {shown(name)}; GraphML needs letters that XML has.", hint="rename the node")
        node = Xml.SubElement(body, "node", id=name)
        for role in graph.roles(name):
            Xml.SubElement(node, "data", key=role).text = "true"
    for kind in ("directed", "bidirected"):
        for a, b in getattr(graph, kind):
            edge = Xml.SubElement(body, "edge", source=a, target=b)
            Xml.SubElement(edge, "data", key="kind").text = kind
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True)
