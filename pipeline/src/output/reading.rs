//! How far the reading of pictures has come: as with [`Transfer`], one step after the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use stages::data::{ReadingObserver, ReadingStep};

use super::transfer::Transfer;

/// Tells a person of a set that is read.
#[derive(Default)]
pub(crate) struct ReadingProgress {
    step: Mutex<Option<Step>>,
    done: AtomicU64,
}

/// The step that goes on, of so many pictures, where that is known.
struct Step {
    transfer: Transfer,
    pictures: Option<u64>,
}

impl ReadingProgress {
    /// Reading is over, however it ended.
    pub(crate) fn ended(&self) {
        self.replace(None);
    }

    fn replace(&self, step: Option<Step>) {
        let before = std::mem::replace(&mut *self.step.lock().unwrap_or_else(PoisonError::into_inner), step);
        if let Some(Step { transfer, .. }) = before {
            transfer.ended();
        }
    }
}

impl ReadingObserver for ReadingProgress {
    fn begun(&self, step: ReadingStep, pictures: Option<u64>) {
        let what = match step {
            ReadingStep::Listing => "listing pictures",
            ReadingStep::Hashing => "hashing pictures",
            ReadingStep::Decoding => "decoding pictures",
        };
        self.done.store(0, Ordering::Relaxed);
        self.replace(Some(Step { transfer: Transfer::pictures(what, pictures.is_some()), pictures }));
    }

    fn picture(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(Step { transfer, pictures }) = &*self.step.lock().unwrap_or_else(PoisonError::into_inner)
        {
            transfer.at(done, *pictures);
        }
    }
}
