//! Where everything lies on the device: the state's words, and the arena's pages with storages and workspaces by lifetime.

use std::collections::HashMap;

use super::tiles::{DepthwiseTiles, Style, WeightTiles};
use super::weights::WeightQuads;
use crate::graph::{Graph, StorageId};
use crate::ops::{Columns, Convolution};
use crate::plan::{ALIGNMENT, Lifetime};
use crate::preprocess::{ImageSet, Resize};
use crate::program::{Call, Content, Program};
use crate::shape::{BLOCK, blocks};
use crate::state::Layout;
use crate::trainer::TrainerSettings;

/// Words of one channel of a normalisation: a, b, mean, 1/deviation, A, B, C and one unused.
pub(super) const NORM_RECORD: usize = 8;

/// Most workgroups that sum squares of gradients.
pub(super) const MAX_RUNS: usize = 256;

/// Word offsets in the state: all that is small, or lives longer than a step.
#[derive(Clone, Debug, Default)]
pub(super) struct StateWords {
    pub(super) parameters: usize,
    pub(super) momenta: usize,
    pub(super) gradients: usize,
    pub(super) running_mean: usize,
    pub(super) running_var: usize,
    pub(super) norms: usize,
    /// Drop-path scales, `[edge][lane of the batch]`.
    pub(super) drops: usize,
    /// Loss and hits, `[step of a segment][head]`.
    pub(super) metrics: usize,
    pub(super) order: usize,
    pub(super) squares: usize,
    pub(super) mean: usize,
    pub(super) deviation: usize,
    pub(super) sets: Vec<SetWords>,
    /// Where it ends.
    pub(super) words: usize,
    /// Steps between two uploads: of a whole epoch over the largest set.
    pub(super) segment_steps: usize,
}

/// Offsets of what belongs to one set of images.
#[derive(Clone, Debug, Default)]
pub(super) struct SetWords {
    /// Labels, four a word.
    pub(super) labels: usize,
    pub(super) rows: ResizeWords,
    pub(super) columns: ResizeWords,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ResizeWords {
    pub(super) first: usize,
    pub(super) weights: usize,
    pub(super) taps: usize,
}

impl StateWords {
    /// Lays out the state from word `first` on, and lists the words that never change.
    pub(super) fn new(
        first: usize,
        graph: &Graph,
        layout: &Layout,
        recipe: &TrainerSettings,
        sets: &[ImageSet],
    ) -> (Self, Vec<(usize, Vec<u32>)>) {
        let mut state = Self { words: first, ..Self::default() };
        let mut constants = Vec::new();
        let largest = sets.iter().map(ImageSet::len).max().unwrap_or(0);
        state.segment_steps = largest.div_ceil(recipe.batch_size).max(1);
        let take = |words: &mut usize, count: usize| {
            let offset = *words;
            *words = (offset + count).next_multiple_of(16);
            offset
        };
        let words = &mut state.words;
        state.parameters = take(words, layout.elements);
        state.momenta = take(words, layout.trained);
        state.gradients = take(words, layout.elements);
        state.running_mean = take(words, graph.norm_channels());
        state.running_var = take(words, graph.norm_channels());
        state.norms = take(words, NORM_RECORD * graph.norm_channels());
        state.drops = take(words, graph.drops * blocks(recipe.batch_size) * BLOCK);
        state.metrics = take(words, 2 * graph.heads.len() * state.segment_steps);
        state.order = take(words, state.segment_steps * recipe.batch_size);
        state.squares = take(words, 2 * MAX_RUNS);
        let mut constant = |words: &mut usize, values: Vec<u32>| {
            let offset = take(words, values.len());
            constants.push((offset, values));
            offset
        };
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
        state.mean = constant(words, bits(&recipe.preprocess.mean));
        state.deviation = constant(words, bits(&recipe.preprocess.std));
        for set in sets {
            let pack = |four: &[u8]| four.iter().rev().fold(0, |word, &label| word << 8 | u32::from(label));
            let labels = constant(words, set.labels().chunks(4).map(pack).collect());
            let mut resize = |words: &mut usize, size: usize| {
                let resize = Resize::new(size, recipe.preprocess.image_size);
                let first = resize.first.iter().map(|&first| first as u32).collect();
                ResizeWords {
                    first: constant(words, first),
                    weights: constant(words, bits(&resize.weights)),
                    taps: resize.taps,
                }
            };
            let rows = resize(words, set.shape().height);
            let columns = resize(words, set.shape().width);
            state.sets.push(SetWords { labels, rows, columns });
        }
        (state, constants)
    }

    /// Bytes of what lasts from step to step, of the gradients, and of everything else.
    pub(super) fn bytes(&self) -> [u64; 3] {
        let gradients = self.running_mean - self.gradients;
        let state = self.drops - self.parameters - gradients;
        [state, gradients, self.words - self.drops].map(|words| 4 * words as u64)
    }
}

/// Something that needs memory in the arena; workspaces of a convolution are named by its weight parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Held {
    Storage(StorageId),
    /// Quads of weights of a parameter.
    Weights(usize),
    /// The same for the gradient of what they are multiplied by.
    GradientWeights(usize),
    /// Depthwise results of a separable convolution.
    Columns(usize),
    /// Their gradients.
    ColumnGradients(usize),
    /// Partial sums of the gradient of the weights.
    Partials(usize),
    /// Of the depthwise weights.
    DepthwisePartials(usize),
}

impl Held {
    /// Whether it is words, and not quads of lanes.
    fn is_words(self, program: &Program) -> bool {
        match self {
            Self::Storage(id) => matches!(program.storages[id.0].content, Content::Taps),
            Self::Weights(_) | Self::GradientWeights(_) | Self::Columns(_) | Self::ColumnGradients(_) => {
                false
            }
            Self::Partials(_) | Self::DepthwisePartials(_) => true,
        }
    }
}

/// A page of the arena (of its lanes or of its words) and a byte offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) page: usize,
    pub(super) bytes: usize,
}

/// Where what a program holds lies.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    pub(super) places: HashMap<Held, Place>,
    /// Bytes of each page with quads of lanes.
    pub(super) lanes: Vec<usize>,
    /// Bytes of each page with words.
    pub(super) words: Vec<usize>,
    /// Bytes of the largest single block.
    pub(super) largest: usize,
    /// Bytes of all blocks, if none shared memory with another.
    pub(super) unshared: usize,
    #[cfg(test)]
    lives: HashMap<Held, Lifetime>,
}

impl Arena {
    /// Of a program whose memory is not planned yet: all lies at the start of the first page.
    pub(super) fn unplanned() -> Self {
        Self {
            places: HashMap::new(),
            lanes: Vec::new(),
            words: Vec::new(),
            largest: 0,
            unshared: 0,
            #[cfg(test)]
            lives: HashMap::new(),
        }
    }

    /// Plans a program on pages of at most `page_bytes`; `times` are those of each call's first and last launch, if it
    /// has any.
    pub(super) fn new(
        graph: &Graph,
        program: &Program,
        times: &[Option<(usize, usize)>],
        batch: usize,
        half: bool,
        page_bytes: usize,
        style: Style,
    ) -> Self {
        let lanes = blocks(batch) * BLOCK;
        let element = if half { 2 } else { 4 };
        let mut held: Vec<(Held, Lifetime)> = Vec::new();
        let mut numbers: HashMap<Held, usize> = HashMap::new();
        let mut hold = |what: Held, bytes: usize, (first, last): (usize, usize)| {
            let number = *numbers.entry(what).or_insert_with(|| {
                held.push((what, Lifetime { bytes, first, last }));
                held.len() - 1
            });
            let life = &mut held[number].1;
            life.first = life.first.min(first);
            life.last = life.last.max(last);
        };
        for (call, &time) in program.calls.iter().zip(times) {
            let Some(time) = time else { continue };
            // Here statistics are made from what was normalised, not from sums that its kernel left.
            let raw = match call {
                Call::NormStatistics { norm } => Some(graph.norms[norm.0].raw.storage),
                _ => None,
            };
            for id in call.storages().into_iter().chain(raw) {
                let storage = program.storages[id.0];
                let bytes = match storage.content {
                    Content::Activation => storage.shape.elements() * lanes * element,
                    Content::Taps => storage.shape.elements() * lanes,
                };
                hold(Held::Storage(id), bytes, time);
            }
            for quads in WeightQuads::read_by(call, batch, style) {
                // Made at the start.
                hold(quads.held, quads.count() * 4 * element, (0, time.1));
            }
            let columns = |op: &Convolution| op.column_count() * op.output.shape.pixels() * lanes * element;
            match call {
                Call::Convolve { op } if op.depthwise.is_some() => {
                    hold(Held::Columns(op.weight.0), columns(op), time);
                }
                Call::ConvolveBackward { op, .. } => {
                    let parts = WeightTiles::new(op, batch, style).parts;
                    let bytes = parts * op.output.shape.channels * op.column_count() * 4;
                    hold(Held::Partials(op.weight.0), bytes, time);
                    if let Columns::Depthwise { kernel, .. } = op.columns {
                        hold(Held::Columns(op.weight.0), columns(op), time);
                        hold(Held::ColumnGradients(op.weight.0), columns(op), time);
                        let parts = DepthwiseTiles::new(op, batch, style).parts;
                        let bytes = parts * op.input.tensor.shape.channels * kernel * kernel * 4;
                        hold(Held::DepthwisePartials(op.weight.0), bytes, time);
                    }
                }
                // Reads what was held above until now.
                Call::WeightGradient { op } => {
                    hold(Held::Partials(op.weight.0), 0, time);
                    if op.depthwise.is_some() {
                        hold(Held::DepthwisePartials(op.weight.0), 0, time);
                    }
                }
                _ => {}
            }
        }
        let largest = held.iter().map(|(_, life)| life.bytes).max().unwrap_or(0);
        let unshared = held.iter().map(|(_, life)| life.bytes).sum();
        #[cfg(test)]
        let lives = held.iter().copied().collect();
        let mut places = HashMap::new();
        let (words, lanes): (Vec<_>, Vec<_>) = held.into_iter().partition(|(held, _)| held.is_words(program));
        let [words, lanes] = [words, lanes].map(|held| {
            let lives: Vec<Lifetime> = held.iter().map(|&(_, life)| life).collect();
            let (found, pages) = split(&lives, page_bytes);
            places.extend(held.iter().map(|&(what, _)| what).zip(found));
            pages
        });
        Self {
            places,
            lanes,
            words,
            largest,
            unshared,
            #[cfg(test)]
            lives,
        }
    }

    /// When what lies in it is needed, where it lies, and whether that is a page of words.
    #[cfg(test)]
    pub(super) fn lives(&self, program: &Program) -> Vec<(Lifetime, Place, bool)> {
        let live = |(held, &life): (&Held, _)| (life, self.places[held], held.is_words(program));
        self.lives.iter().map(live).collect()
    }

    /// Moves each of its pages, of lanes and of words, to a place on the pages that trainings share.
    pub(super) fn move_to(&mut self, program: &Program, lanes: &[Place], words: &[Place]) {
        for (held, place) in &mut self.places {
            let pages = if held.is_words(program) { words } else { lanes };
            let Place { page, bytes } = pages[place.page];
            *place = Place { page, bytes: bytes + place.bytes };
        }
    }
}

/// Plans greedily, largest first, each on the first page and at the lowest offset that is free during its whole lifetime.
fn split(lives: &[Lifetime], page_bytes: usize) -> (Vec<Place>, Vec<usize>) {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(lives[i].bytes), lives[i].first, i));
    let mut places = vec![Place { page: 0, bytes: 0 }; lives.len()];
    // What lies on each page, by offset.
    let mut pages: Vec<Vec<usize>> = Vec::new();
    for index in order {
        let life = lives[index];
        let size = life.bytes.next_multiple_of(ALIGNMENT);
        let gap = |page: &Vec<usize>| {
            let mut offset = 0;
            for &other in page {
                let there = lives[other];
                if there.first > life.last || life.first > there.last {
                    continue;
                }
                if places[other].bytes >= offset + size {
                    break;
                }
                offset = offset.max(places[other].bytes + there.bytes.next_multiple_of(ALIGNMENT));
            }
            offset
        };
        let found = pages.iter().map(gap).enumerate().find(|(_, offset)| offset + size <= page_bytes);
        let (page, bytes) = found.unwrap_or((pages.len(), 0));
        places[index] = Place { page, bytes };
        if page == pages.len() {
            pages.push(Vec::new());
        }
        let position = pages[page].partition_point(|&other| places[other].bytes <= bytes);
        pages[page].insert(position, index);
    }
    let end = |&index: &usize| places[index].bytes + lives[index].bytes.next_multiple_of(ALIGNMENT);
    let sizes = pages.iter().map(|page| page.iter().map(end).max().unwrap_or(0)).collect();
    (places, sizes)
}
