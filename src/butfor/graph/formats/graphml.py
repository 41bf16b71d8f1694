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
    nodes: dict[str, tuple[str, Mapping[str, str]]] = {}
    for element, found in _with_data(root, "node"):
        number = element.get("id", "")
        if number in nodes:
            raise GraphSyntax(
                f"Two GraphML nodes have the id {shown(number)}; every node needs its own.", hint="rename one of them"
            )
        nodes[number] = (found.get("label") or found.get("name") or number, found)
    if not nodes:
        raise GraphSyntax("The GraphML has no node; a causal graph needs some.", hint='<node id="x"/>')
    undirected = any(element.get("edgedefault") == "undirected" for element in _all(root, "graph"))
    edges: list[tuple[str, str, Mapping[str, str]]] = []
    for element, found in _with_data(root, "edge"):
        a, b = (element.get(end, "") for end in ("source", "target"))
        if not {a, b} <= nodes.keys():
            raise GraphSyntax(
                f"A GraphML edge goes from {shown(a)} to {shown(b)}; an edge needs the ids of two nodes.",
                hint="give every edge the ids of two nodes",
            )
        directed = element.get("directed", "false" if undirected else "true") != "false"
        if not (directed or nx.is_bidirected(found)):
            raise GraphSyntax(
                f"The GraphML edge from {shown(a)} to {shown(b)} is undirected; a causal graph needs directions.",
                hint='edgedefault="directed"',
            )
        edges.append((nodes[a][0], nodes[b][0], found))
    return nx.from_attributes(nodes.values(), edges, directed=True)


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


def _with_data(root: Xml.Element, tag: str) -> Iterator[tuple[Xml.Element, Mapping[str, str]]]:
    """Nodes or edges with their data by name; a label that is only drawn counts as `label`."""
    keys = {key.get("id", ""): key for key in _all(root, "key") if key.get("for", "all") in (tag, "all")}
    called = {number: key.get("attr.name", number) for number, key in keys.items()}
    common = {called[number]: part.text or "" for number, key in keys.items() for part in _all(key, "default")}
    for element in _all(root, tag):
        found = dict(common)
        for part in element:
            if _tag(part) == "data" and part.get("key") in called:
                drawn = next(_all(part, "NodeLabel"), None)
                name = called[part.get("key", "")] if drawn is None else "label"
                found[name] = ((part if drawn is None else drawn).text or "").strip()
        yield element, found


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
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(root, encoding="unicode")
