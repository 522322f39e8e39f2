//! A program in the making: calls, and the gradients that are known so far.
//!
//! Differentiation is one backward rule per operation, applied to the nodes in reverse. A normalised value whose only
//! reader is one edge of a node's sum needs no gradient memory of its own: its gradient is the sum's, times the drop-path
//! scale, sent through the normalisation on load ([`Gradient`]).

use std::sync::Arc;

use super::call::{Call, TapeCalls};
use crate::program::{
    Channels, Content, DropId, Gradient, Guard, Input, Mixed, MixtureId, Mode, NormId, Normalisation,
    ParamId, Program, Sink, Storage, StorageId, Tables, Tensor,
};
use crate::shape::Shape;

/// What an operation puts its calls on.
pub(crate) struct Tape {
    program: Program<dyn Call>,
    /// The network's input, whose gradient nobody wants.
    input: StorageId,
    /// How every operation reads its inputs.
    readers: Vec<Input>,
    /// Calls that no operation adds.
    own: TapeCalls,
    /// What was given so far, in order.
    given: Vec<Value>,
    /// Where sums lie apart from the gradients that they become: of each of those that are given, what no later one
    /// adds to.
    whole: Option<Vec<Channels>>,
    /// Gradients of what each storage of the graph holds, as it was produced.
    produced: Vec<AccumulatedGradient>,
    /// Gradients of what each normalisation makes of what it normalises, and the first channel of that.
    normalised: Vec<(usize, AccumulatedGradient)>,
    /// Gradients of normalised values that are read from a node's sum.
    aliases: Vec<(NormId, Tensor, Scaled)>,
    /// Normalisations that the gradient of what they normalise goes through where it is read.
    through: Vec<bool>,
    /// Mixtures that the loss depends on.
    weighed: Vec<bool>,
    /// What calls stand behind that are added now.
    guard: Option<Guard>,
}

/// A gradient times the factors of an edge.
#[derive(Clone, Copy)]
struct Scaled {
    tensor: Tensor,
    scale: Option<DropId>,
    mixed: Option<Mixed>,
}

/// The gradient of channels, as far as it is known.
struct AccumulatedGradient {
    shape: Shape,
    /// Its memory, and that of its sum where it lies apart, once something wrote to them.
    storage: Option<StorageId>,
    sum: Option<StorageId>,
    /// Of each channel.
    written: Vec<Written>,
}

/// What was written of a channel of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Written {
    Nothing,
    /// A sum that lies apart.
    Sum,
    /// The gradient, or what others add to where it lies.
    Gradient,
}

/// A value that gradients are of.
#[derive(Clone, Copy)]
struct Value {
    tensor: Tensor,
    /// As a normalisation makes it; otherwise as it was produced.
    norm: Option<NormId>,
}

impl Value {
    fn overlaps(self, other: Self) -> bool {
        self.norm == other.norm && self.tensor.overlaps(other.tensor)
    }
}

impl From<Input> for Value {
    fn from(Input { tensor, norm, .. }: Input) -> Self {
        Self { tensor, norm }
    }
}

impl Tape {
    /// For operations that read `readers` of a graph with these storages, of which the first is its input. Sums lie
    /// apart where an earlier tape of the same told what is [whole](Self::whole) when.
    pub(super) fn new(
        mode: Mode,
        tables: &Tables,
        storages: &[Storage],
        readers: Vec<Input>,
        own: TapeCalls,
        whole: Option<Vec<Channels>>,
    ) -> Self {
        let normalised = |norm: &Normalisation| (norm.raw.channel, AccumulatedGradient::new(norm.raw.shape));
        Self {
            produced: storages.iter().map(|storage| AccumulatedGradient::new(storage.shape)).collect(),
            normalised: tables.norms.iter().map(normalised).collect(),
            aliases: Vec::new(),
            through: vec![false; tables.norms.len()],
            weighed: vec![false; tables.mixtures.len()],
            guard: None,
            input: StorageId(0),
            readers,
            own,
            given: Vec::new(),
            whole,
            program: Program {
                mode,
                prologue: Vec::new(),
                calls: Vec::new(),
                storages: storages.to_vec(),
                trained: vec![false; tables.params.len()],
                kept: Vec::new(),
            },
        }
    }

    pub(super) fn finish(self) -> Program<dyn Call> {
        self.program
    }

    /// Of each gradient that was given, the most channels side by side that no later one was added to.
    pub(super) fn whole(&self) -> Vec<Channels> {
        let runs = |(index, value): (usize, &Value)| {
            let mut is_whole = vec![true; value.tensor.shape.channels];
            for later in self.given[index + 1..].iter().filter(|later| later.overlaps(*value)) {
                let first = later.tensor.channel.saturating_sub(value.tensor.channel);
                let end = later.tensor.channel + later.tensor.shape.channels - value.tensor.channel;
                let end = end.min(is_whole.len());
                is_whole[first..end].fill(false);
            }
            let (mut longest, mut first) = (Channels { first: 0, count: 0 }, 0);
            for run in is_whole.chunk_by(|a, b| a == b) {
                if run[0] && run.len() > longest.count {
                    longest = Channels { first, count: run.len() };
                }
                first += run.len();
            }
            longest
        };
        self.given.iter().enumerate().map(runs).collect()
    }

    /// Whether the program is one of training.
    pub(crate) fn is_training(&self) -> bool {
        self.program.mode == Mode::Train
    }

    /// Adds a call.
    pub(crate) fn push(&mut self, call: impl Call + 'static) {
        self.add(Arc::new(call), self.guard);
    }

    fn add(&mut self, call: Arc<dyn Call>, guard: Option<Guard>) {
        self.program.calls.push(match guard {
            Some(guard) => (self.own.guarded)(call, guard),
            None => call,
        });
    }

    /// What `rule` adds stands behind a guard, where there is one.
    pub(crate) fn behind(&mut self, guard: Option<Guard>, rule: impl FnOnce(&mut Self)) {
        let outer = self.guard;
        self.guard = guard.or(outer);
        rule(self);
        self.guard = outer;
    }

    /// Adds a call that is run once before the first step of a pass over images.
    pub(crate) fn prepare(&mut self, call: impl Call + 'static) {
        self.program.prologue.push(Arc::new(call));
    }

    /// Says that parameters get a gradient.
    pub(crate) fn train(&mut self, params: impl IntoIterator<Item = ParamId>) {
        params.into_iter().for_each(|param| self.program.trained[param.0] = true);
    }

    /// Says that the loss depends on a weight of a mixture.
    pub(crate) fn weigh(&mut self, MixtureId(mixture): MixtureId) {
        self.weighed[mixture] = true;
    }

    /// Whether the loss depends on a mixture; known once all its terms were differentiated.
    pub(crate) fn is_weighed(&self, MixtureId(mixture): MixtureId) -> bool {
        self.weighed[mixture]
    }

    /// The gradient of what an operation wrote, and that a normalisation follows; nothing when the loss does not depend on it.
    pub(crate) fn gradient(&mut self, raw: Tensor, norm: Option<NormId>) -> Option<Gradient> {
        let norm = norm.filter(|norm| self.through[norm.0]);
        let Scaled { tensor, scale, mixed } = self.known(Value { tensor: raw, norm })?;
        Some(Gradient { tensor, scale, mixed, norm, raw })
    }

    /// The gradient of the normalised `raw`, to be sent back through `norm`; nothing when the loss does not depend on it.
    pub(crate) fn normalised_gradient(&mut self, raw: Tensor, norm: NormId) -> Option<Gradient> {
        let Scaled { tensor, scale, mixed } = self.known(Value { tensor: raw, norm: Some(norm) })?;
        Some(Gradient { tensor, scale, mixed, norm: Some(norm), raw })
    }

    /// Where the gradient of the normalised `raw` joins that of `raw` as it was produced: that has all then. Where nothing else
    /// reads `raw`, and what produces it knows the normalisation (`producer_knows`), nothing: it finds the gradient of the
    /// normalised value, and sends it through the normalisation itself.
    pub(crate) fn join(&mut self, raw: Tensor, norm: NormId, producer_knows: bool) -> Option<Sink> {
        let value = Value { tensor: raw, norm: None };
        // Not what has given its gradient yet: an operation from before the normalisation gives its later.
        let is_read =
            self.readers.iter().any(|reader| reader.norm != Some(norm) && reader.tensor.overlaps(raw));
        let joins = !producer_knows || is_read;
        self.through[norm.0] = !joins;
        (joins && raw.storage != self.input).then(|| self.sink_of(value))
    }

    /// Where the gradient of what was read goes; nothing when nobody wants it.
    pub(crate) fn sink(&mut self, input: Input) -> Option<Sink> {
        (input.tensor.storage != self.input).then(|| self.sink_of(input.into()))
    }

    /// Whether `input` is the only reader of a normalised value, and reads all of it as it is.
    pub(crate) fn is_only_reader(&self, input: Input) -> bool {
        let Some(NormId(norm)) = input.norm else { return false };
        let (first, AccumulatedGradient { shape, .. }) = &self.normalised[norm];
        let is_whole = (*first, *shape) == (input.tensor.channel, input.tensor.shape);
        let meets = |other: &&Input| other.tensor.overlaps(input.tensor);
        is_whole && !input.relu && self.readers.iter().filter(meets).count() == 1
    }

    /// Says that the gradient of the normalised value that `input` reads is `gradient`, with its scale and weight.
    pub(crate) fn alias(&mut self, input: Input, gradient: Gradient) {
        let (Some(norm), Gradient { tensor, scale, mixed, .. }) = (input.norm, gradient) else { return };
        self.aliases.push((norm, input.tensor, Scaled { tensor, scale, mixed }));
    }

    /// The gradient of a value and its scale: from a node's sum, or from memory of its own. Nothing when the loss does not
    /// depend on any of the value; what it does not depend on is zero.
    fn known(&mut self, value: Value) -> Option<Scaled> {
        let Value { tensor, norm } = value;
        for &(made_by, whole, scaled) in &self.aliases {
            if norm == Some(made_by) && whole.contains(tensor) {
                let slice = scaled.tensor.slice(tensor.channel - whole.channel, tensor.shape.channels);
                return Some(Scaled { tensor: slice, ..scaled });
            }
        }
        if !self.is_known(value) {
            return None;
        }
        self.fill(value, Written::Gradient);
        let (accumulated, channel) = self.accumulated(value);
        let tensor = Tensor { storage: accumulated.storage?, channel, shape: tensor.shape };
        Some(Scaled { tensor, scale: None, mixed: None })
    }

    /// The gradient that a value is a part of, and its first channel there.
    fn accumulated(&mut self, Value { tensor, norm }: Value) -> (&mut AccumulatedGradient, usize) {
        match norm {
            None => (&mut self.produced[tensor.storage.0], tensor.channel),
            Some(norm) => {
                let (first, accumulated) = &mut self.normalised[norm.0];
                (accumulated, tensor.channel - *first)
            }
        }
    }

    /// Whether some of its gradient lies in memory.
    fn is_known(&mut self, value: Value) -> bool {
        let (accumulated, channel) = self.accumulated(value);
        accumulated.written[channel..][..value.tensor.shape.channels].iter().any(|&w| w != Written::Nothing)
    }

    /// Puts zeros where nothing wrote the gradient of a value, of which some is written; to the sum, or to the
    /// gradient, which is then made of the sum where that is all there is.
    fn fill(&mut self, value: Value, to: Written) {
        let shape = value.tensor.shape;
        let (accumulated, first) = self.accumulated(value);
        let written = accumulated.written[first..][..shape.channels].to_vec();
        let mut channel = first;
        for run in written.chunk_by(|a, b| a == b) {
            let (from, part) = (channel, shape.with_channels(run.len()));
            channel += run.len();
            if run[0] < to {
                let count = if to == Written::Gradient { run.len() } else { 0 };
                let whole = Channels { first: 0, count };
                let sink = self.sink_at(value, from, part, run[0] == Written::Sum, whole);
                let zeros = (self.own.zeros)(sink);
                self.add(zeros, self.guard_of(value));
            }
        }
    }

    /// What all that reads and writes a value stands behind, but for the sum that it is a term of.
    fn guard_of(&self, value: Value) -> Option<Guard> {
        self.program.storages[value.tensor.storage.0].guard
    }

    fn sink_of(&mut self, value: Value) -> Sink {
        let shape = value.tensor.shape;
        // What may be skipped neither begins a gradient that others give to, nor ends it.
        let is_optional = self.guard != self.guard_of(value);
        let whole = match &self.whole {
            None => Channels { first: 0, count: shape.channels },
            Some(_) if is_optional => Channels { first: 0, count: 0 },
            Some(whole) => whole[self.given.len()],
        };
        self.given.push(value);
        let accumulate = is_optional || self.is_known(value);
        if accumulate {
            let apart = self.whole.is_some();
            self.fill(value, if apart { Written::Sum } else { Written::Gradient });
        }
        let (_, channel) = self.accumulated(value);
        self.sink_at(value, channel, shape, accumulate, whole)
    }

    /// A sink of the channels from `channel` on of the gradient that a value is a part of.
    fn sink_at(
        &mut self,
        value: Value,
        channel: usize,
        shape: Shape,
        accumulate: bool,
        whole: Channels,
    ) -> Sink {
        let tensor = Tensor { storage: self.memory(value, Content::Activation), channel, shape };
        let has_sum = self.whole.is_some() && (accumulate || whole.count < shape.channels);
        let sum = if has_sum { self.memory(value, Content::Sum) } else { tensor.storage };
        let sink = Sink { tensor, sum: Tensor { storage: sum, ..tensor }, accumulate, whole };
        let (accumulated, _) = self.accumulated(value);
        let written = &mut accumulated.written[channel..][..shape.channels];
        written.fill(Written::Sum);
        written[sink.whole.range()].fill(Written::Gradient);
        sink
    }

    /// Memory of the gradient that a value is a part of, or of its sum.
    fn memory(&mut self, value: Value, content: Content) -> StorageId {
        let next = StorageId(self.program.storages.len());
        let (accumulated, _) = self.accumulated(value);
        let shape = accumulated.shape;
        let found = if content == Content::Sum { &mut accumulated.sum } else { &mut accumulated.storage };
        let storage = *found.get_or_insert(next);
        if storage == next {
            let guard = self.guard_of(value);
            self.program.storages.push(Storage { shape, content, guard });
        }
        storage
    }
}

impl AccumulatedGradient {
    fn new(shape: Shape) -> Self {
        Self { shape, storage: None, sum: None, written: vec![Written::Nothing; shape.channels] }
    }
}
