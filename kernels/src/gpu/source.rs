//! WGSL of shaders: a kernel's plain text behind its constants, job record and slots.

use std::fmt::Write;
use std::sync::Arc;

use super::binding_layout::{JOB_WINDOW, NUMBERS, SLOTS, slot_binding};
use super::format::{Format, PACKED, ROW, SlotKind};
use super::shader::{COMMON, Shader};
use super::tiles::SUMS_AT_ONCE;

/// A constant of a specialisation.
#[derive(Clone, Debug)]
pub(crate) enum Const {
    Uint(usize),
    Bool(bool),
    Float(f32),
    Uints(Vec<usize>),
}

/// A value that the job record holds and the kernel reads as a variable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    Uint(u32),
    Bool(bool),
}

impl Choice {
    /// As the job record holds it.
    pub(crate) fn word(self) -> u32 {
        match self {
            Self::Uint(value) => value,
            Self::Bool(value) => u32::from(value),
        }
    }

    /// Its type, and what makes it of a word.
    fn read(self) -> (&'static str, &'static str) {
        match self {
            Self::Uint(_) => ("u32", ""),
            Self::Bool(_) => ("bool", " != 0u"),
        }
    }
}

/// A shader: a kernel with its constants, job record and slots.
#[derive(Clone, Debug)]
pub(crate) struct ShaderSource {
    kernel: &'static Shader,
    format: Format,
    workgroup: u32,
    /// All of its text that other shaders of the kernel do not share.
    own: Arc<str>,
    /// Quads of words of a job record.
    quads: usize,
    /// Whether a job may not have to run.
    is_guarded: bool,
}

impl PartialEq for ShaderSource {
    fn eq(&self, other: &Self) -> bool {
        let what = |source: &Self| (source.kernel.name, source.format, source.workgroup);
        what(self) == what(other) && self.own == other.own
    }
}

impl Eq for ShaderSource {}

impl std::hash::Hash for ShaderSource {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.kernel.name, &self.own).hash(state);
    }
}

/// One training's record of a step: must be the layout of [`StepRecord`](super::run::StepRecord).
const STEP: &str = "struct Step {
    images: u32, first: u32, row: u32, epoch: u32,
    seed: vec2<u32>, labels: u32, keeps_running: u32,
    drop_path: f32, image_set: u32, temperature: f32, unused: u32,
}
";

impl ShaderSource {
    /// `fields` are the names of the job record's words, which `choices` follow, `workgroup` the invocations of a workgroup.
    pub(crate) fn new(
        kernel: &'static Shader,
        constants: &[(&'static str, Const)],
        fields: &[&'static str],
        choices: &[(&'static str, Choice)],
        slots: &[(&'static str, SlotKind)],
        workgroup: u32,
        format: Format,
    ) -> Self {
        let mut own = String::new();
        for (name, value) in constants {
            let _ = match value {
                Const::Uint(value) => writeln!(own, "const {name}: u32 = {value}u;"),
                Const::Bool(value) => writeln!(own, "const {name}: bool = {value};"),
                Const::Float(value) => writeln!(own, "const {name}: f32 = {value:?};"),
                Const::Uints(values) => {
                    let list: Vec<String> = values.iter().map(|value| format!("{value}u")).collect();
                    writeln!(own, "const {name} = array<u32, {}>({});", values.len(), list.join(", "))
                }
            };
        }
        let quads = (fields.len() + choices.len()).div_ceil(4);
        let word = |word: usize| format!("jobs[at + {}u].{}", word / 4, ["x", "y", "z", "w"][word % 4]);
        let mut set = String::new();
        for (place, (name, choice)) in choices.iter().enumerate() {
            let (kind, read) = choice.read();
            let _ = writeln!(own, "var<private> {name}: {kind};");
            let _ = writeln!(set, "    {name} = {}{read};", word(fields.len() + place));
        }
        let guard = fields.iter().position(|&field| field == GUARD);
        if let Some(place) = guard {
            let _ = write!(
                own,
                "fn is_open(index: u32) -> bool {{\n    let at = job_place(index) * {quads}u;\n    return \
                 float_at({}) != 0.0;\n}}\n",
                word(place)
            );
        }
        let words: Vec<String> = (0..fields.len()).map(word).collect();
        let _ = write!(
            own,
            "struct Job {{\n    {}: u32,\n}}\nfn job_at(index: u32) -> Job {{\n    let at = job_place(index) * {quads}u;\n{set}    \
             return Job({});\n}}\n",
            fields.join(": u32,\n    "),
            words.join(", ")
        );
        let numbers = slot_numbers(slots.iter().map(|slot| slot.1));
        for (&number, &(name, kind)) in numbers.iter().zip(slots) {
            declare(&mut own, number, kind, format);
            access(&mut own, number, name, kind, format);
        }
        Self { kernel, format, workgroup, own: own.into(), quads, is_guarded: guard.is_some() }
    }

    /// Name of its kernel.
    pub(crate) fn kernel(&self) -> &'static str {
        self.kernel.name
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Quads of words of a job record.
    pub(crate) fn quads(&self) -> usize {
        self.quads
    }

    /// The whole of it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from(STEP);
        let _ = write!(
            text,
            "const FLOAT_BITS: u32 = {}u;
const WORKGROUP: u32 = {}u;
const RECORD: u32 = {}u;
const AT_ONCE: u32 = {SUMS_AT_ONCE}u;
const ROW: u32 = {ROW}u;
const NUMBERS: u32 = {NUMBERS}u;
@group(1) @binding(0) var<uniform> steps: array<Step, {PACKED}>;
@group(1) @binding(1) var<uniform> jobs: array<vec4<u32>, {}>;
",
            if self.format.half_precision { 16 } else { 32 },
            self.workgroup,
            super::format::NORM_RECORD,
            JOB_WINDOW / 16,
        );
        text.push_str(if self.format.textured { TEXTURED_STATE } else { STATE });
        text.push_str(&self.own);
        text.push_str(COMMON);
        self.kernel.files.iter().for_each(|file| text.push_str(file));
        let shares = self.kernel.files.iter().any(|file| file.contains("var<workgroup>"));
        text.push_str(match (self.is_guarded, shares) {
            (false, _) => MAIN,
            (true, false) => GUARDED_MAIN,
            (true, true) => GUARDED_SHARING_MAIN,
        });
        text
    }
}

/// The place along z is that of the job, so that what is uniform for a workgroup is known to be.
const MAIN: &str = "@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    invoke(place.zyx, local);
}
";

/// The same for jobs that are not run where a weight of a mixture is 0.
const GUARDED_MAIN: &str = "@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    if is_open(place.x) {
        invoke(place.zyx, local);
    }
}
";

/// The same where invocations of a workgroup wait for each other, which they may only where all of them are known to.
const GUARDED_SHARING_MAIN: &str = "var<workgroup> opened: u32;
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    if local == 0u {
        opened = select(0u, 1u, is_open(place.x));
    }
    if workgroupUniformLoad(&opened) == 1u {
        invoke(place.zyx, local);
    }
}
";

/// The word of the job record that says where the weight lies without which a job is not run.
pub(super) const GUARD: &str = "guard";

/// The bindings' numbers of a launch's slots: lanes from the first on, words from the last back, so that a number means the same
/// to every kernel.
pub(crate) fn slot_numbers(kinds: impl Iterator<Item = SlotKind>) -> Vec<usize> {
    let (mut lanes, mut words) = (0..SLOTS, (0..SLOTS).rev());
    let next = |kind| match kind {
        SlotKind::Lanes | SlotKind::Sums => lanes.next(),
        SlotKind::Words => words.next(),
    };
    kinds.filter_map(next).collect()
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
    return index;
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
    return numbers[index / NUMBERS] * NUMBERS + numbers[index % NUMBERS];
}
";

/// Type of the elements of a slot in the shader.
enum WgslElement {
    Buffer(&'static str),
    Texture(&'static str),
}

fn element(kind: SlotKind, format: Format) -> WgslElement {
    match (kind, format.textured, format.half_precision) {
        (SlotKind::Words, _, _) => WgslElement::Buffer("u32"),
        (_, false, false) => WgslElement::Buffer("vec4<f32>"),
        (_, false, true) => WgslElement::Buffer("vec2<u32>"),
        (_, true, false) => WgslElement::Texture("rgba32float"),
        (_, true, true) => WgslElement::Texture("rg32uint"),
    }
}

/// Declares the slot with a number.
fn declare(text: &mut String, number: usize, kind: SlotKind, format: Format) {
    let Some(binding) = slot_binding(number, kind, format) else { return };
    let _ = match element(kind, format) {
        WgslElement::Buffer(element) => writeln!(
            text,
            "@group(0) @binding({binding}) var<storage, read_write> slot_{number}: array<{element}>;"
        ),
        WgslElement::Texture(texel) => writeln!(
            text,
            "@group(0) @binding({binding}) var slot_{number}: texture_storage_2d<{texel}, read_write>;"
        ),
    };
}

/// Defines `load_<name>` and `store_<name>` of the slot with a number.
fn access(text: &mut String, number: usize, name: &str, kind: SlotKind, format: Format) {
    let element = element(kind, format);
    let value = if kind == SlotKind::Words { "u32" } else { "vec4<f32>" };
    let get = |index: &str| match element {
        WgslElement::Buffer(_) => format!("slot_{number}[{index}]"),
        WgslElement::Texture(_) => format!("textureLoad(slot_{number}, texel_at({index}))"),
    };
    let set = |index: &str, words: &str| match element {
        WgslElement::Buffer(_) => format!("slot_{number}[{index}] = {words}"),
        WgslElement::Texture(_) => format!("textureStore(slot_{number}, texel_at({index}), {words})"),
    };
    // Two words, of which a texel has four.
    let pair = |words: &str| match element {
        WgslElement::Buffer(_) => format!("vec2<u32>({words})"),
        WgslElement::Texture(_) => format!("vec4<u32>({words}, 0u, 0u)"),
    };
    let (load, store) = match kind {
        SlotKind::Lanes if format.half_precision => {
            let load = format!(
                "let word = {};\n    return vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y));",
                get("index")
            );
            let packed = pair("pack2x16float(value.xy), pack2x16float(value.zw)");
            (load, format!("{};", set("index", &packed)))
        }
        SlotKind::Sums if format.half_precision => {
            let [first, second] = ["2u * index", "2u * index + 1u"];
            let load =
                format!("return bitcast<vec4<f32>>(vec4<u32>({}.xy, {}.xy));", get(first), get(second));
            let halves = ["xy", "zw"].map(|half| pair(&format!("bitcast<vec2<u32>>(value.{half})")));
            (load, format!("{};\n    {};", set(first, &halves[0]), set(second, &halves[1])))
        }
        _ => (format!("return {};", get("index")), format!("{};", set("index", "value"))),
    };
    let _ = write!(
        text,
        "fn load_{name}(index: u32) -> {value} {{
    {load}
}}
fn store_{name}(index: u32, value: {value}) {{
    {store}
}}
"
    );
}

/// What shaders check while they run.
pub(super) fn runtime_checks() -> wgpu::ShaderRuntimeChecks {
    if cfg!(debug_assertions) {
        wgpu::ShaderRuntimeChecks::checked()
    } else {
        wgpu::ShaderRuntimeChecks::unchecked()
    }
}
