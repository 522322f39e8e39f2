//! A supernet under a budget: in every cell all 14 edges, each a mixture of operations, with weights that cells of a
//! kind share.
//!
//! Stem, inputs of cells and classifier are those of the evaluation network. Nothing has scales and shifts behind its
//! normalisation, not the stem either; there is no auxiliary head, and drop path, if any, on skip connections only.

use kernels::{Draw, Graph, Group, Mixture, PoolKind, PoolSpec, Shape, Term, ValueId};

use crate::genotype::{EDGES, INPUTS, NODES, Operation};
use crate::network::layers::{self, CellPlace, Normalise};
use crate::recipe::Skeleton;
use crate::{Budget, Error};

/// Names of the parameters of the mixtures of normal and of reduction cells, as DARTS's code has them.
pub(super) const MIXTURES: [&str; 2] = ["alphas_normal", "alphas_reduce"];
/// Those of the weights of a node's edges, which the node's number follows.
const EDGE_MIXTURES: [&str; 2] = ["betas_normal", "betas_reduce"];

/// Layers have no scales and shifts: weights of a mixture would do their work.
const NORMALISE: Normalise = Graph::batch_norm_plain;

/// Operations of each edge of a cell, in the order of [`Operation::ALL`]; all edges have as many.
pub(super) type Choices = Vec<Vec<Operation>>;

/// What a supernet is built of, beside its budget.
pub(super) struct Plan {
    /// Of normal and of reduction cells.
    pub(super) choices: [Choices; 2],
    /// How mixtures are drawn, if they are.
    pub(super) draw: Option<Draw>,
    /// One of so many channels goes through the mixtures.
    pub(super) channel_parts: usize,
    /// Whether the edges of a node are weighed too.
    pub(super) weighs_edges: bool,
    /// Whether drop path applies to skip connections.
    pub(super) drops_skips: bool,
    /// Whether the architecture is trained with the weights, and not as a group of its own.
    pub(super) is_one_group: bool,
}

/// A supernet, and the group of its architecture.
pub(super) struct Supernet {
    pub(super) graph: Graph,
    pub(super) architecture: Group,
}

/// The mixtures of a kind of cell.
struct CellMixtures {
    operations: Mixture,
    /// Of the edges of each node; none where they are not weighed.
    edges: Vec<Mixture>,
}

/// Names of the parameters that weigh edges of normal and of reduction cells, by node.
pub(super) fn edge_mixtures() -> [[String; NODES]; 2] {
    EDGE_MIXTURES.map(|name| std::array::from_fn(|node| format!("{name}.{node}")))
}

/// Builds the supernet for images of `channels` colour channels and `classes` classes.
pub(super) fn build(
    budget: &Budget,
    plan: &Plan,
    channels: usize,
    classes: usize,
) -> Result<Supernet, Error> {
    build_layers(budget, plan, channels, classes).map_err(|error| Error::Budget {
        place: format!("a supernet under budget `{budget}`"),
        problem: error.to_string(),
    })
}

fn build_layers(
    budget: &Budget,
    plan: &Plan,
    channels: usize,
    classes: usize,
) -> Result<Supernet, kernels::Error> {
    let size = budget.image_size as usize;
    let (mut graph, image) = Graph::new(Shape::new(channels, size, size), classes);
    let architecture = if plan.is_one_group { Group::WEIGHTS } else { graph.group() };
    let mixtures = graph.in_group(architecture, |graph| mixtures(graph, plan))?;
    let logits = layers::stack(
        &mut graph,
        image,
        (budget, Skeleton::Cifar),
        classes,
        NORMALISE,
        |graph, place, outputs| {
            let kind = usize::from(place.reduction);
            let edges = Edges { plan, choices: &plan.choices[kind], mixtures: &mixtures[kind] };
            edges.cell(graph, place, outputs)
        },
    )?;
    graph.head(logits, 1.0)?;
    Ok(Supernet { graph, architecture })
}

fn mixtures(graph: &mut Graph, plan: &Plan) -> Result<[CellMixtures; 2], kernels::Error> {
    let of_edges = edge_mixtures();
    let mut of_cell = |kind: usize| {
        let choices = plan.choices[kind].first().map_or(0, Vec::len);
        let operations = match plan.draw {
            None => graph.mixture(MIXTURES[kind], EDGES, choices)?,
            Some(draw) => graph.drawn_mixture(MIXTURES[kind], EDGES, choices, draw)?,
        };
        let weighed = if plan.weighs_edges { NODES } else { 0 };
        let edges = (0..weighed).map(|node| graph.mixture(&of_edges[kind][node], 1, INPUTS + node));
        Ok(CellMixtures { operations, edges: edges.collect::<Result<_, kernels::Error>>()? })
    };
    Ok([of_cell(0)?, of_cell(1)?])
}

/// What the edges of a cell are made of.
struct Edges<'a> {
    plan: &'a Plan,
    choices: &'a Choices,
    mixtures: &'a CellMixtures,
}

impl Edges<'_> {
    /// Nodes that sum an edge from each input and each node before; concatenated.
    fn cell(
        &self,
        graph: &mut Graph,
        place: &CellPlace,
        outputs: [ValueId; INPUTS],
    ) -> Result<ValueId, kernels::Error> {
        let name = &place.name;
        let mut states = layers::inputs(graph, place, outputs, NORMALISE)?.to_vec();
        let concat = graph.concat(NODES, place.node(graph.shape(states[1])));
        let mut edge = 0;
        for node in 0..NODES {
            let mut terms = Vec::new();
            for (input, &state) in states.iter().enumerate() {
                let name = format!("{name}.edges.{edge}");
                let stride = place.stride(input);
                let weight = self.mixtures.edges.get(node).map(|&mixture| (mixture, 0, input));
                if self.plan.channel_parts > 1 {
                    let value = self.partial(graph, &name, edge, state, stride)?;
                    terms.push(Term { value, drop: false, weight });
                } else {
                    terms.extend(self.terms(graph, &name, edge, state, stride)?);
                }
                edge += 1;
            }
            states.push(graph.weighted_sum(&format!("{name}.nodes.{node}"), &terms, concat, node)?);
        }
        graph.concat_value(concat)
    }

    /// An edge's operations with their weights. A `none` gives zero, and has a weight all the same.
    fn terms(
        &self,
        graph: &mut Graph,
        name: &str,
        edge: usize,
        input: ValueId,
        stride: usize,
    ) -> Result<Vec<Term>, kernels::Error> {
        let choices = self.choices[edge].iter().enumerate();
        let term = |(choice, &operation): (usize, &Operation)| {
            let name = format!("{name}.{operation}");
            let weight = (self.mixtures.operations, edge, choice);
            let value = graph.serving(&name, weight, |graph| {
                layers::operation(graph, &name, operation.into(), input, stride, NORMALISE)
            })?;
            let drop = self.plan.drops_skips && operation == Operation::SkipConnect;
            Ok(Term { value, drop, weight: Some(weight) })
        };
        choices.filter(|(_, operation)| **operation != Operation::None).map(term).collect()
    }

    /// An edge that mixes operations of a part of the channels only; the others pass, halved where the edge halves,
    /// and all are shuffled.
    fn partial(
        &self,
        graph: &mut Graph,
        name: &str,
        edge: usize,
        input: ValueId,
        stride: usize,
    ) -> Result<ValueId, kernels::Error> {
        let width = graph.shape(input).channels;
        let part = width / self.plan.channel_parts;
        let mixed = graph.slice(input, 0, part)?;
        let terms = self.terms(graph, name, edge, mixed, stride)?;
        let mut rest = graph.slice(input, part, width - part)?;
        if stride > 1 {
            // An odd side is halved upwards, as the operations halve it.
            let is_odd = graph.shape(rest).height % 2 == 1;
            let (kernel, padding) = if is_odd { (3, 1) } else { (2, 0) };
            let halve = PoolSpec { kind: PoolKind::Max, kernel, stride, padding };
            rest = graph.pool_with(&format!("{name}.rest"), rest, halve)?;
        }
        let concat = graph.concat(1, graph.shape(rest).with_channels(part));
        let mixed = graph.weighted_sum(&format!("{name}.mixed"), &terms, concat, 0)?;
        let both = graph.concatenate(&format!("{name}.both"), &[mixed, rest])?;
        graph.shuffle_channels(&format!("{name}.shuffled"), both, self.plan.channel_parts)
    }
}
