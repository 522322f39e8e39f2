"""Genotype text to edges: what each node of a cell reads, and through which operation.

Reads `Genotype(normal=..., normal_concat=..., reduce=..., reduce_concat=...)`, in which a cell is a list of nodes or of
pairs, two for each node. Knows nothing of layers or shapes. The text is walked as a syntax tree and never evaluated.
"""

import ast
import re
from dataclasses import dataclass

OPERATION = re.compile(r"skip_connect|none|(max_pool|avg_pool|sep_conv|dil_conv|conv)_([1-7])x\2|conv_([357])x1_1x\3")
"""What an edge can compute, in every space."""

Edge = tuple[str, int]
"""Operation and the state it reads: 0 and 1 are the cell's inputs, the others its nodes."""

CellEdges = list[list[Edge]]
"""Edges of each node, in the order of the text."""


@dataclass(frozen=True)
class Genotype:
    """The two cells that, repeated, make a network. A `none` is an edge of its node and adds nothing to it."""

    normal: CellEdges
    reduce: CellEdges
    normal_concat: list[int]
    """The states whose concatenation is the cell's output."""
    reduce_concat: list[int]


def parse_genotype(text: str) -> Genotype:
    """Read a genotype; raises ValueError for anything else."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"not a genotype: {error}") from error
    if not isinstance(call, ast.Call):
        raise ValueError("not a genotype: expected Genotype(normal=..., reduce=...)")  # noqa: TRY004 (argparse shows the message of a ValueError)
    fields = {keyword.arg: keyword.value for keyword in call.keywords}
    missing = {"normal", "reduce"} - fields.keys()
    if missing:
        raise ValueError(f"genotype lacks {', '.join(sorted(missing))}")
    normal, reduce = (_cell(ast.literal_eval(fields[name])) for name in ("normal", "reduce"))
    concats = [
        _concat(fields.get(f"{name}_concat"), len(cell)) for name, cell in (("normal", normal), ("reduce", reduce))
    ]
    return Genotype(normal, reduce, *concats)


def _cell(nodes: list[list[Edge]] | list[Edge]) -> CellEdges:
    if nodes and isinstance(nodes[0][0], str):
        nodes = [list(pair) for pair in zip(nodes[::2], nodes[1::2], strict=True)]
    for index, edges in enumerate(nodes):
        for operation, source in edges:
            if not OPERATION.fullmatch(operation):
                raise ValueError(f"unknown operation {operation!r}")
            if not 0 <= source < index + 2:
                raise ValueError(f"node {index + 2} cannot read state {source}")
    return [list(edges) for edges in nodes]


def _concat(field: ast.expr | None, nodes: int) -> list[int]:
    """The states of a list, or all nodes where a range, or nothing, stands there."""
    listed = isinstance(field, ast.List)
    return ast.literal_eval(field) if listed else list(range(2, 2 + nodes))
