"""The names in a tree. Input: nodes. Output: those of them that are names."""

from __future__ import annotations

from collections.abc import Iterator

from scalec.syntax import nodes

Trees = nodes.Node | tuple[object, ...]  # a tree, or several


def names_in(node: Trees) -> Iterator[nodes.Name]:
    """Every name in the expressions of a tree, or of several."""
    if isinstance(node, nodes.Name):
        yield node
        return
    for part in node if isinstance(node, tuple) else vars(node).values():
        if isinstance(part, nodes.Node | tuple):
            yield from names_in(part)
