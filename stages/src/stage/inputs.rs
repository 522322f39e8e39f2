//! How nodes are connected: a handle to the output of an earlier node, which knows the type of that output.
//!
//! A stage holds the handles of what it reads, so that a graph in which it reads something else does not compile.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use cache::codec;
use serde::de::DeserializeOwned;

use super::StageError;

/// The output of an earlier node of the graph, of type `T`.
pub struct Handle<T> {
    node: usize,
    output: PhantomData<fn() -> T>,
}

impl<T> Handle<T> {
    /// The output of the graph's node number `node`. Only who adds a node to a graph knows that its output is a `T`.
    pub const fn new(node: usize) -> Self {
        Self { node, output: PhantomData }
    }

    /// The node's number.
    pub const fn node(self) -> usize {
        self.node
    }

    /// The input that the output is for a stage. Keys are made from roles: renaming one makes every output stale.
    pub const fn role(self, role: &'static str) -> Input {
        Input { role, node: self.node }
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.node).finish()
    }
}

/// An input of a node: the role that it has for the stage, and the node whose output it is. Roles may repeat: `trials` of
/// round 1, then of round 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// What the input is for the stage; part of the key.
    pub role: &'static str,
    /// The node's number in the graph.
    pub node: usize,
}

/// The outputs of a node's inputs.
#[derive(Clone, Default)]
pub struct Inputs {
    outputs: Vec<Output>,
}

#[derive(Clone)]
struct Output {
    node: usize,
    name: String,
    bytes: Arc<[u8]>,
}

impl Inputs {
    /// Adds the output of node number `node`, whose name is for messages.
    pub fn push(&mut self, node: usize, name: &str, bytes: Arc<[u8]>) {
        self.outputs.push(Output { node, name: name.to_owned(), bytes });
    }

    /// The output behind a handle.
    ///
    /// # Errors
    /// [`StageError::Unreadable`] when its bytes are not a `T`: the stage that wrote them changed without raising its version.
    /// [`StageError::Undeclared`] when the stage does not list the handle among its inputs.
    pub fn read<T: DeserializeOwned>(&self, handle: Handle<T>) -> Result<T, StageError> {
        let output = self.output(handle)?;
        decode(&output.name, &output.bytes)
    }

    /// The output behind a handle, where there is a handle.
    ///
    /// # Errors
    /// As [`Inputs::read`].
    pub fn read_optional<T: DeserializeOwned>(
        &self,
        handle: Option<Handle<T>>,
    ) -> Result<Option<T>, StageError> {
        handle.map(|handle| self.read(handle)).transpose()
    }

    /// The outputs behind handles, in their order.
    ///
    /// # Errors
    /// As [`Inputs::read`].
    pub fn read_all<T: DeserializeOwned>(&self, handles: &[Handle<T>]) -> Result<Vec<T>, StageError> {
        handles.iter().map(|&handle| self.read(handle)).collect()
    }

    /// The one element of the list behind a handle.
    ///
    /// # Errors
    /// As [`Inputs::read`], and [`StageError::Unexpected`] when there are more of them or none.
    pub fn read_only<T: DeserializeOwned>(&self, handle: Handle<Vec<T>>) -> Result<T, StageError> {
        let mut list = self.read(handle)?;
        match (list.pop(), list.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(self.unexpected(handle, "is not a list of one element")),
        }
    }

    /// An error that says what is wrong with the output behind a handle.
    pub fn unexpected<T>(&self, handle: Handle<T>, problem: &'static str) -> StageError {
        match self.output(handle) {
            Ok(output) => StageError::Unexpected { node: output.name.clone(), problem },
            Err(undeclared) => undeclared,
        }
    }

    fn output<T>(&self, handle: Handle<T>) -> Result<&Output, StageError> {
        let found = self.outputs.iter().find(|output| output.node == handle.node);
        found.ok_or(StageError::Undeclared { node: handle.node })
    }
}

/// Reads the output of node `node`.
///
/// # Errors
/// [`StageError::Unreadable`] when the bytes are not a `T`.
pub fn decode<T: DeserializeOwned>(node: &str, bytes: &[u8]) -> Result<T, StageError> {
    codec::decode(bytes).map_err(|source| StageError::Unreadable { node: node.to_owned(), source })
}
