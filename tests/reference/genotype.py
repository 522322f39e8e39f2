"""Genotype text to edges: what each node of a cell reads, and through which operation.

Reads the nested text `Genotype(normal=[[('sep_conv_3x3', 1), ...], ...], ..., reduce=...)`. Knows nothing of layers
or shapes. The text is walked as a syntax tree and never evaluated.
"""

import ast
from dataclasses import dataclass

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "none",
)
NODES = 4

Edge = tuple[str, int]
"""Operation and the state it reads: 0 and 1 are the cell's inputs, 2..5 its nodes."""

CellEdges = list[list[Edge]]
"""Edges of each of the four nodes, in the order of the text."""


@dataclass(frozen=True)
class Genotype:
    """The two cells that, repeated, make a network. A `none` is an edge of its node and adds nothing to it."""

    normal: CellEdges
    reduce: CellEdges


def parse_genotype(text: str) -> Genotype:
    """Read a nested genotype; raises ValueError for anything else."""
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
    return Genotype(_cell(ast.literal_eval(fields["normal"])), _cell(ast.literal_eval(fields["reduce"])))


def _cell(nodes: list[list[Edge]]) -> CellEdges:
    if len(nodes) != NODES:
        raise ValueError(f"a cell has {NODES} nodes, found {len(nodes)}")
    for index, edges in enumerate(nodes):
        for operation, source in edges:
            if operation not in OPERATIONS:
                raise ValueError(f"unknown operation {operation!r}")
            if not 0 <= source < index + 2:
                raise ValueError(f"node {index + 2} cannot read state {source}")
    return [list(edges) for edges in nodes]
