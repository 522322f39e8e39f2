//! Trainings at once on the processor: one for each core, and no more than there is memory for. The others wait.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use stages::job::{Job, JobResult};
use stages::stage::JobList;
use stages::train::Finished;

use super::{Execution, JobObserver};

/// Does a job, or says that there is no memory for it now.
type Train<'a> = dyn Fn(&Job, &JobObserver<'_>) -> Result<Finished<JobResult>, stages::Error> + Sync + 'a;

/// Trains all `jobs` by `train` on as many threads as `workers` says, or as many as the system lets start; this thread is one of
/// them.
pub(super) fn execute(jobs: &dyn JobList, workers: usize, train: &Train<'_>, execution: Execution<'_>) {
    let work = Work { jobs, train, execution, queue: Queue::default(), next: AtomicUsize::new(0) };
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
    train: &'a Train<'a>,
    execution: Execution<'a>,
    queue: Queue,
    next: AtomicUsize,
}

impl Work<'_> {
    fn run(&self) {
        loop {
            self.queue.enter(self.execution.stop);
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let is_over = index >= self.jobs.count() || self.execution.is_stopped();
            if !is_over && self.execution.events.wanted(index) {
                self.execution.events.finished(index, self.train(index, &self.jobs.job(index)));
            }
            self.queue.leave();
            if is_over {
                return;
            }
        }
    }

    /// Trains one job as soon as there is memory for it.
    fn train(&self, index: usize, job: &Job) -> Result<Finished<JobResult>, stages::Error> {
        let held_back = AtomicBool::new(false);
        let observer =
            JobObserver { index, execution: self.execution, begun: &|| self.queue.is_served(&held_back) };
        loop {
            let trained = (self.train)(job, &observer);
            let is_short =
                matches!(&trained, Err(stages::Error::Network(kernels::Error::MemoryInUse { .. })));
            if !is_short || self.execution.is_stopped() {
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

    /// Waits until a training may begin: also when none is busy any more, for then those that wait for memory go on.
    fn enter(&self, stop: &AtomicBool) {
        let mut state = self.state();
        while state.held_back > 0 && !stop.load(Ordering::Relaxed) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use stages::data::Dataset;
    use stages::recipe::{Recipe, Scoring};
    use stages::sample::architectures;
    use stages::stage::JobTemplate;
    use stages::train::{DataId, Observer, TrainingJob, TrainingResult};

    use super::*;
    use crate::engine::executor::Events;

    const WORKERS: usize = 4;

    /// What happened to jobs, in the order in which it did.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Happened {
        Refused(usize),
        Begun(usize),
        Ended(usize, bool),
    }

    #[derive(Default)]
    struct Log(Mutex<Vec<Happened>>);

    impl Log {
        fn push(&self, what: Happened) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Events for Log {
        fn chose(&self, _: &str) {}

        fn wanted(&self, _: usize) -> bool {
            true
        }

        fn images(&self, _: usize, _: u64) {}

        fn resumed(&self, _: usize, _: u64) {}

        fn checkpoint(&self, _: usize) -> Option<Vec<u8>> {
            None
        }

        fn keep_checkpoint(&self, _: usize, _: &[u8]) -> Result<(), cache::Error> {
            Ok(())
        }

        fn weights(&self, _: &cache::Digest) -> Option<Vec<u8>> {
            None
        }

        fn keep_weights(&self, bytes: &[u8]) -> Result<cache::Digest, cache::Error> {
            Ok(cache::Digest::of("test", bytes))
        }

        fn note(&self, _: usize, _: &str) {}

        fn finished(&self, job: usize, result: Result<Finished<JobResult>, stages::Error>) {
            self.push(Happened::Ended(job, result.is_ok()));
        }
    }

    fn jobs(count: usize) -> Vec<Job> {
        let data = Dataset::synthetic(1);
        let template = JobTemplate {
            data: DataId::of(&data),
            scoring: Scoring::Published,
            recipe: Recipe::default(),
            seed: 0,
        };
        let genotype = &architectures(0, 1)[0];
        let budget = "BPE-1".parse().unwrap();
        let job = |seed| Job::Network(TrainingJob { seed, ..template.job(genotype, &budget) });
        (0..count as u64).map(job).collect()
    }

    fn finished() -> Finished<JobResult> {
        let result = TrainingResult {
            score: 1.0,
            epochs: Vec::new(),
            test_accuracy: 1.0,
            diverged_at: None,
            parameters: 1,
            mult_adds: 1,
            training_flops: 1,
        };
        let result = JobResult::Network(result);
        Finished { result, device: "none".into(), elapsed_ms: 1, images_per_second: 1.0 }
    }

    /// Trains jobs that take so much of `memory` each, with which none trains alone.
    fn train(sizes: &[u64], memory: u64) -> Vec<Happened> {
        let taken = Mutex::new(0);
        let log = Log::default();
        let train = |job: &Job, observer: &JobObserver<'_>| {
            let Job::Network(TrainingJob { seed, .. }) = job else { unreachable!() };
            let (index, size) = (observer.index, sizes[*seed as usize]);
            {
                let mut taken = taken.lock().unwrap();
                if *taken > 0 && *taken + size > memory {
                    log.push(Happened::Refused(index));
                    let (device, free_mib) = ("none".into(), memory - *taken);
                    let error = kernels::Error::MemoryInUse { device, needed_mib: size, free_mib };
                    return Err(stages::Error::Network(error));
                }
                *taken += size;
                log.push(Happened::Begun(index));
            }
            observer.begun();
            thread::sleep(Duration::from_millis(2));
            *taken.lock().unwrap() -= size;
            Ok(finished())
        };
        let (stop, checkpoint_interval) = (AtomicBool::new(false), Duration::ZERO);
        let execution = Execution { stop: &stop, events: &log, checkpoint_interval };
        execute(&jobs(sizes.len()), WORKERS, &train, execution);
        log.0.into_inner().unwrap()
    }

    #[test]
    fn trainings_that_do_not_fit_wait_and_none_fails_or_is_overtaken_for_ever() {
        // The fourth needs all the memory, among small ones that would always find some.
        let mut sizes = [1; 40];
        sizes[3] = 4;
        // And such that only one of two fits at a time.
        for sizes in [&sizes[..], &[3; 12], &[1, 4, 2, 3, 4, 1, 1, 4]] {
            let log = train(sizes, 4);
            let ended = |job| log.iter().filter(|&&what| what == Happened::Ended(job, true)).count();
            assert!((0..sizes.len()).all(|job| ended(job) == 1), "{sizes:?}: {log:?}");
            let place = |wanted| log.iter().position(|&what| what == wanted);
            let refused = (0..sizes.len()).filter_map(|job| Some((job, place(Happened::Refused(job))?)));
            let refused: Vec<_> = refused.collect();
            assert!(!refused.is_empty(), "{sizes:?}: none had to wait");
            for (job, first) in refused {
                let begun = place(Happened::Begun(job)).unwrap();
                let others = log[first..begun].iter().filter(|what| matches!(what, Happened::Begun(_)));
                assert!(others.count() < WORKERS, "{sizes:?}: {job} was overtaken: {log:?}");
            }
        }
    }
}
