//! Asking for what will be read next while products keep the processor busy: activations of a training are more than its
//! caches hold, so without this every kernel would wait for them when it begins.

use super::memory::Memory;
use crate::program::{Gradient, Sink, Tensor};

/// Bytes that calls without products may read before the next call is left out: what is asked for must stay in a
/// second-level cache until it is read.
pub(super) const BYTES: usize = 300 << 10;

/// Pieces of later calls that are remembered.
pub(super) const NEXT: usize = 8;

/// What a call reads, in its order: some rows of all channels of a tensor, or of two of one shape in turns.
#[derive(Clone, Copy, Default)]
pub(crate) struct Piece {
    /// Byte of the first channel's first row in the arena for block 0, and bytes from block to block.
    at: [usize; 2],
    block: [usize; 2],
    tensors: usize,
    /// Cache lines of a channel's rows, bytes from channel to channel, and channels.
    lines: [usize; 2],
    pitch: [usize; 2],
    channels: usize,
}

impl Piece {
    /// Rows `first ..` of one tensor or two: `rows` of them, or all that there are.
    pub(crate) fn new(memory: &Memory, of: [Option<Tensor>; 2], first: usize, rows: usize) -> Self {
        let Some(shape) = of[0].map(|tensor| tensor.shape) else { return Self::default() };
        let rows = rows.min(shape.height.saturating_sub(first));
        let mut piece =
            Self { tensors: of.iter().flatten().count(), channels: shape.channels, ..Self::default() };
        for (index, tensor) in of.into_iter().flatten().enumerate() {
            let pitch = memory.channel_bytes(tensor.storage);
            let row = pitch / shape.height;
            let (at, block) = memory.place(tensor);
            (piece.at[index], piece.block[index]) = (at + first * row, block);
            (piece.lines[index], piece.pitch[index]) = (rows * row / CACHE_LINE, pitch);
        }
        piece
    }

    /// Rows of a gradient, and of what the operation wrote where a normalisation follows.
    pub(crate) fn of_gradient(memory: &Memory, gradient: &Gradient, first: usize, rows: usize) -> Self {
        Self::new(memory, [Some(gradient.tensor), gradient.norm.map(|_| gradient.raw)], first, rows)
    }

    /// What a backward pass without products reads: the gradient, and where its own goes.
    pub(crate) fn of_backward(memory: &Memory, gradient: &Gradient, sink: Sink) -> Vec<Self> {
        let to = Self::new(memory, [Some(sink.first_touched()), None], 0, usize::MAX);
        vec![Self::of_gradient(memory, gradient, 0, usize::MAX), to]
    }

    pub(super) fn bytes(&self) -> usize {
        self.lines.iter().sum::<usize>() * CACHE_LINE * self.channels
    }

    /// First byte and lines of run `run` of a block: channels of the first tensor and the second in turns.
    fn run(&self, run: usize, block: usize) -> (usize, usize) {
        let (channel, tensor) = (run / self.tensors, run % self.tensors);
        let at = self.at[tensor] + block * self.block[tensor] + channel * self.pitch[tensor];
        (at, self.lines[tensor])
    }

    fn runs(&self) -> usize {
        if self.lines[0] == 0 { 0 } else { self.channels * self.tensors }
    }
}

/// What a call reads first that comes after another one, on the same block or so many blocks on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Later {
    pub(super) piece: Piece,
    pub(super) blocks: usize,
}

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;

/// What products do beside their sums.
pub(crate) trait Prefetcher {
    /// Called where no sums are in registers.
    fn ready(&mut self);
    /// Called for every `multiply_adds` of single lanes.
    fn step(&mut self, multiply_adds: usize);
}

/// Nothing: what a forward pass reads was written just before, and is near.
impl Prefetcher for () {
    #[inline(always)]
    fn ready(&mut self) {}
    #[inline(always)]
    fn step(&mut self, _multiply_adds: usize) {}
}

/// What a call asks for.
#[derive(Default)]
pub(crate) struct Prefetch {
    arena: usize,
    block: usize,
    /// Lines of the run that is being asked for: the next one, and how many are left.
    at: usize,
    left: usize,
    /// What the call itself reads later, then what those after it read; and the next run of the first piece.
    own: [Piece; 2],
    own_run: usize,
    next: [Later; NEXT],
    next_piece: usize,
    next_run: usize,
}

impl Prefetch {
    /// For a call on a block, with what the calls after it read.
    pub(crate) fn new(memory: &Memory, block: usize, blocks: usize, next: &[Later]) -> Self {
        let mut prefetch = Self { arena: memory.arena.pointer::<u8>() as usize, block, ..Self::default() };
        for (to, from) in prefetch.next.iter_mut().zip(next).filter(|(_, from)| block + from.blocks < blocks)
        {
            *to = *from;
        }
        prefetch
    }

    /// What the call itself reads soon: it goes first, and replaces what was said so before.
    pub(crate) fn soon(&mut self, own: [Piece; 2]) {
        (self.own, self.own_run, self.left) = (own, 0, 0);
    }

    #[inline(never)]
    fn next_run(&mut self) {
        for piece in &mut self.own {
            if self.own_run < piece.runs() {
                let (at, lines) = piece.run(self.own_run, self.block);
                (self.at, self.left) = (self.arena + at, lines);
                self.own_run += 1;
                return;
            }
            if piece.runs() > 0 {
                (*piece, self.own_run) = (Piece::default(), 0);
            }
        }
        while let Some(Later { piece, blocks }) = self.next.get(self.next_piece) {
            if self.next_run < piece.runs() {
                let (at, lines) = piece.run(self.next_run, self.block + blocks);
                (self.at, self.left) = (self.arena + at, lines);
                self.next_run += 1;
                return;
            }
            (self.next_piece, self.next_run) = (self.next_piece + 1, 0);
        }
    }
}

/// Multiply-adds of single lanes for one line: about as many as the processor does while it comes from memory.
const PER_LINE: usize = 96;

impl Prefetcher for Prefetch {
    #[inline(always)]
    fn ready(&mut self) {
        // A tile asks for so many at once: what is left of a run is not worth another look.
        if self.left < 4 {
            self.next_run();
        }
    }

    #[inline(always)]
    fn step(&mut self, multiply_adds: usize) {
        let lines = multiply_adds.div_ceil(PER_LINE);
        if self.left >= lines {
            for line in 0..lines {
                prefetch_line((self.at + line * CACHE_LINE) as *const u8);
            }
            self.at += lines * CACHE_LINE;
            self.left -= lines;
        }
    }
}

/// Asks for a cache line; any address will do.
#[inline(always)]
fn prefetch_line(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch accesses nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::kernel::Sizes;
    use crate::cpu::phases::{Phase, Prepared};
    use crate::program::{Access, AccessKind, Mode, Resource};
    use crate::shape::BLOCK;
    use crate::state::ParameterLayout;
    use crate::{ConvSpec, Graph, PoolKind, Shape, ops};

    const BLOCKS: usize = 3;

    /// A small network.
    fn prepared(half_precision: bool) -> Prepared {
        let (mut graph, image) = Graph::new(Shape::new(3, 8, 8), 4);
        let conv = |kernel| ConvSpec { padding: [kernel / 2; 2], relu: true, ..ConvSpec::square(8, kernel) };
        let mut value = image;
        for kernel in [3, 1] {
            let raw = graph.conv(&format!("{kernel}"), value, conv(kernel)).unwrap();
            value = graph.batch_norm(&format!("{kernel} norm"), raw).unwrap();
        }
        value = graph.pool("pool", value, PoolKind::Max, 1).unwrap();
        value = graph.global_average(value);
        let logits = graph.linear("linear", value, 4, false).unwrap();
        graph.head(logits, 1.0).unwrap();
        let program = ops::program(&graph, Mode::Train, if half_precision { 16 } else { 32 });
        let (tables, sources) = (&graph.tables, [graph.tables.input]);
        let layout = &ParameterLayout::new(tables, &program.trained);
        let sizes =
            Sizes { tables, blocks: BLOCKS, chunks: BLOCKS, layout, half_precision, sources: &sources };
        Prepared::new(program.map(|call| call as _), &sizes, 0).unwrap()
    }

    /// First byte and lines of all that is asked for.
    fn drain(prefetch: &mut Prefetch) -> Vec<(usize, usize)> {
        let mut runs = Vec::new();
        loop {
            prefetch.left = 0;
            prefetch.next_run();
            if prefetch.left == 0 {
                return runs;
            }
            runs.push((prefetch.at, prefetch.left));
        }
    }

    #[test]
    fn what_later_calls_read_is_asked_for_where_it_lies() {
        for half_precision in [false, true] {
            let prepared = prepared(half_precision);
            let (memory, calls) = (&prepared.memory, &prepared.calls);
            let mut asked = [0, 0];
            for phase in &prepared.phases {
                let Phase::Blocks(chains) = phase else { continue };
                let list: Vec<_> = chains.iter().flatten().collect();
                for (index, link) in list.iter().enumerate() {
                    let (later, on) = ((index + 1) % list.len(), (index + 1) / list.len());
                    // Calls that read a gradient through a normalisation, and what was normalised with it.
                    let accesses = calls[list[later].call].accesses();
                    let reads =
                        |of: fn(&Resource) -> bool| accesses.iter().any(|access| of(&access.resource));
                    if !reads(|resource| {
                        matches!(resource, Resource::NormGradientMap(_) | Resource::NormGradientSums(_))
                    }) {
                        continue;
                    }
                    let tensors: Vec<_> = accesses.iter().filter_map(|access| access.tensor()).collect();
                    let (gradient, raw) = (tensors[0], tensors[1]);
                    let shape = raw.shape;
                    let plane = memory.channel_bytes(raw.storage);
                    let expected = |block: usize| -> Vec<(usize, usize)> {
                        let run = |channel: usize, tensor: Tensor| {
                            let (at, block_bytes) = memory.place(tensor);
                            let at = at + block * block_bytes + channel * plane;
                            (memory.arena.pointer::<u8>() as usize + at, plane / CACHE_LINE)
                        };
                        let both = |channel| [run(channel, gradient), run(channel, raw)];
                        (0..shape.channels).flat_map(both).collect()
                    };
                    let runs = drain(&mut Prefetch::new(memory, 1, BLOCKS, &link.next));
                    assert_eq!(runs[..2 * shape.channels], expected(1 + on));
                    let runs = drain(&mut Prefetch::new(memory, BLOCKS - 1, BLOCKS, &link.next));
                    let is_asked = runs.starts_with(&expected(BLOCKS - 1 + on));
                    assert_eq!(is_asked, on == 0, "a block that is not there is not asked for");
                    asked[on] += 1;
                }
            }
            assert!(asked[0] > 0 && asked[1] > 0, "{asked:?}");
        }
    }

    #[test]
    fn what_a_call_reads_itself_goes_first() {
        let prepared = prepared(false);
        let memory = &prepared.memory;
        let pooling = prepared.calls.iter().find(|call| call.kind() == "pooling").unwrap();
        let written = pooling.accesses().into_iter().filter(|access| access.kind == AccessKind::Write);
        let pooled = written.into_iter().find_map(Access::tensor);
        let rows = |first| Piece::new(memory, [pooled, None], first, 2);
        let later = |first, blocks| Later { piece: rows(first), blocks };
        let mut prefetch = Prefetch::new(memory, 0, BLOCKS, &[later(0, 0), later(2, 1)]);
        prefetch.soon([rows(4), rows(8)]);
        let runs = drain(&mut prefetch);
        let (channels, row) = (pooled.unwrap().shape.channels, 8 * BLOCK * size_of::<f32>());
        assert_eq!(runs.len(), 3 * channels, "there is no ninth row");
        let first = memory.arena.pointer::<u8>() as usize + memory.place(pooled.unwrap()).0;
        let at = [0, channels, 2 * channels].map(|run| runs[run].0 - first);
        assert_eq!(at, [4 * row, 0, memory.place(pooled.unwrap()).1 + 2 * row]);
    }
}
