//! Packs of trainings on a GPU, one after another: a pack has all of the GPU.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use kernels::Device;
use stages::data::Dataset;
use stages::stage::JobList;

use super::JobObserver;
use crate::engine::executor::Events;
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
    pub(super) stop: &'a AtomicBool,
    pub(super) events: &'a dyn Events,
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
        while !waiting.is_empty() && !self.stop.load(Ordering::Relaxed) {
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
            let observer = JobObserver { index, stop: self.stop, events: self.events, begun: &|| {} };
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
            self.events.finished(index, trained);
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
            Some(error) if !self.stop.load(Ordering::Relaxed) => Err(Error::Device(error)),
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
            let is_alone = job.trains_several();
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
            if self.events.wanted(index) {
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
    use kernels::DeviceChoice;
    use stages::job::{Job, JobResult};
    use stages::recipe::{Recipe, Scoring};
    use stages::sample::architectures;
    use stages::search::SupernetStrategy;
    use stages::stage::JobTemplate;
    use stages::supernet::Method;
    use stages::train::{DataId, Finished};

    use super::*;

    /// Notes which jobs ended, and whether well.
    #[derive(Default)]
    struct Ended(Mutex<Vec<(usize, bool)>>);

    impl Events for Ended {
        fn chose(&self, _: &str) {}

        fn wanted(&self, _: usize) -> bool {
            true
        }

        fn images(&self, _: usize, _: u64) {}

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
            self.0.lock().unwrap().push((job, result.is_ok()));
        }
    }

    #[test]
    fn a_device_that_fails_ends_the_run_and_is_named() {
        let data = Dataset::synthetic(64);
        let template = JobTemplate {
            data: DataId { name: data.name.clone(), digest: data.digest },
            scoring: Scoring::Published,
            recipe: Recipe::default(),
            seed: 0,
        };
        let budget = "BPE-1,epochs=1,layers=3,channels=2,image_size=8,batch_size=32".parse().unwrap();
        let jobs: Vec<_> = architectures(0, 3)
            .iter()
            .map(|genotype| Job::Network(template.job(genotype, &budget)))
            .collect();
        let gpu = Device::open(DeviceChoice::Software).unwrap();
        let (stop, bytes) = (AtomicBool::new(false), u64::MAX);
        let execute = |jobs: &dyn JobList, device: &Device, most: usize, events: &Ended| {
            Packs { jobs, data: &data, device, most, bytes, stop: &stop, events }.execute()
        };
        let events = Ended::default();
        execute(&jobs, &gpu, 2, &events).unwrap();
        let mut ended = events.0.into_inner().unwrap();
        ended.sort_unstable();
        assert_eq!(ended, [(0, true), (1, true), (2, true)]);
        // What trains several networks is no part of a pack, wherever it stands among others.
        let (_, method) = Method::NAMED.into_iter().find(|(name, _)| *name == "p-darts").unwrap();
        let strategy = SupernetStrategy { method, architecture: method.architecture_recipe() };
        let search = Job::Supernet(template.supernet(&strategy, &budget, 0));
        let mixed = vec![jobs[0].clone(), search, jobs[1].clone()];
        let events = Ended::default();
        execute(&mixed, &gpu, 3, &events).unwrap();
        let mut ended = events.0.into_inner().unwrap();
        ended.sort_unstable();
        assert_eq!(ended, [(0, true), (1, true), (2, true)]);
        // A seat is a device that is good for one training: from the second on it fails.
        let (seat, events) = (gpu.pack(1).remove(0), Ended::default());
        let failure = execute(&jobs, &seat, 1, &events).unwrap_err();
        assert!(matches!(failure, Error::Device(_)) && failure.to_string().contains("device"), "{failure}");
        assert_eq!(events.0.into_inner().unwrap(), [(0, true), (1, false)], "what comes after is not begun");
    }
}
