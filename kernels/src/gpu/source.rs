//! WGSL of shaders: a kernel's plain text behind its constants, job record and slots, and several such in one shader.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use super::device::PACKED;
use super::layout::{JOB_WINDOW, NUMBERS, SLOTS, slot_binding};
use super::storage::{Format, ROW};

/// A kernel's files, in order; the last holds its `invoke`.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    /// Kernels that can be one shader, because what they do could be done at the same time: forward passes of edges and nodes,
    /// and what their backward passes make of gradients. Most kernels are alone.
    family: &'static str,
    pub(super) files: &'static [&'static str],
    /// Invocations of a workgroup.
    pub(super) workgroup: u32,
}

/// What every kernel shares.
const COMMON: &str = include_str!("wgsl/common.wgsl");

macro_rules! kernels {
    ($($constant:ident = $name:literal, $family:literal, $workgroup:literal, [$($helper:literal),*];)*) => {
        $(pub(super) const $constant: Kernel = Kernel {
            name: $name,
            family: $family,
            files: &[
                $(include_str!(concat!("wgsl/", $helper, ".wgsl")),)*
                include_str!(concat!("wgsl/", $name, ".wgsl")),
            ],
            workgroup: $workgroup,
        };)*
    };
}

kernels! {
    LOAD_IMAGES = "load_images", "load_images", 64, ["rng"];
    DRAW_DROP_PATH = "draw_drop_path", "draw_drop_path", 64, ["rng"];
    ARRANGE_WEIGHTS = "arrange_weights", "arrange_weights", 64, [];
    CONVOLVE = "convolve", "forward", 64, ["input"];
    DEPTHWISE = "depthwise", "forward", 64, ["input"];
    POOL = "pool", "forward", 64, ["input"];
    NORM_STATISTICS = "norm_statistics", "norm_statistics", 256, [];
    NORM_RUNNING = "norm_running", "norm_running", 64, [];
    NODE_SUM = "node_sum", "forward", 64, [];
    WINDOW_AVERAGE = "window_average", "forward", 64, ["input"];
    CROSS_ENTROPY = "cross_entropy", "cross_entropy", 64, [];
    NORM_GRADIENT = "norm_gradient", "norm_gradient", 256, ["gradient"];
    CONVOLVE_INPUT_GRADIENT = "convolve_input_gradient", "backward", 64, ["input", "gradient", "sink"];
    WEIGHT_PARTIALS = "weight_partials", "backward", 64, ["input", "gradient"];
    BIAS_GRADIENT = "bias_gradient", "backward", 64, ["gradient"];
    DEPTHWISE_INPUT_GRADIENT = "depthwise_input_gradient", "backward", 64, ["input", "sink"];
    DEPTHWISE_WEIGHT_PARTIALS = "depthwise_weight_partials", "backward", 64, ["input"];
    SUM_PARTIALS = "sum_partials", "sum_partials", 64, [];
    POOL_BACKWARD = "pool_backward", "backward", 64, ["gradient", "sink"];
    EDGE_BACKWARD = "edge_backward", "backward", 64, ["gradient", "sink"];
    WINDOW_AVERAGE_BACKWARD = "window_average_backward", "backward", 64, ["input", "sink"];
    GRADIENT_NORM = "gradient_norm", "gradient_norm", 256, [];
    UPDATE = "update", "update", 256, [];
}

/// What the elements of a slot are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// A kernel with its constants, job record and slots. Its text is also what identifies it.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    kernel: &'static Kernel,
    workgroup: u32,
    format: Format,
    /// Slots that it binds, by number.
    slots: Vec<(usize, SlotKind)>,
    /// Quads of words of its job record.
    quads: usize,
    text: Arc<str>,
}

/// A shader: one variant, or several among which each job chooses.
#[derive(Clone, Debug)]
pub(super) struct Source {
    kernel: &'static str,
    format: Format,
    text: Arc<str>,
}

/// Which variants make one shader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ShaderKey {
    /// This one alone.
    Alone(Variant),
    /// All of a family with so many invocations of a workgroup and one format.
    Family(&'static str, u32, Format),
}

impl PartialEq for Variant {
    fn eq(&self, other: &Self) -> bool {
        self.workgroup == other.workgroup && self.format == other.format && self.text == other.text
    }
}

impl Eq for Variant {}

impl std::hash::Hash for Variant {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
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

impl Variant {
    /// `fields` are the names of the job record's words after the first, `workgroup` the invocations of a workgroup.
    pub(super) fn new(
        kernel: &'static Kernel,
        constants: &[(&'static str, Const)],
        fields: &[&'static str],
        slots: &[(&'static str, SlotKind)],
        workgroup: u32,
        format: Format,
    ) -> Self {
        let mut text = String::new();
        for (name, value) in constants {
            let _ = match value {
                Const::Uint(value) => writeln!(text, "const {name}: u32 = {value}u;"),
                Const::Bool(value) => writeln!(text, "const {name}: bool = {value};"),
                Const::Float(value) => writeln!(text, "const {name}: f32 = {value:?};"),
                Const::Uints(values) => {
                    let list: Vec<String> = values.iter().map(|value| format!("{value}u")).collect();
                    writeln!(text, "const {name} = array<u32, {}>({});", values.len(), list.join(", "))
                }
            };
        }
        let quads = (1 + fields.len()).div_ceil(4);
        let words = |word: usize| format!("jobs[at + {}u].{}", word / 4, ["x", "y", "z", "w"][word % 4]);
        let words: Vec<String> = (1..=fields.len()).map(words).collect();
        let names = fields.join(": u32,\n    ");
        let _ = write!(
            text,
            "struct Job {{\n    {names}: u32,\n}}\nfn job_at(index: u32) -> Job {{\n    let at = job_place(index);\n    \
             return Job({});\n}}\n",
            words.join(", ")
        );
        let numbers = slot_numbers(slots.iter().map(|slot| slot.1));
        for (&number, (name, kind)) in numbers.iter().zip(slots) {
            access(&mut text, number, name, *kind, format);
        }
        kernel.files.iter().for_each(|file| text.push_str(file));
        let slots = numbers.into_iter().zip(slots.iter().map(|slot| slot.1)).collect();
        Self { kernel, workgroup, format, slots, quads, text: text.into() }
    }

    /// The shader that it is part of. Where families are `merged`, all variants of kernels of one family are one shader.
    pub(super) fn shader(&self, merged: bool) -> ShaderKey {
        if merged {
            ShaderKey::Family(self.kernel.family, self.workgroup, self.format)
        } else {
            ShaderKey::Alone(self.clone())
        }
    }

    /// The text with `suffix` behind every name that it declares, and without its workgroup's memory.
    fn renamed(&self, suffix: &str) -> String {
        let declared = |line: &'_ str| {
            let rest = ["const ", "struct ", "fn "].iter().find_map(|keyword| line.strip_prefix(keyword))?;
            Some(rest.split(|letter| !is_name(letter)).next()?.to_owned())
        };
        let names: HashSet<String> = self.text.lines().filter_map(declared).collect();
        let mut renamed = String::with_capacity(2 * self.text.len());
        for line in self.text.lines().filter(|line| !line.starts_with(SHARED)) {
            let code = line.split("//").next().unwrap_or_default();
            let mut before = ' ';
            for word in code.split_inclusive(|letter| !is_name(letter)) {
                let name = word.trim_end_matches(|letter| !is_name(letter));
                renamed.push_str(name);
                // What stands behind a dot is a member, whatever its name.
                if before != '.' && names.contains(name) {
                    renamed.push_str(suffix);
                }
                renamed.push_str(&word[name.len()..]);
                before = word.chars().next_back().unwrap_or(' ');
            }
            renamed.push('\n');
        }
        renamed
    }
}

/// How a line that declares memory of a workgroup begins: variants of one kernel share it.
const SHARED: &str = "var<workgroup>";

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The bindings' numbers of a launch's slots: lanes from the first on, words from the last back, so that a number means the same
/// to every kernel.
pub(super) fn slot_numbers(kinds: impl Iterator<Item = SlotKind>) -> Vec<usize> {
    let (mut lanes, mut words) = (0..SLOTS, (0..SLOTS).rev());
    let next = |kind| match kind {
        SlotKind::Lanes => lanes.next(),
        SlotKind::Words => words.next(),
    };
    kinds.filter_map(next).collect()
}

/// Quads of words of a job record that holds that of each of `variants`.
pub(super) fn record_quads(variants: &[Variant]) -> usize {
    variants.iter().map(|variant| variant.quads).max().unwrap_or(1)
}

impl Source {
    /// A shader of variants with the same number of invocations and the same precision.
    pub(super) fn new(variants: &[Variant]) -> Option<Self> {
        let &Variant { kernel, workgroup, format, .. } = variants.first()?;
        let quads = record_quads(variants);
        let mut text = String::from(STEP);
        let _ = write!(
            text,
            "const FLOAT_BITS: u32 = {}u;
const WORKGROUP: u32 = {workgroup}u;
const RECORD: u32 = {}u;
const JOB_QUADS: u32 = {quads}u;
const ROW: u32 = {ROW}u;
const NUMBERS: u32 = {NUMBERS}u;
@group(1) @binding(0) var<uniform> steps: array<Step, {PACKED}>;
@group(1) @binding(1) var<uniform> jobs: array<vec4<u32>, {}>;
",
            if format.half { 16 } else { 32 },
            super::memory::NORM_RECORD,
            JOB_WINDOW / 16,
        );
        text.push_str(if format.textured { TEXTURED_STATE } else { STATE });
        let slots: BTreeSet<_> = variants.iter().flat_map(|variant| &variant.slots).collect();
        for &&(number, kind) in &slots {
            let binding = slot_binding(number, kind, format)?;
            let _ = match element(kind, format) {
                Element::Buffer(element) => writeln!(
                    text,
                    "@group(0) @binding({binding}) var<storage, read_write> slot_{number}: array<{element}>;"
                ),
                Element::Texture(texel) => writeln!(
                    text,
                    "@group(0) @binding({binding}) var slot_{number}: texture_storage_2d<{texel}, read_write>;"
                ),
            };
        }
        let lines = variants.iter().flat_map(|variant| variant.text.lines());
        let shared: BTreeSet<&str> = lines.filter(|line| line.starts_with(SHARED)).collect();
        for line in shared {
            text.extend([line, "\n"]);
        }
        text.push_str(COMMON);
        for (index, variant) in variants.iter().enumerate() {
            text.push_str(&variant.renamed(&format!("_{index}")));
        }
        text.push_str(
            "@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let group = place.zyx;
",
        );
        if variants.len() == 1 {
            text.push_str("    invoke_0(group, local);\n");
        } else {
            text.push_str("    switch jobs[job_place(group.z)].x {\n");
            for index in 0..variants.len() {
                let _ = writeln!(text, "        case {index}u: {{ invoke_{index}(group, local); }}");
            }
            text.push_str("        default: {}\n    }\n");
        }
        text.push_str("}\n");
        let name = if variants.len() == 1 { kernel.name } else { kernel.family };
        Some(Self { kernel: name, format, text: text.into() })
    }

    /// Name of its kernel, or of the family of its kernels.
    pub(super) fn kernel(&self) -> &'static str {
        self.kernel
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// The state's words in a buffer, and in a texture; and where the record of a job lies. lavapipe loads a word once for a vector
/// of invocations where an immediate says its place, and for each of them where the workgroup's number does.
const STATE: &str = "@group(0) @binding(0) var<storage, read_write> state: array<u32>;
fn word_at(index: u32) -> u32 {
    return state[index];
}
fn set_word(index: u32, value: u32) {
    state[index] = value;
}
fn job_place(index: u32) -> u32 {
    return index * JOB_QUADS;
}
";
const TEXTURED_STATE: &str = "@group(0) @binding(0) var state: texture_storage_2d<r32uint, read_write>;
fn word_at(index: u32) -> u32 {
    return textureLoad(state, texel_at(index)).x;
}
fn set_word(index: u32, value: u32) {
    textureStore(state, texel_at(index), vec4<u32>(value));
}
var<immediate> numbers: array<u32, NUMBERS>;
fn job_place(index: u32) -> u32 {
    return (numbers[index / NUMBERS] * NUMBERS + numbers[index % NUMBERS]) * JOB_QUADS;
}
";

/// Type of the elements of a slot in the shader.
enum Element {
    Buffer(&'static str),
    Texture(&'static str),
}

fn element(kind: SlotKind, format: Format) -> Element {
    match (kind, format.textured, format.half) {
        (SlotKind::Words, _, _) => Element::Buffer("u32"),
        (SlotKind::Lanes, false, false) => Element::Buffer("vec4<f32>"),
        (SlotKind::Lanes, false, true) => Element::Buffer("vec2<u32>"),
        (SlotKind::Lanes, true, false) => Element::Texture("rgba32float"),
        (SlotKind::Lanes, true, true) => Element::Texture("rg32uint"),
    }
}

/// Defines `load_<name>` and `store_<name>` of the slot with a number.
fn access(text: &mut String, number: usize, name: &str, kind: SlotKind, format: Format) {
    let packed = kind == SlotKind::Lanes && format.half;
    let value = if kind == SlotKind::Words { "u32" } else { "vec4<f32>" };
    let load = if packed { "vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y))" } else { "word" };
    let store = if packed { "vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw))" } else { "value" };
    let (read, write) = match element(kind, format) {
        Element::Buffer(_) => (format!("slot_{number}[index]"), format!("slot_{number}[index] = {store}")),
        Element::Texture(_) => {
            let texel = if packed { format!("vec4<u32>({store}, 0u, 0u)") } else { store.into() };
            (
                format!("textureLoad(slot_{number}, texel_at(index))"),
                format!("textureStore(slot_{number}, texel_at(index), {texel})"),
            )
        }
    };
    let _ = write!(
        text,
        "fn load_{name}(index: u32) -> {value} {{
    let word = {read};
    return {load};
}}
fn store_{name}(index: u32, value: {value}) {{
    {write};
}}
"
    );
}
