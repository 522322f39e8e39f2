//! What each operation takes on a device: its time, its rates, and what share they are of what bounds the device.

use kernels::OperationTime;
use serde::Serialize;

use super::bench::Control;
use super::format;
use super::table::{Align, Table};

/// One operation of a training step, forward and backward.
#[derive(Serialize)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// What it read of one image.
    pub(crate) size: String,
    pub(crate) images: usize,
    pub(crate) ms: f64,
    /// None of what moves memory only.
    pub(crate) flops_per_second: Option<f64>,
    /// Of the control row's multiply-adds on one thread; not known of a GPU.
    pub(crate) share_of_peak: Option<f64>,
    /// Bytes that are read and written; none of what reads and writes no tensor.
    pub(crate) bytes_per_second: Option<f64>,
    /// Of the control row's copies, which read and write: more than all where caches hold what is read.
    pub(crate) share_of_copy: Option<f64>,
}

impl Operation {
    /// Of a time that was measured on one thread, or on a GPU.
    pub(crate) fn new(time: OperationTime, control: &Control) -> Self {
        let OperationTime { operation: name, size, images, seconds, flops, bytes } = time;
        let rate = |count: u64| (count > 0 && seconds > 0.0).then(|| count as f64 / seconds);
        let (flops_per_second, bytes_per_second) = (rate(flops), rate(bytes));
        let (peak, copies) = match control {
            Control::Processor(processor) => (
                Some(processor.flops_per_second_one_thread),
                // Counted once there.
                2.0 * processor.copied_bytes_per_second,
            ),
            Control::Gpu { copied_bytes_per_second } => (None, *copied_bytes_per_second),
        };
        Self {
            name,
            size,
            images,
            ms: seconds * 1e3,
            flops_per_second,
            share_of_peak: flops_per_second.zip(peak).map(|(rate, peak)| rate / peak),
            bytes_per_second,
            share_of_copy: bytes_per_second.map(|rate| rate / copies),
        }
    }
}

/// A row an operation; nothing without any.
pub(super) fn table(operations: &[Operation], control: &Control) -> Option<String> {
    let images = operations.first()?.images;
    let on = match control {
        Control::Processor(_) => "on one thread, ",
        Control::Gpu { .. } => "",
    };
    let mut table = Table::new(
        &[
            ("operation", Align::Left),
            ("of an image", Align::Right),
            ("ms", Align::Right),
            ("GFLOP/s", Align::Right),
            ("of peak", Align::Right),
            ("GB/s", Align::Right),
            ("of copies", Align::Right),
        ],
        2,
    );
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1}", rate * 1e-9));
    let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), format::percent);
    for operation in operations {
        table.row(vec![
            operation.name.to_owned(),
            operation.size.clone(),
            format!("{:.3}", operation.ms),
            rate(operation.flops_per_second),
            share(operation.share_of_peak),
            rate(operation.bytes_per_second),
            share(operation.share_of_copy),
        ]);
    }
    Some(format!("\nOperations, forward and backward, {on}{images} images\n{table}"))
}
