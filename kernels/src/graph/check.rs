//! What a graph as a whole must be, before it is trained. What one operation can see is refused where it is built.

use std::collections::HashSet;

use super::{Call, Graph, Node};
use crate::error::Error;
use crate::program::{AccessKind, Input, Mixed, Program, Resource, Tensor, WorkspaceId};

impl Graph {
    /// # Errors
    /// When the network reads no image or tells no class, has no head, or two of its tensors have one name; or `evaluate`, its
    /// program without what is there in training only, reads what that would write; or something reads what is not there
    /// in every step.
    pub(crate) fn check(&self, evaluate: &Program<dyn Call>) -> Result<(), Error> {
        let refused =
            |op, name: &str, problem: String| Err(Error::BadSize { op, name: name.to_owned(), problem });
        let (input, classes) = (self.tables.input, self.tables.classes);
        if input.elements() == 0 || classes == 0 {
            let problem = format!("images of {input} and {classes} classes: neither can be nothing");
            return refused("network", "input", problem);
        }
        if !self.tables.heads.iter().any(|head| !head.training_only) {
            let problem = "the network has no head; call Graph::head on its logits, outside in_training_only";
            return refused("head", "logits", problem.to_owned());
        }
        let mut names = HashSet::new();
        for param in &self.tables.params {
            if !names.insert(&param.name) {
                return refused("parameter", &param.name, "two layers have this name".to_owned());
            }
        }
        if let Some(problem) = self.nodes.iter().find_map(|node| self.unserved(node)) {
            return refused("mixture", "a value", problem.to_owned());
        }
        match first_unwritten(evaluate) {
            Some(kind) => {
                let problem = "it reads what is there in training only; build both inside in_training_only, or \
                               both outside";
                refused(kind, "evaluation", problem.to_owned())
            }
            None => Ok(()),
        }
    }
}

impl Graph {
    /// What is wrong where an operation reads or writes what is there in other steps than itself.
    fn unserved(&self, Node { op, guard, .. }: &Node) -> Option<&'static str> {
        let of = |tensor: Tensor| self.storages[tensor.storage.0].guard;
        let weights = op.weights().into_iter().chain(std::iter::repeat(None));
        let is_there = |(input, weight): (&Input, Option<Mixed>)| {
            let value = of(input.tensor);
            value.is_none() || value == *guard || value == weight.and_then(Mixed::guard)
        };
        if !op.inputs().iter().zip(weights).all(is_there) {
            return Some(
                "something reads what is not there in every step, as it serves one weight of a mixture; build that in \
                 the same Graph::serving, or read it as a term with the weight",
            );
        }
        if op.output().is_some_and(|output| of(output) != *guard) {
            return Some(
                "a concatenation is written in other steps than it is there; build it and its parts in the same \
                 Graph::serving, or outside",
            );
        }
        let has_weights = op.weights().iter().any(Option::is_some);
        (guard.is_some() && has_weights).then_some(
            "a sum with weights of a mixture serves a weight of one itself; build it outside of Graph::serving",
        )
    }
}

/// The kind of the first call that reads a tensor or a workspace that no call before wrote.
fn first_unwritten(program: &Program<dyn Call>) -> Option<&'static str> {
    let (mut tensors, mut workspaces): (Vec<Tensor>, HashSet<WorkspaceId>) = Default::default();
    for call in program.prologue.iter().chain(&program.calls) {
        let accesses = call.accesses();
        for access in accesses.iter().filter(|access| access.kind == AccessKind::Read) {
            let is_written = match access.resource {
                Resource::Tensor(tensor) => tensors.iter().any(|written| written.overlaps(tensor)),
                Resource::Workspace(id) => workspaces.contains(&id),
                _ => true,
            };
            if !is_written {
                return Some(call.kind());
            }
        }
        for access in accesses {
            match access.resource {
                Resource::Tensor(tensor) if access.kind != AccessKind::Read => tensors.push(tensor),
                Resource::Workspace(id) => drop(workspaces.insert(id)),
                _ => {}
            }
        }
    }
    None
}
