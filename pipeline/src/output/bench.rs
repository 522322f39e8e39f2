//! What a device's measurements say: control rows, speeds, kernels, and how long trainings would take.

use std::collections::BTreeMap;

use serde::Serialize;
use stages::echo::shown;

use super::format;
use super::operations::{self, Operation};
use super::table::{Align, Table};
use crate::error::Error;

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Bench {
    pub(crate) device: String,
    pub(crate) control: Control,
    pub(crate) genotype: String,
    pub(crate) data: String,
    pub(crate) budgets: Vec<Row>,
    /// Every operation there is; none where budgets were asked for.
    pub(crate) operations: Vec<Operation>,
    pub(crate) paper: Option<Paper>,
}

/// The control rows: what bounds a processor, and what bounds a GPU, which counts bytes as read and as written.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Control {
    Processor(Processor),
    Gpu { copied_bytes_per_second: f64 },
}

/// The control rows of a processor.
#[derive(Serialize)]
pub(crate) struct Processor {
    pub(crate) threads: usize,
    pub(crate) flops_per_second_one_thread: f64,
    pub(crate) flops_per_second: f64,
    pub(crate) copied_bytes_per_second: f64,
}

impl Control {
    /// Threads of a processor.
    pub(crate) fn threads(&self) -> Option<usize> {
        match self {
            Self::Processor(processor) => Some(processor.threads),
            Self::Gpu { .. } => None,
        }
    }

    /// FLOPs a second, where that was measured.
    pub(crate) fn peak(&self) -> Option<f64> {
        match self {
            Self::Processor(processor) => Some(processor.flops_per_second),
            Self::Gpu { .. } => None,
        }
    }
}

/// One budget, measured, or not because it would have taken too long.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) budget: String,
    pub(crate) values: String,
    #[serde(flatten)]
    pub(crate) measured: Option<Measured>,
    /// Seconds that one step was expected to take, where that was too long to measure.
    pub(crate) skipped_step_seconds: Option<f64>,
}

/// What was measured of a budget.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) images_per_second: f64,
    pub(crate) steps: u64,
    pub(crate) flops_per_image: u64,
    pub(crate) flops_per_second: f64,
    /// Of the control row's multiply-adds on all threads.
    pub(crate) share_of_peak: Option<f64>,
    pub(crate) memory_bytes: u64,
    /// Of as many architectures as the paper trains, on as many images.
    pub(crate) trainings: u64,
    pub(crate) trainings_seconds: f64,
    pub(crate) kernels: Option<Kernels>,
}

/// Kernels of one step, while they were timed.
#[derive(Serialize)]
pub(crate) struct Kernels {
    pub(crate) step_ms: f64,
    /// Milliseconds of all threads together, by kind; on a GPU by kernel.
    pub(crate) kinds: Vec<Kind>,
    /// What is left of the threads' time: waiting for each other, and everything between kernels. Not known of a GPU, which
    /// waits between steps while its kernels are timed.
    pub(crate) between_ms: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct Kind {
    pub(crate) kind: &'static str,
    pub(crate) ms: f64,
}

/// What the paper's whole plan would take.
#[derive(Serialize)]
pub(crate) struct Paper {
    pub(crate) architectures: u64,
    pub(crate) images: u64,
    pub(crate) drawn_budgets: u64,
    pub(crate) trainings: u64,
    pub(crate) seconds: f64,
}

/// Prints it.
pub(crate) fn print(bench: &Bench, json: bool) -> Result<(), Error> {
    if json {
        return super::json(bench);
    }
    let control = match &bench.control {
        Control::Processor(processor) => processor_rows(processor),
        Control::Gpu { copied_bytes_per_second } => {
            format!("  copies {:.1} GB/s, counted as read and as written\n", copied_bytes_per_second * 1e-9)
        }
    };
    let mut parts = vec![
        format!("{}\n{control}", super::heading(&bench.device)),
        format!("\n{}, {} images\n{}", shown(&bench.genotype), bench.data, speeds(bench)),
    ];
    for row in &bench.budgets {
        let Some(seconds) = row.skipped_step_seconds else { continue };
        let (name, about) = (&row.budget, format::about(seconds as u64));
        parts.push(format!(
            "  {name}: left out, a step would take about {about}; --budget {name} measures it\n"
        ));
    }
    if let Some(table) = kernels(&bench.budgets) {
        let of = match &bench.control {
            Control::Processor(_) => "all threads' time",
            Control::Gpu { .. } => "all kernels' time",
        };
        parts.push(format!("\nKernels of a step: share of {of}, milliseconds\n{table}"));
    }
    parts.extend(operations::table(&bench.operations, &bench.control));
    if let Some(paper) = &bench.paper {
        parts.push(format!(
            "\nThe paper's plan: {} architectures fully and under {} drawn budgets, {} images an epoch\n  {} in about {}, one after the other\n",
            paper.architectures,
            paper.drawn_budgets,
            format::count(paper.images),
            format::plural(paper.trainings, "training"),
            format::about(paper.seconds as u64)
        ));
    }
    super::result(&parts.concat())
}

fn processor_rows(control: &Processor) -> String {
    let gflops = |flops: f64| format!("{:.1} GFLOP/s", flops * 1e-9);
    let mut table =
        Table::new(&[("control", Align::Left), ("1 thread", Align::Right), ("all threads", Align::Right)], 2);
    table.row(vec![
        "multiply-adds in registers".to_owned(),
        gflops(control.flops_per_second_one_thread),
        gflops(control.flops_per_second),
    ]);
    let copied = format!("{:.1} GB/s", control.copied_bytes_per_second * 1e-9);
    table.row(vec!["copy through memory".to_owned(), copied, String::new()]);
    table.to_string()
}

fn speeds(bench: &Bench) -> Table {
    let many = bench.budgets.iter().find_map(|row| Some(row.measured.as_ref()?.trainings)).unwrap_or(0);
    let trainings = format::plural(many, "training");
    let mut table = Table::new(
        &[
            ("budget", Align::Left),
            ("images/s", Align::Right),
            ("GFLOP/s", Align::Right),
            ("of peak", Align::Right),
            ("memory", Align::Right),
            (&trainings, Align::Right),
        ],
        2,
    );
    for row in &bench.budgets {
        let Some(measured) = &row.measured else { continue };
        table.row(vec![
            row.budget.clone(),
            speed(measured.images_per_second),
            format!("{:.1}", measured.flops_per_second * 1e-9),
            measured.share_of_peak.map_or_else(|| "-".to_owned(), format::percent),
            format::large(measured.memory_bytes as f64, "B"),
            format::about(measured.trainings_seconds as u64),
        ]);
    }
    table
}

/// Images a second: whole ones where there are many.
fn speed(images_per_second: f64) -> String {
    if images_per_second < 99.5 {
        format!("{images_per_second:.1}")
    } else {
        format::count(images_per_second.round() as u64)
    }
}

/// A row for each kind of kernel, a column for each budget; the dearest first, in the first budget.
fn kernels(rows: &[Row]) -> Option<Table> {
    let measured: Vec<(&str, &Kernels)> = rows
        .iter()
        .filter_map(|row| Some((row.budget.as_str(), row.measured.as_ref()?.kernels.as_ref()?)))
        .collect();
    let (_, first) = measured.first()?;
    let mut order: BTreeMap<&str, f64> = BTreeMap::new();
    for (_, kernels) in measured.iter().rev() {
        order.extend(kernels.kinds.iter().map(|kind| (kind.kind, 0.0)));
    }
    order.extend(first.kinds.iter().map(|kind| (kind.kind, kind.ms)));
    let mut kinds: Vec<(&str, f64)> = order.into_iter().collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
    let headings: Vec<(&str, Align)> = std::iter::once(("kernel", Align::Left))
        .chain(measured.iter().map(|(name, _)| (*name, Align::Right)))
        .collect();
    let mut table = Table::new(&headings, 2);
    let mut row = |name: &str, of: &dyn Fn(&Kernels) -> Option<f64>| {
        let cell = |kernels: &Kernels| {
            let all =
                kernels.between_ms.unwrap_or(0.0) + kernels.kinds.iter().map(|kind| kind.ms).sum::<f64>();
            of(kernels).map_or_else(|| "-".to_owned(), |ms| format!("{:.1}%  {ms:>6.2}", 100.0 * ms / all))
        };
        let cells = measured.iter().map(|(_, kernels)| cell(kernels));
        table.row(std::iter::once(name.to_owned()).chain(cells).collect());
    };
    for (name, _) in kinds {
        row(name, &|kernels| kernels.kinds.iter().find(|kind| kind.kind == name).map(|kind| kind.ms));
    }
    if measured.iter().any(|(_, kernels)| kernels.between_ms.is_some()) {
        row("between kernels", &|kernels| kernels.between_ms);
    }
    Some(table)
}
