//! Packs of trainings on a GPU, one after another: a pack has all of the GPU.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use kernels::Device;
use stages::data::Dataset;
use stages::stage::JobList;

use super::{Execution, JobObserver};
use crate::error::Error;

/// Jobs, and what they are packed by.
pub(super) struct Packs<'a> {
    pub(super) jobs: &'a dyn JobList,
    pub(super) data: &'a Dataset,
    pub(super) device: &'a Device,
    /// Most trainings in a pack.
    pub(super) most: usize,
    /// Bytes that a pack may take.
    pub(super) bytes: u64,
    pub(super) execution: Execution<'a>,
}

impl Packs<'_> {
    /// Trains all of them. Where there is less memory than was planned with, or fewer threads start, what was left out of a
    /// pack goes into smaller ones.
    ///
    /// # Errors
    /// When the device fails: then no other training on it would give a result.
    pub(super) fn execute(&self) -> Result<(), Error> {
        let mut waiting: VecDeque<usize> = (0..self.jobs.count()).collect();
        let mut most = self.most;
        while !waiting.is_empty() && !self.execution.is_stopped() {
            let pack = self.next_pack(most, &mut waiting);
            let count = pack.len();
            let mut left_out = self.train(pack)?;
            if !left_out.is_empty() {
                most = if left_out.len() == count { count / 2 } else { count - left_out.len() };
                left_out.sort_unstable();
                left_out.into_iter().rev().for_each(|index| waiting.push_front(index));
            }
        }
        Ok(())
    }

    /// Trains a pack; gives those that a smaller one might hold.
    fn train(&self, pack: Vec<usize>) -> Result<Vec<usize>, Error> {
        let count = pack.len();
        let (left_out, failed) = (Mutex::new(Vec::new()), Mutex::new(None));
        let leave_out = |index| left_out.lock().unwrap_or_else(PoisonError::into_inner).push(index);
        let train = |index: usize, seat: Device| {
            let observer = JobObserver { index, execution: self.execution, begun: &|| {} };
            let trained = self.jobs.job(index).run(self.data, &seat, &observer, &observer, &observer);
            match &trained {
                Err(stages::Error::Network(
                    kernels::Error::OutOfMemory { .. } | kernels::Error::MemoryInUse { .. },
                )) if count > 1 => return leave_out(index),
                Err(stages::Error::Network(error @ kernels::Error::Device { .. })) => {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                }
                _ => {}
            }
            self.execution.events.finished(index, trained);
        };
        thread::scope(|scope| {
            // A seat of a pack is for one training, and what goes alone may train several networks.
            let seats = if count == 1 { vec![self.device.clone()] } else { self.device.pack(count) };
            let mut seats = pack.into_iter().zip(seats);
            let own = seats.next();
            for (index, seat) in seats {
                let train = &train;
                // A seat whose thread does not start is dropped, so that the others do not wait for it.
                if thread::Builder::new().spawn_scoped(scope, move || train(index, seat)).is_err() {
                    leave_out(index);
                }
            }
            if let Some((index, seat)) = own {
                train(index, seat);
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) if !self.execution.is_stopped() => Err(Error::Device(error)),
            _ => Ok(left_out.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Takes trainings off the list that go together: of the same batch and image size as the first, as many as fit the
    /// memory, and no more than `most`. What trains several networks goes alone.
    fn next_pack(&self, most: usize, waiting: &mut VecDeque<usize>) -> Vec<usize> {
        let sizes = |index: usize| {
            let budget = self.jobs.budget(index);
            (budget.batch_size, budget.image_size)
        };
        let (mut pack, mut bytes): (Vec<usize>, u64) = (Vec::new(), 0);
        let mut rest = VecDeque::with_capacity(waiting.len());
        while let Some(index) = waiting.pop_front() {
            if pack.len() == most {
                rest.push_back(index);
                break;
            }
            if pack.first().is_some_and(|&first| sizes(first) != sizes(index)) {
                rest.push_back(index);
                continue;
            }
            let job = self.jobs.job(index);
            // What streams its images shares them with nobody.
            let is_alone = job.trains_several() || self.data.streamed.is_some();
            if is_alone && !pack.is_empty() {
                rest.push_back(index);
                continue;
            }
            // One that cannot be planned says why when it is trained, alone.
            let own = job.memory_plan(self.data, self.device);
            let own = own.map_or(u64::MAX, |plan| plan.total());
            if !pack.is_empty() && bytes.saturating_add(own) > self.bytes {
                rest.push_back(index);
                break;
            }
            if self.execution.events.wanted(index) {
                pack.push(index);
                bytes = bytes.saturating_add(own);
                if is_alone {
                    break;
                }
            }
        }
        rest.append(waiting);
        *waiting = rest;
        pack
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use kernels::DeviceChoice;
    use stages::Budget;
    use stages::job::{Job, JobResult};
    use stages::recipe::{Recipe, Scoring};
    use stages::sample::architectures;
    use stages::search::SupernetStrategy;
    use stages::stage::JobTemplate;
    use stages::supernet::Method;
    use stages::train::{DataId, Finished};

    use super::*;
    use crate::engine::executor::Events;

    /// Keeps what jobs gave, and their checkpoints, and stops them all behind so many of those.
    #[derive(Default)]
    struct Heard {
        ended: Mutex<Vec<(usize, bool)>>,
        results: Mutex<BTreeMap<usize, JobResult>>,
        checkpoints: Mutex<BTreeMap<usize, Vec<u8>>>,
        resumed: Mutex<Vec<usize>>,
        kept: AtomicUsize,
        stops_after: Option<usize>,
        stop: AtomicBool,
    }

    impl Heard {
        /// Which jobs ended, and whether well.
        fn ended(self) -> Vec<(usize, bool)> {
            let mut ended = self.ended.into_inner().unwrap();
            ended.sort_unstable();
            ended
        }
    }

    impl Events for Heard {
        fn chose(&self, _: &str) {}

        fn wanted(&self, _: usize) -> bool {
            true
        }

        fn images(&self, _: usize, _: u64) {}

        fn resumed(&self, job: usize, _: u64) {
            self.resumed.lock().unwrap().push(job);
        }

        fn checkpoint(&self, job: usize) -> Option<Vec<u8>> {
            self.checkpoints.lock().unwrap().get(&job).cloned()
        }

        fn keep_checkpoint(&self, job: usize, bytes: &[u8]) -> Result<(), cache::Error> {
            self.checkpoints.lock().unwrap().insert(job, bytes.to_vec());
            if Some(self.kept.fetch_add(1, Ordering::Relaxed) + 1) == self.stops_after {
                self.stop.store(true, Ordering::Relaxed);
            }
            Ok(())
        }

        fn weights(&self, _: &cache::Digest) -> Option<Vec<u8>> {
            None
        }

        fn keep_weights(&self, bytes: &[u8]) -> Result<cache::Digest, cache::Error> {
            Ok(cache::Digest::of("test", bytes))
        }

        fn note(&self, _: usize, note: &str) {
            panic!("{note}");
        }

        fn finished(&self, job: usize, result: Result<Finished<JobResult>, stages::Error>) {
            self.ended.lock().unwrap().push((job, result.is_ok()));
            if let Ok(finished) = result {
                self.results.lock().unwrap().insert(job, finished.result);
            }
        }
    }

    fn data() -> Dataset {
        Dataset::synthetic(64)
    }

    fn template() -> JobTemplate {
        let data = data();
        JobTemplate {
            data: DataId::of(&data),
            scoring: Scoring::Published,
            recipe: Recipe::default(),
            seed: 0,
        }
    }

    fn budget(epochs: u32) -> Budget {
        format!("BPE-1,epochs={epochs},layers=3,channels=2,image_size=8,batch_size=32").parse().unwrap()
    }

    fn networks(epochs: u32) -> Vec<Job> {
        let job = |genotype: &_| Job::Network(template().job(genotype, &budget(epochs)));
        architectures(0, 3).iter().map(job).collect()
    }

    fn execute(jobs: &dyn JobList, device: &Device, most: usize, events: &Heard) -> Result<(), Error> {
        let checkpoint_interval = Duration::ZERO;
        let execution = Execution { stop: &events.stop, events, checkpoint_interval };
        Packs { jobs, data: &data(), device, most, bytes: u64::MAX, execution }.execute()
    }

    #[test]
    fn a_device_that_fails_ends_the_run_and_is_named() {
        let (jobs, gpu) = (networks(1), Device::open(DeviceChoice::Software).unwrap());
        let events = Heard::default();
        execute(&jobs, &gpu, 2, &events).unwrap();
        assert_eq!(events.ended(), [(0, true), (1, true), (2, true)]);
        // What trains several networks is no part of a pack, wherever it stands among others.
        let (_, method) = Method::NAMED.into_iter().find(|(name, _)| *name == "p-darts").unwrap();
        let strategy = SupernetStrategy { method, architecture: method.architecture_recipe() };
        let search = Job::Supernet(template().supernet(&strategy, &budget(1), 0));
        let mixed = vec![jobs[0].clone(), search, jobs[1].clone()];
        let events = Heard::default();
        execute(&mixed, &gpu, 3, &events).unwrap();
        assert_eq!(events.ended(), [(0, true), (1, true), (2, true)]);
        // A seat is a device that is good for one training: from the second on it fails.
        let (seat, events) = (gpu.pack(1).remove(0), Heard::default());
        let failure = execute(&jobs, &seat, 1, &events).unwrap_err();
        assert!(matches!(failure, Error::Device(_)) && failure.to_string().contains("device"), "{failure}");
        assert_eq!(events.ended(), [(0, true), (1, false)], "what comes after is not begun");
    }

    #[test]
    fn a_pack_that_was_stopped_goes_on_from_the_checkpoints_of_its_trainings() {
        let (jobs, gpu) = (networks(4), Device::open(DeviceChoice::Software).unwrap());
        let unbroken = Heard::default();
        execute(&jobs, &gpu, 3, &unbroken).unwrap();
        // In the second epoch of the pack: some have one checkpoint, some two.
        let stopped = Heard { stops_after: Some(4), ..Heard::default() };
        execute(&jobs, &gpu, 3, &stopped).unwrap();
        assert!(stopped.results.into_inner().unwrap().is_empty());
        let next = Heard { checkpoints: stopped.checkpoints, ..Heard::default() };
        execute(&jobs, &gpu, 3, &next).unwrap();
        assert_eq!(next.resumed.into_inner().unwrap().len(), 3);
        assert!(next.results.into_inner().unwrap() == unbroken.results.into_inner().unwrap());
    }
}
