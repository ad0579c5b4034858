"""The machine as a tree, and the tree as text, as a picture, as a graph, and as hwloc's XML.

A tree is nested objects `{type, id, attributes, children}`. `tree` makes one of what the rules answer, `facts_tree` of
facts themselves, for machines that no engine holds. `text`, `svg` and `dot` render a tree of either origin; `hwloc_xml`
writes facts, since a tree does not hold all that hwloc's format does.
"""

from skb.topology.from_facts import facts_tree
from skb.topology.part import Json, Tree, ranges, size
from skb.topology.term import TopologyError, tree
from skb.topology.text import text

__all__ = ["Json", "TopologyError", "Tree", "facts_tree", "ranges", "size", "text", "tree"]
