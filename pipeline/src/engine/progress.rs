//! What the engine tells while it runs. It prints nothing itself.

use super::executor::Size;
use super::manifest::NodeEntry;

/// Listens to a run. All methods may be called from several threads.
pub(crate) trait Progress: Sync {
    /// A node of the graph is about to be computed, for this reason.
    fn node_started(&self, position: usize, nodes: usize, name: &str, reason: &str);

    /// A node was computed, came from the cache, or failed.
    fn node_ended(&self, position: usize, nodes: usize, entry: &NodeEntry);

    /// A node needs trainings: these sizes are to run, and `cached` are remembered.
    fn trainings_started(&self, node: &str, sizes: &[Size], cached: u64);

    /// Something that a person should know, as one sentence.
    fn note(&self, text: &str);

    /// Trainings moved on by so many images and floating point operations.
    fn images(&self, images: u64, flops: u64);

    /// So many floating point operations need not be done here: others did them, or this process before it was stopped.
    fn skipped(&self, flops: u64);

    /// One training ended; `failure` says why when it gave no result.
    fn training_ended(&self, failure: Option<&str>);

    /// So many trainings are left that other processes run; their results are waited for.
    fn waiting(&self, trainings: usize);

    /// All trainings of the node have ended.
    fn trainings_ended(&self);
}
