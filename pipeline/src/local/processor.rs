//! Trainings at once on the processor: one for each core, and no more than there is memory for. The others wait.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use kernels::Device;
use stages::data::Dataset;
use stages::stage::JobList;
use stages::train::{FinishedTraining, TrainingJob};

use super::JobObserver;
use crate::engine::executor::Events;

/// Trains all `jobs` on as many threads as `workers` says, or as many as the system lets start; this thread is one of them.
pub(super) fn execute(
    jobs: &dyn JobList,
    workers: usize,
    data: &Dataset,
    device: &Device,
    stop: &AtomicBool,
    events: &dyn Events,
) {
    let work = Work { jobs, data, device, stop, events, queue: Queue::default(), next: AtomicUsize::new(0) };
    thread::scope(|scope| {
        for _ in 1..workers {
            if thread::Builder::new().spawn_scoped(scope, || work.run()).is_err() {
                break;
            }
        }
        work.run();
    });
}

/// What the threads share.
struct Work<'a> {
    jobs: &'a dyn JobList,
    data: &'a Dataset,
    device: &'a Device,
    stop: &'a AtomicBool,
    events: &'a dyn Events,
    queue: Queue,
    next: AtomicUsize,
}

impl Work<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn run(&self) {
        loop {
            self.queue.enter(self.stop);
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let is_over = index >= self.jobs.count() || self.is_stopped();
            if !is_over && self.events.wanted(index) {
                self.events.finished(index, self.train(index, &self.jobs.job(index)));
            }
            self.queue.leave();
            if is_over {
                return;
            }
        }
    }

    /// Trains one job as soon as there is memory for it.
    fn train(&self, index: usize, job: &TrainingJob) -> Result<FinishedTraining, stages::Error> {
        let held_back = AtomicBool::new(false);
        let observer = JobObserver {
            index,
            stop: self.stop,
            events: self.events,
            begun: &|| self.queue.is_served(&held_back),
        };
        loop {
            let trained = stages::train::train(job, self.data, self.device, &observer);
            let is_short =
                matches!(&trained, Err(stages::Error::Network(kernels::Error::MemoryInUse { .. })));
            if !is_short || self.is_stopped() {
                self.queue.is_served(&held_back);
                return trained;
            }
            self.queue.hold_back(&held_back);
        }
    }
}

/// Who trains, and who waits for memory. While one waits nothing new begins, so that it is not overtaken for ever.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Threads that train, or are about to.
    busy: usize,
    /// Threads that wait for memory.
    held_back: usize,
    /// Trainings that have ended.
    ended: u64,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a training may begin.
    fn enter(&self, stop: &AtomicBool) {
        let mut state = self.state();
        while state.held_back > 0 && state.busy > 0 && !stop.load(Ordering::Relaxed) {
            state = self.wait(state);
        }
        state.busy += 1;
    }

    fn leave(&self) {
        let mut state = self.state();
        state.busy -= 1;
        state.ended += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until another training has ended, or none is left.
    fn hold_back(&self, held_back: &AtomicBool) {
        let mut state = self.state();
        if !held_back.swap(true, Ordering::Relaxed) {
            state.held_back += 1;
        }
        state.busy -= 1;
        self.changed.notify_all();
        let before = state.ended;
        while state.ended == before && state.busy > 0 {
            state = self.wait(state);
        }
        state.busy += 1;
    }

    /// A training has its memory, or needs none any more.
    fn is_served(&self, held_back: &AtomicBool) {
        if held_back.swap(false, Ordering::Relaxed) {
            self.state().held_back -= 1;
            self.changed.notify_all();
        }
    }
}
