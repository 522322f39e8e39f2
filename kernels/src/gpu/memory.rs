//! Where everything lies on the device: the state's words, and the arena's pages with storages and workspaces by lifetime.

use std::collections::{HashMap, HashSet};

use super::format::NORM_RECORD;
use crate::backend::TrainerSettings;
use crate::optimiser::{Rates, has_second_moments};
use crate::preprocess::{ImageSet, Resize};
use crate::program::plan::{ALIGNMENT, Lifetime};
use crate::program::{Content, Mixture, Storage, StorageId, Tables, WorkspaceId};
use crate::shape::{BLOCK, blocks};
use crate::state::{LossScale, ParameterLayout};
use crate::step::DIFFERENTIATIONS;

/// Words of the rates of one group.
pub(crate) const RATES: usize = size_of::<Rates>() / size_of::<u32>();

/// Most workgroups that sum products of the elements of vectors.
pub(crate) const MAX_RUNS: usize = 256;

/// Word offsets in the state: all that is small, or lives longer than a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateWords {
    pub(crate) parameters: usize,
    pub(crate) momenta: usize,
    /// Second moments of Adam, where a group has it.
    pub(crate) second: usize,
    pub(crate) gradients: usize,
    pub(crate) running_mean: usize,
    pub(crate) running_var: usize,
    pub(crate) norms: usize,
    /// Drop-path scales, `[edge][lane of the batch]`.
    pub(crate) drops: usize,
    /// Loss and hits, `[row of a segment][head]`.
    pub(crate) metrics: usize,
    pub(crate) order: usize,
    /// [`Rates`](crate::optimiser::Rates), `[row of a segment][group]`.
    pub(crate) rates: usize,
    /// Sums of products of the elements of vectors, two a workgroup.
    pub(crate) products: usize,
    /// A [`LossScale`](crate::state::LossScale).
    pub(crate) loss_scale: usize,
    /// What steps keep.
    pub(crate) extra: Vec<usize>,
    pub(crate) mixtures: Vec<MixtureWords>,
    pub(crate) mean: usize,
    pub(crate) deviation: usize,
    pub(crate) sets: Vec<SetWords>,
    /// Where it ends.
    pub(crate) words: usize,
    /// Rows between two uploads, one for each batch that is read: of a whole epoch over the largest set.
    pub(crate) segment_rows: usize,
}

/// Offsets of what belongs to one mixture.
#[derive(Clone, Debug, Default)]
pub(crate) struct MixtureWords {
    /// Weights of a step, `[row][choice]`.
    pub(crate) weights: usize,
    /// Partial sums of their gradients: each term's first, of so many.
    pub(crate) partials: usize,
    pub(crate) firsts: Vec<usize>,
    /// Of each row where its terms begin and end, then of each term, by choice: choice, first partial sum, how many.
    pub(crate) terms: usize,
}

/// Offsets of what belongs to one set of images.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetWords {
    /// Labels, two a word.
    pub(crate) labels: usize,
    pub(crate) rows: ResizeWords,
    pub(crate) columns: ResizeWords,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ResizeWords {
    pub(crate) first: usize,
    pub(crate) weights: usize,
    pub(crate) taps: usize,
}

/// The labels of a set, two a word.
pub(super) fn label_words(set: &ImageSet) -> Vec<u32> {
    let pack = |two: &[u16]| two.iter().rev().fold(0, |word, &label| word << 16 | u32::from(label));
    set.labels().chunks(2).map(pack).collect()
}

impl StateWords {
    /// Lays out the state from word `first` on, and lists the words that never change.
    pub(crate) fn new(
        first: usize,
        tables: &Tables,
        layout: &ParameterLayout,
        settings: &TrainerSettings,
        sets: &[ImageSet],
    ) -> (Self, Vec<(usize, Vec<u32>)>) {
        let mut state = Self { words: first, ..Self::default() };
        let mut constants = Vec::new();
        let largest = sets.iter().map(ImageSet::len).max().unwrap_or(0);
        state.segment_rows = largest.div_ceil(settings.batch_size).max(DIFFERENTIATIONS);
        let take = |words: &mut usize, count: usize| {
            let offset = *words;
            *words = (offset + count).next_multiple_of(16);
            offset
        };
        let words = &mut state.words;
        state.parameters = take(words, layout.elements);
        state.momenta = take(words, layout.trained);
        state.second = take(words, if has_second_moments(&settings.groups) { layout.trained } else { 0 });
        state.gradients = take(words, layout.elements);
        state.running_mean = take(words, tables.norm_channels);
        state.running_var = take(words, tables.norm_channels);
        state.norms = take(words, NORM_RECORD * tables.norm_channels);
        state.drops = take(words, tables.drops * blocks(settings.batch_size) * BLOCK);
        state.metrics = take(words, 2 * tables.heads.len() * state.segment_rows);
        state.order = take(words, state.segment_rows * settings.batch_size);
        state.rates = take(words, RATES * settings.groups.len() * state.segment_rows);
        state.products = take(words, 2 * MAX_RUNS);
        state.loss_scale = take(words, size_of::<LossScale>() / size_of::<u32>());
        state.extra = (0..settings.extra_vectors).map(|_| take(words, layout.trained)).collect();
        for mixture in &tables.mixtures {
            let mut firsts = Vec::with_capacity(mixture.terms.len());
            let mut next = 0;
            for term in &mixture.terms {
                firsts.push(next);
                next += term.channels;
            }
            let weights = take(words, mixture.kept);
            let partials = take(words, next);
            state.mixtures.push(MixtureWords { weights, partials, firsts, terms: 0 });
        }
        let mut constant = |words: &mut usize, values: Vec<u32>| {
            let offset = take(words, values.len());
            constants.push((offset, values));
            offset
        };
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
        for (mixture, own) in tables.mixtures.iter().zip(&mut state.mixtures) {
            own.terms = constant(words, terms(mixture, &own.firsts));
        }
        state.mean = constant(words, bits(&settings.preprocess.mean));
        state.deviation = constant(words, bits(&settings.preprocess.std));
        for set in sets {
            let labels = constant(words, label_words(set));
            let mut resize = |words: &mut usize, size: usize| {
                let resize = Resize::new(size, settings.preprocess.image_size);
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

    /// Whether there are second moments.
    pub(crate) fn has_second(&self) -> bool {
        self.gradients > self.second
    }

    /// Bytes of what lasts from step to step, of the gradients, and of everything else.
    pub(crate) fn bytes(&self) -> [u64; 3] {
        let gradients = self.running_mean - self.gradients;
        let state = self.drops - self.parameters - gradients;
        [state, gradients, self.words - self.drops].map(|words| 4 * words as u64)
    }
}

/// Of each row of a mixture where its terms begin and end among all; then of each term, by choice, its choice, its first
/// partial sum, and how many it has.
fn terms(mixture: &Mixture, firsts: &[usize]) -> Vec<u32> {
    let mut terms: Vec<_> = mixture.terms.iter().zip(firsts).collect();
    terms.sort_by_key(|(term, _)| term.choice);
    let before = |row: usize| terms.partition_point(|(term, _)| term.choice < row * mixture.choices);
    let rows = (0..mixture.rows).flat_map(|row| [before(row), before(row + 1)]);
    let each = terms.iter().flat_map(|(term, first)| [term.choice, **first, term.channels]);
    rows.chain(each).map(|number| number as u32).collect()
}

/// What a workspace holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// So many quads of lanes: four numbers of the precision of activations.
    Quads(usize),
    /// The same in 32 bits.
    Sums(usize),
    /// So many words.
    Words(usize),
}

impl Held {
    /// Bytes of it, where activations have 16 bits (`half_precision`) or 32.
    pub(crate) fn bytes(self, half_precision: bool) -> usize {
        match self {
            Self::Quads(quads) => 4 * quads * Content::Activation.bytes(half_precision),
            Self::Sums(quads) => 4 * quads * Content::Sum.bytes(half_precision),
            Self::Words(words) => 4 * words,
        }
    }
}

/// What a call needs in the arena, from the time of its first launch to that of its last.
pub(crate) struct Needs {
    pub(crate) times: (usize, usize),
    pub(crate) storages: Vec<StorageId>,
    /// Workspaces, with what it needs of them, and those that it touches.
    pub(crate) workspaces: Vec<(WorkspaceId, Held)>,
    pub(crate) touched_workspaces: Vec<WorkspaceId>,
}

/// What has memory in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Allocation {
    Storage(StorageId),
    Workspace(WorkspaceId),
}

/// Where an allocation begins: a page of the arena, of its lanes or of its words, and a byte offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) page: usize,
    pub(crate) bytes: usize,
}

/// Where what a program holds lies.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    pub(crate) addresses: HashMap<Allocation, Address>,
    /// Which of them are words, and not quads of lanes.
    words_of: HashSet<Allocation>,
    /// Bytes of each page with quads of lanes.
    pub(crate) lanes: Vec<usize>,
    /// Bytes of each page with words.
    pub(crate) words: Vec<usize>,
    /// Bytes of the largest single allocation.
    pub(crate) largest: usize,
    /// Bytes of all allocations, if none shared memory with another.
    pub(crate) unshared: usize,
    #[cfg(test)]
    lives: HashMap<Allocation, Lifetime>,
}

impl Arena {
    /// Of a program whose memory is not planned yet: all lies at the start of the first page.
    pub(crate) fn unplanned() -> Self {
        Self {
            addresses: HashMap::new(),
            words_of: HashSet::new(),
            lanes: Vec::new(),
            words: Vec::new(),
            largest: 0,
            unshared: 0,
            #[cfg(test)]
            lives: HashMap::new(),
        }
    }

    /// Plans a program of `storages` for `batch` images on pages of at most `page_bytes`. `needs` are those of its calls that have
    /// launches; `half_precision` says whether activations have 16 bits.
    pub(crate) fn new(
        storages: &[Storage],
        needs: &[Needs],
        batch: usize,
        half_precision: bool,
        page_bytes: usize,
    ) -> Self {
        let lanes = blocks(batch) * BLOCK;
        let mut words_of = HashSet::new();
        let mut held: Vec<(Allocation, Lifetime)> = Vec::new();
        let mut numbers: HashMap<Allocation, usize> = HashMap::new();
        let mut hold = |allocation: Allocation, bytes: usize, (first, last): (usize, usize)| {
            let number = *numbers.entry(allocation).or_insert_with(|| {
                held.push((allocation, Lifetime { bytes, first, last }));
                held.len() - 1
            });
            let life = &mut held[number].1;
            let (first, last) = (life.first.min(first), life.last.max(last));
            *life = Lifetime { bytes: life.bytes.max(bytes), first, last };
        };
        let needed = needs.iter().flat_map(|needs| &needs.workspaces).map(|&(id, _)| id);
        let needed: HashSet<WorkspaceId> = needed.collect();
        for Needs { times, storages: touched, workspaces, touched_workspaces } in needs {
            for &id in touched {
                let (allocation, storage) = (Allocation::Storage(id), storages[id.0]);
                if storage.content == Content::Bytes {
                    words_of.insert(allocation);
                }
                hold(
                    allocation,
                    storage.shape.elements() * lanes * storage.content.bytes(half_precision),
                    *times,
                );
            }
            for &id in touched_workspaces.iter().filter(|id| needed.contains(id)) {
                hold(Allocation::Workspace(id), 0, *times);
            }
            for &(id, what) in workspaces {
                let allocation = Allocation::Workspace(id);
                match what {
                    Held::Quads(_) | Held::Sums(_) => hold(allocation, what.bytes(half_precision), *times),
                    Held::Words(_) => {
                        words_of.insert(allocation);
                        hold(allocation, what.bytes(half_precision), *times);
                    }
                }
            }
        }
        let largest = held.iter().map(|(_, life)| life.bytes).max().unwrap_or(0);
        let unshared = held.iter().map(|(_, life)| life.bytes).sum();
        #[cfg(test)]
        let lives = held.iter().copied().collect();
        let mut addresses = HashMap::new();
        let (words, lanes): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|(allocation, _)| words_of.contains(allocation));
        let [words, lanes] = [words, lanes].map(|held| {
            let lives: Vec<Lifetime> = held.iter().map(|&(_, life)| life).collect();
            let (found, pages) = split(&lives, page_bytes);
            addresses.extend(held.iter().map(|&(allocation, _)| allocation).zip(found));
            pages
        });
        Self {
            addresses,
            words_of,
            lanes,
            words,
            largest,
            unshared,
            #[cfg(test)]
            lives,
        }
    }

    /// Whether an allocation is words, and not quads of lanes.
    #[cfg(test)]
    pub(super) fn is_words(&self, allocation: Allocation) -> bool {
        self.words_of.contains(&allocation)
    }

    /// When what lies in it is needed, where it lies, and whether that is a page of words.
    #[cfg(test)]
    pub(super) fn lives(&self) -> Vec<(Lifetime, Address, bool)> {
        let live = |(allocation, &life): (&Allocation, _)| {
            (life, self.addresses[allocation], self.words_of.contains(allocation))
        };
        self.lives.iter().map(live).collect()
    }

    /// Moves each of its pages, of lanes and of words, to an address on the pages that trainings share.
    pub(crate) fn move_to(&mut self, lanes: &[Address], words: &[Address]) {
        for (allocation, address) in &mut self.addresses {
            let pages = if self.words_of.contains(allocation) { words } else { lanes };
            let Address { page, bytes } = pages[address.page];
            *address = Address { page, bytes: bytes + address.bytes };
        }
    }
}

/// Plans greedily, largest first, each on the first page and at the lowest offset that is free during its whole lifetime.
fn split(lives: &[Lifetime], page_bytes: usize) -> (Vec<Address>, Vec<usize>) {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(lives[i].bytes), lives[i].first, i));
    let mut addresses = vec![Address { page: 0, bytes: 0 }; lives.len()];
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
                if addresses[other].bytes >= offset + size {
                    break;
                }
                offset = offset.max(addresses[other].bytes + there.bytes.next_multiple_of(ALIGNMENT));
            }
            offset
        };
        let found = pages.iter().map(gap).enumerate().find(|(_, offset)| offset + size <= page_bytes);
        let (page, bytes) = found.unwrap_or((pages.len(), 0));
        addresses[index] = Address { page, bytes };
        if page == pages.len() {
            pages.push(Vec::new());
        }
        let position = pages[page].partition_point(|&other| addresses[other].bytes <= bytes);
        pages[page].insert(position, index);
    }
    let end = |&index: &usize| addresses[index].bytes + lives[index].bytes.next_multiple_of(ALIGNMENT);
    let sizes = pages.iter().map(|page| page.iter().map(end).max().unwrap_or(0)).collect();
    (addresses, sizes)
}
