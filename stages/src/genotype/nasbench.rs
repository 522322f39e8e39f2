//! NAS-Bench-301 dictionaries: `…:edge_normal_K` names the operation of edge K (node-major, as in the integer form), and
//! `…:inputs_node_normal_3` (`"0_1"`, say) the two inputs of a node. Node 2 always reads both inputs of the cell.
//!
//! Real files carry many other settings around these keys, so only keys that end in one of the two forms are read.

use super::lexer::{Placed, Token};
use super::parser::{Wrong, operation, wrong};
use super::{EDGES, Edge, Genotype, INPUTS, NODES, Operation};

const EDGE: &str = "edge";

/// What a dictionary says about one cell.
#[derive(Default)]
struct CellEntries<'a> {
    operations: [Option<Operation>; EDGES],
    /// Per node the text such as `"0_1"`, where one is given.
    inputs: [Option<Placed<'a>>; NODES],
}

/// Whether a dictionary with this key is one of NAS-Bench-301's.
pub(super) fn is_key(key: &str) -> bool {
    split_key(key).is_some()
}

/// Reads a dictionary's tokens, whose brackets match.
pub(super) fn genotype(tokens: &[Placed<'_>]) -> Result<Genotype, Wrong> {
    let mut cells = [CellEntries::default(), CellEntries::default()];
    for window in tokens.windows(3) {
        let (Token::Text(key), Token::Mark(':')) = (window[0].token, window[1].token) else { continue };
        let Some((form, cell, number)) = split_key(key) else { continue };
        let entries = &mut cells[cell];
        let duplicate = |is_set: bool| if is_set { Err(wrong(window[0], "each key once")) } else { Ok(()) };
        if form == EDGE {
            let edge = number.filter(|&edge| edge < EDGES);
            let edge = edge.ok_or_else(|| wrong(window[0], "an edge from 0 to 13"))?;
            duplicate(entries.operations[edge].is_some())?;
            entries.operations[edge] = Some(operation(window[2])?);
        } else {
            let node = number.and_then(|node| node.checked_sub(INPUTS)).filter(|&node| node < NODES);
            let node = node.ok_or_else(|| wrong(window[0], "a node from 2 to 5"))?;
            duplicate(entries.inputs[node].is_some())?;
            entries.inputs[node] = Some(window[2]);
        }
    }
    let end = tokens[tokens.len() - 1];
    let mut genotype = Genotype::default();
    for (nodes, entries, name) in
        [(&mut genotype.normal.nodes, &cells[0], "normal"), (&mut genotype.reduce.nodes, &cells[1], "reduce")]
    {
        let mut first_edge = 0;
        for (node, edges) in nodes.iter_mut().enumerate() {
            let number = INPUTS + node;
            let inputs = match entries.inputs[node] {
                Some(text) => node_inputs(text, number)?,
                None if node == 0 => vec![0, 1],
                None => return Err(wrong(end, &format!("the key inputs_node_{name}_{number}"))),
            };
            for input in inputs {
                let operation = entries.operations[first_edge + input].ok_or_else(|| {
                    wrong(
                        end,
                        &format!(
                            "the key edge_{name}_{}, the operation from {input} to {number}",
                            first_edge + input
                        ),
                    )
                })?;
                edges.push(Edge { input, operation });
            }
            first_edge += number;
        }
    }
    Ok(genotype)
}

/// Splits `…edge_normal_K` and `…inputs_node_reduce_K` into (form, cell, K). `None` for any other key.
fn split_key(key: &str) -> Option<(&'static str, usize, Option<usize>)> {
    let (head, number) = key.rsplit_once('_')?;
    let (head, cell) = head.rsplit_once('_')?;
    let cell = ["normal", "reduce"].iter().position(|name| *name == cell)?;
    // The word before may follow any prefix, such as `NetworkSelectorDatasetInfo:darts:`.
    let form = [EDGE, "inputs_node"].into_iter().find(|form| {
        let prefix = head.strip_suffix(form);
        prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with([':', '_']))
    })?;
    Some((form, cell, number.parse().ok()))
}

fn node_inputs(placed: Placed<'_>, node: usize) -> Result<Vec<usize>, Wrong> {
    let inputs: Option<Vec<usize>> = match placed.token {
        Token::Text(text) => text.split('_').map(|input| input.parse().ok()).collect(),
        _ => None,
    };
    inputs
        .filter(|inputs| inputs.iter().all(|&input| input < node))
        .filter(|inputs| (1..inputs.len()).all(|i| !inputs[..i].contains(&inputs[i])))
        .ok_or_else(|| wrong(placed, &format!("different inputs below {node}, written like '0_1'")))
}
