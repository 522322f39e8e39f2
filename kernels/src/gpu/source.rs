//! WGSL of one specialisation: constants, job record and slots, put in front of a kernel's plain text.

use std::fmt::Write;
use std::sync::Arc;

use super::device::{JOB_WINDOW, PACKED};

/// A kernel's files, in order; the last holds its entry point.
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) files: &'static [&'static str],
    /// Invocations of a workgroup.
    pub(super) workgroup: u32,
}

macro_rules! kernels {
    ($($constant:ident = $name:literal, $workgroup:literal, [$($helper:literal),*];)*) => {
        $(pub(super) const $constant: Kernel = Kernel {
            name: $name,
            files: &[
                include_str!("wgsl/common.wgsl"),
                $(include_str!(concat!("wgsl/", $helper, ".wgsl")),)*
                include_str!(concat!("wgsl/", $name, ".wgsl")),
            ],
            workgroup: $workgroup,
        };)*
    };
}

kernels! {
    LOAD_IMAGES = "load_images", 64, ["rng"];
    DRAW_DROP_PATH = "draw_drop_path", 64, ["rng"];
    CONVOLVE = "convolve", 64, ["input"];
    DEPTHWISE = "depthwise", 64, ["input"];
    POOL = "pool", 64, ["input"];
    NORM_STATISTICS = "norm_statistics", 256, [];
    NORM_RUNNING = "norm_running", 64, [];
    NODE_SUM = "node_sum", 64, [];
    WINDOW_AVERAGE = "window_average", 64, ["input"];
    CROSS_ENTROPY = "cross_entropy", 64, [];
    NORM_GRADIENT = "norm_gradient", 256, ["gradient"];
    CONVOLVE_INPUT_GRADIENT = "convolve_input_gradient", 64, ["input", "gradient", "sink"];
    WEIGHT_PARTIALS = "weight_partials", 64, ["input", "gradient"];
    BIAS_GRADIENT = "bias_gradient", 64, ["gradient"];
    DEPTHWISE_INPUT_GRADIENT = "depthwise_input_gradient", 64, ["input", "sink"];
    DEPTHWISE_WEIGHT_PARTIALS = "depthwise_weight_partials", 64, ["input"];
    SUM_PARTIALS = "sum_partials", 64, [];
    POOL_BACKWARD = "pool_backward", 64, ["gradient", "sink"];
    EDGE_BACKWARD = "edge_backward", 64, ["gradient", "sink"];
    WINDOW_AVERAGE_BACKWARD = "window_average_backward", 64, ["input", "sink"];
    GRADIENT_NORM = "gradient_norm", 256, [];
    UPDATE = "update", 256, [];
}

/// What the elements of a slot are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotKind {
    /// Activations, four lanes an element.
    Lanes,
    /// 32-bit words.
    Words,
}

/// A constant of a specialisation.
#[derive(Clone, Debug)]
pub(super) enum Const {
    Uint(usize),
    Bool(bool),
    Float(f32),
    Uints(Vec<usize>),
}

/// The text of a specialisation, which is also what identifies it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    kernel: &'static str,
    text: Arc<str>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Source {}

impl std::hash::Hash for Source {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// One training's record of a step: must be the layout of [`StepRecord`](super::run::StepRecord).
const STEP: &str = "struct Step {
    images: u32, first: u32, row: u32, epoch: u32,
    seed: vec2<u32>, labels: u32, learning_rate: f32,
    drop_path: f32, image_set: u32, unused_a: u32, unused_b: u32,
}
";

impl Source {
    /// `fields` are the names of the job record's words, `workgroup` the invocations of a workgroup.
    pub(super) fn new(
        kernel: &Kernel,
        constants: &[(&'static str, Const)],
        fields: &[&'static str],
        slots: &[(&'static str, SlotKind)],
        workgroup: u32,
        half: bool,
    ) -> Self {
        let mut text = String::new();
        let mut constant = |name: &str, value: &Const| {
            let _ = match value {
                Const::Uint(value) => writeln!(text, "const {name}: u32 = {value}u;"),
                Const::Bool(value) => writeln!(text, "const {name}: bool = {value};"),
                Const::Float(value) => writeln!(text, "const {name}: f32 = {value:?};"),
                Const::Uints(values) => {
                    let list: Vec<String> = values.iter().map(|value| format!("{value}u")).collect();
                    writeln!(text, "const {name} = array<u32, {}>({});", values.len(), list.join(", "))
                }
            };
        };
        constant("FLOAT_BITS", &Const::Uint(if half { 16 } else { 32 }));
        constant("WORKGROUP", &Const::Uint(workgroup as usize));
        constant("RECORD", &Const::Uint(super::memory::NORM_RECORD));
        for (name, value) in constants {
            constant(name, value);
        }
        text.push_str(STEP);
        let _ = writeln!(text, "@group(0) @binding(0) var<uniform> steps: array<Step, {PACKED}>;");
        text.push_str("struct Job {\n");
        let padded = fields.len().next_multiple_of(4);
        for field in fields {
            let _ = writeln!(text, "    {field}: u32,");
        }
        for word in fields.len()..padded {
            let _ = writeln!(text, "    padding_{word}: u32,");
        }
        let jobs = JOB_WINDOW as usize / (4 * padded);
        let _ = writeln!(text, "}}\n@group(0) @binding(1) var<uniform> jobs: array<Job, {jobs}>;");
        text.push_str("@group(0) @binding(2) var<storage, read_write> state: array<u32>;\n");
        for (index, (name, kind)) in slots.iter().enumerate() {
            slot(&mut text, index + 3, name, *kind, half);
        }
        kernel.files.iter().for_each(|file| text.push_str(file));
        Self { kernel: kernel.name, text: text.into() }
    }

    pub(super) fn kernel(&self) -> &'static str {
        self.kernel
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Declares a slot with `load_<name>` and `store_<name>`.
fn slot(text: &mut String, binding: usize, name: &str, kind: SlotKind, half: bool) {
    let (element, value, load, store) = match (kind, half) {
        (SlotKind::Words, _) => ("u32", "u32", "word", "value"),
        (SlotKind::Lanes, false) => ("vec4<f32>", "vec4<f32>", "word", "value"),
        (SlotKind::Lanes, true) => (
            "vec2<u32>",
            "vec4<f32>",
            "vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y))",
            "vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw))",
        ),
    };
    let _ = write!(
        text,
        "@group(0) @binding({binding}) var<storage, read_write> slot_{name}: array<{element}>;
fn load_{name}(index: u32) -> {value} {{
    let word = slot_{name}[index];
    return {load};
}}
fn store_{name}(index: u32, value: {value}) {{
    slot_{name}[index] = {store};
}}
"
    );
}
