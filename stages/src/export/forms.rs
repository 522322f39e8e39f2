//! The text forms of a genotype, each as a file that other programs read, and this one too.

use crate::Architecture;
use crate::genotype::{Cell, EDGES, Edge, Genotype, INPUTS, NODES, Operation, edges_into};

/// What the keys of NAS-Bench-301 begin with.
const NAS_BENCH_301: &str = "NetworkSelectorDatasetInfo:darts:";

/// The files of the forms that the genotype of an architecture has, by their names; none of one that is not made of cells. Cells
/// that are not of the DARTS space have one form.
pub(super) fn files(architecture: &Architecture) -> Vec<(&'static str, String)> {
    let genotype = match architecture {
        Architecture::Darts(genotype) => genotype,
        Architecture::Cells(cells) => return vec![("genotype.txt", format!("{cells}\n"))],
        Architecture::Network(_) => return Vec::new(),
    };
    let nested = Some(format!("{genotype}\n"));
    let forms = [
        ("genotype.txt", nested),
        ("genotype-flat.txt", flat(genotype)),
        ("genotype.json", Some(json(genotype))),
        ("genotype-integers.txt", integers(genotype)),
        ("genotype-nas-bench-301.json", nas_bench_301(genotype)),
    ];
    forms.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

/// Eight pairs a cell. Only cells with two edges at each node have it.
fn flat(genotype: &Genotype) -> Option<String> {
    let cell = |cell: &Cell| {
        let pair = |edge: &Edge| format!("('{}', {})", edge.operation, edge.input);
        let pairs: Vec<String> = cell.nodes.iter().flatten().map(pair).collect();
        has_two_edges_a_node(cell).then(|| pairs.join(", "))
    };
    let (normal, reduce) = (cell(&genotype.normal)?, cell(&genotype.reduce)?);
    let concat = "[2, 3, 4, 5]";
    Some(format!(
        "Genotype(normal=[{normal}], normal_concat={concat}, reduce=[{reduce}], reduce_concat={concat})\n"
    ))
}

fn has_two_edges_a_node(cell: &Cell) -> bool {
    cell.nodes.iter().all(|edges| edges.len() == 2)
}

/// The fields of the nested form as JSON.
fn json(genotype: &Genotype) -> String {
    let cell = |cell: &Cell| {
        let edge = |edge: &Edge| format!("[\"{}\", {}]", edge.operation, edge.input);
        let node =
            |edges: &Vec<Edge>| format!("    [{}]", edges.iter().map(edge).collect::<Vec<_>>().join(", "));
        cell.nodes.iter().map(node).collect::<Vec<_>>().join(",\n")
    };
    let (normal, reduce) = (cell(&genotype.normal), cell(&genotype.reduce));
    let concat = "[2, 3, 4, 5]";
    format!(
        "{{\n  \"normal\": [\n{normal}\n  ],\n  \"normal_concat\": {concat},\n  \"reduce\": [\n{reduce}\n  ],\n  \
         \"reduce_concat\": {concat}\n}}\n"
    )
}

/// The operation of each edge of a fully connected cell, by its number; 7 where there is none.
fn operations(cell: &Cell) -> [Operation; EDGES] {
    let mut operations = [Operation::None; EDGES];
    for (node, edges) in cell.nodes.iter().enumerate() {
        let first = edges_into(node).start;
        for edge in edges {
            operations[first + edge.input] = edge.operation;
        }
    }
    operations
}

/// 28 integers, of which each is an edge.
fn integers(genotype: &Genotype) -> Option<String> {
    let number = |operation: Operation| Operation::ALL.iter().position(|known| *known == operation);
    let all = [&genotype.normal, &genotype.reduce].into_iter().flat_map(operations);
    let words: Vec<String> =
        all.map(|operation| Some(number(operation)?.to_string())).collect::<Option<_>>()?;
    Some(format!("{}\n", words.join(" ")))
}

/// A configuration of NAS-Bench-301. Only cells with two edges at each node, those of the first from both inputs, and no `none`
/// have one.
fn nas_bench_301(genotype: &Genotype) -> Option<String> {
    let mut lines = Vec::new();
    for (name, cell) in [("normal", &genotype.normal), ("reduce", &genotype.reduce)] {
        let is_none = |edge: &Edge| edge.operation == Operation::None;
        if !has_two_edges_a_node(cell) || cell.nodes.iter().flatten().any(is_none) {
            return None;
        }
        for (edge, operation) in operations(cell).into_iter().enumerate() {
            if operation != Operation::None {
                lines.push(format!("  \"{NAS_BENCH_301}edge_{name}_{edge}\": \"{operation}\""));
            }
        }
        for (node, edges) in cell.nodes.iter().enumerate().take(NODES).skip(1) {
            let (first, second) = (edges[0].input, edges[1].input);
            let (low, high) = (first.min(second), first.max(second));
            lines
                .push(format!("  \"{NAS_BENCH_301}inputs_node_{name}_{}\": \"{low}_{high}\"", INPUTS + node));
        }
    }
    Some(format!("{{\n{}\n}}\n", lines.join(",\n")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample::architectures;

    #[test]
    fn every_form_is_read_as_the_same_architecture() {
        let mut genotypes = architectures(1, 50);
        genotypes.push("DARTS_V2".parse().unwrap());
        for genotype in genotypes {
            let files = files(&genotype.clone().into());
            assert_eq!(files.len(), 5);
            for (name, text) in files {
                let read: Genotype = text.parse().unwrap();
                assert_eq!(read.canonical(), genotype.canonical(), "{name}: {text}");
            }
        }
    }

    #[test]
    fn a_dense_cell_has_no_form_of_two_edges_a_node() {
        let mut genotype: Genotype = "DARTS_V2".parse().unwrap();
        genotype.reduce.nodes[2].push(Edge { input: 3, operation: Operation::SepConv3x3 });
        genotype.normal.nodes[0].clear();
        let files = files(&genotype.clone().into());
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["genotype.txt", "genotype.json", "genotype-integers.txt"]);
        for (name, text) in files {
            assert_eq!(text.parse::<Genotype>().unwrap().canonical(), genotype.canonical(), "{name}");
        }
    }
}
