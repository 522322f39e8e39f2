//! The arena: within pages, and nothing over what lives at the same time.

use super::networks::{Training, dense};
use crate::gpu::Sizes;
use crate::gpu::images::ImageSplit;
use crate::gpu::memory::Arena;
use crate::gpu::prepare::{Prepared, TooLarge, needs};
use crate::gpu::tiles::Style;
use crate::program::schedule::{schedule, waits};

#[test]
fn a_large_training_is_split_over_default_bindings() {
    let page_bytes: usize = 128 << 20;
    let training = Training::new(dense(16, 8, 32, 0), 64, 32, 1);
    let setup = training.setup();
    let times = schedule(&waits(&setup.train.calls), &vec![false; setup.train.calls.len()]);
    let times: Vec<_> = times.into_iter().map(|time| Some((time, time))).collect();
    let arena = |half_precision, page_bytes| {
        let sizes = Sizes { batch: 64, half_precision, style: Style::HARDWARE };
        let needs = needs(&setup.train.calls, &sizes, &times);
        Arena::new(&setup.train.storages, &needs, 64, half_precision, page_bytes)
    };
    let split = arena(false, page_bytes);
    assert!(split.lanes.len() > 1, "{:?}", split.lanes);
    assert!(split.lanes.iter().chain(&split.words).all(|&page| page <= page_bytes), "{split:?}");
    let whole = arena(false, usize::MAX);
    assert_eq!((whole.lanes.len(), whole.words.len()), (1, 1));
    let sum: usize = split.lanes.iter().sum();
    assert!(sum < whole.lanes[0] * 5 / 4, "{sum} bytes in pages, {} in one", whole.lanes[0]);
    // The same graph with half the bits needs half the memory for lanes; partial sums stay as they are.
    let half_precision = arena(true, usize::MAX);
    assert!(half_precision.lanes[0] * 19 < whole.lanes[0] * 10 && half_precision.words == whole.words);
}

#[test]
fn what_no_page_holds_is_refused() {
    let training = Training::new(dense(8, 3, 16, 0), 32, 32, 1);
    let setup = [training.setup()];
    let split = [ImageSplit::new(&setup[0].sets[0], 1 << 20)];
    // The largest allocation is the first cell's output: 32 channels of 16 × 16 pixels of 32 images.
    let largest = 32 * 16 * 16 * 32 * 4;
    assert!(Prepared::new(&setup, largest, &split, Style::HARDWARE).is_ok());
    assert_eq!(
        Prepared::new(&setup, largest - 256, &split, Style::HARDWARE).err(),
        Some(TooLarge::Allocation(largest))
    );
}

/// Lavapipe would leave the loop and say nothing.
#[test]
fn what_no_loop_goes_through_is_refused() {
    let prepared = |size: usize, batch: usize, style: Style| {
        let training = Training::new(dense(1, 3, size, 0), batch, 32, 1);
        let setup = [training.setup()];
        let split = [ImageSplit::new(&setup[0].sets[0], 1 << 30)];
        Prepared::new(&setup, 1 << 40, &split, style).err()
    };
    for (size, batch) in [(256, 2), (224, 160)] {
        assert_eq!(prepared(size, batch, Style::SOFTWARE), Some(TooLarge::Loop), "{batch} of {size} pixels");
        assert_eq!(prepared(size, batch, Style::HARDWARE), None, "{batch} of {size} pixels");
    }
    assert_eq!(prepared(224, 128, Style::SOFTWARE), None);
}

/// Dispatches of one time run at once.
#[test]
fn what_lives_at_one_time_lies_apart() {
    for style in [Style::HARDWARE, Style::SOFTWARE] {
        let trainings = [0, 3].map(|first| Training::new(dense(4, 4, 8, first), 20, 32, 4));
        let setups = trainings.each_ref().map(Training::setup);
        let splits = [ImageSplit::new(&setups[0].sets[0], 1 << 20)];
        let prepared = Prepared::new(&setups, 1 << 20, &splits, style).unwrap();
        // Of both trainings, whose arenas share pages.
        let lives: Vec<_> = prepared.lives.iter().flatten().collect();
        assert!(prepared.lanes_pages.len() > 1 && lives.len() > 200);
        let mut shared = 0;
        for (index, (a, at, is_words)) in lives.iter().enumerate() {
            for (b, there, words) in &lives[index + 1..] {
                let apart = is_words != words
                    || at.page != there.page
                    || at.bytes + a.bytes <= there.bytes
                    || there.bytes + b.bytes <= at.bytes;
                let together = a.first <= b.last && b.first <= a.last;
                assert!(apart || !together, "{a:?} at {at:?} and {b:?} at {there:?}");
                shared += usize::from(!apart);
            }
        }
        assert!(shared > 0, "nothing shares memory");
    }
}

#[test]
fn images_are_split_at_whole_words() {
    let training = Training::new(dense(8, 3, 4, 0), 32, 32, 23);
    let set = &training.sets[0];
    let bytes = set.shape().elements() as u64;
    assert_eq!(ImageSplit::new(set, 10 * bytes), ImageSplit { pages: 3, images_per_page: 8 });
    assert_eq!(
        ImageSplit::new(set, 1 << 20),
        ImageSplit { pages: 1, images_per_page: (1 << 20) / 192 / 4 * 4 }
    );
}
