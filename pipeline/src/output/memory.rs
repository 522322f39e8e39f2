//! The memory plan of a training, as a table or one JSON object.

use kernels::MemoryPlan;
use serde::Serialize;

use super::format;
use super::table::{Align, Table};
use crate::error::Error;

#[derive(Serialize)]
struct MemoryJson<'a> {
    device: &'a str,
    total_bytes: u64,
    activations_bytes: u64,
    unshared_bytes: u64,
    evaluation_bytes: u64,
    state_bytes: u64,
    gradients_bytes: u64,
    scratch_bytes: u64,
    data_bytes: u64,
    buffers: u64,
    calls: u64,
}

/// Prints the memory plan of one training; `heading` says of what.
pub(crate) fn print(plan: &MemoryPlan, heading: &str, device: &str, json: bool) -> Result<(), Error> {
    if json {
        return super::json(&MemoryJson {
            device,
            total_bytes: plan.total(),
            activations_bytes: plan.activations,
            unshared_bytes: plan.unshared,
            evaluation_bytes: plan.evaluation,
            state_bytes: plan.state,
            gradients_bytes: plan.gradients,
            scratch_bytes: plan.scratch,
            data_bytes: plan.data,
            buffers: plan.buffers,
            calls: plan.calls,
        });
    }
    let mut table =
        Table::new(&[("memory", Align::Left), ("planned", Align::Right), ("what", Align::Left)], 2);
    let mut row = |name: &str, bytes: u64, what: &str| {
        table.row(vec![name.to_owned(), format::large(bytes as f64, "B"), what.to_owned()]);
    };
    let shared = format!(
        "of a step with their gradients, at their peak; {} without sharing",
        format::large(plan.unshared as f64, "B")
    );
    row("activations", plan.activations, &shared);
    if plan.evaluation > 0 {
        row("evaluation", plan.evaluation, "activations of a batch that is only scored");
    }
    row("state", plan.state, "weights, momentum, normalisations");
    row("gradients", plan.gradients, "of the weights");
    row("scratch", plan.scratch, "of threads and sums");
    row("total", plan.total(), "");
    row("images", plan.data, "shared by all trainings of a run, not in the total");
    super::result(&format!(
        "{heading}\n  nothing was trained; on {device} a step would be\n  {} on {}\n\n{table}",
        format::plural(plan.calls, "kernel call"),
        format::plural(plan.buffers, "buffer"),
    ))
}
