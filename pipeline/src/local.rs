//! Training on this machine: its devices, and several trainings at once on one of them.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use kernels::{Device, DeviceChoice, PACKED};
use stages::data::{Dataset, held_out};
use stages::network;
use stages::recipe::Scoring;
use stages::train::{Observer, TrainingJob};

use crate::engine::executor::{Events, Executor, Size};
use crate::error::Error;

/// A device as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Auto,
    Cpu,
    Gpu(usize),
    Software,
}

impl Place {
    /// Opens the device; a training on the processor may use so many threads.
    ///
    /// # Errors
    /// When there is no such device.
    pub(crate) fn open(self, threads: usize) -> Result<Device, Error> {
        let choice = match self {
            Self::Auto => DeviceChoice::Auto { threads },
            Self::Cpu => DeviceChoice::Cpu { threads },
            Self::Gpu(index) => DeviceChoice::Gpu { index },
            Self::Software => DeviceChoice::Software,
        };
        Device::open(choice).map_err(Error::Device)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(0)),
            "software" => Ok(Self::Software),
            _ => text.strip_prefix("gpu:").and_then(|index| index.parse().ok()).map(Self::Gpu).ok_or_else(
                || "choose auto, cpu, gpu, gpu:N or software; `pipeline devices` lists them".to_owned(),
            ),
        }
    }
}

/// Memory of the trainings that are packed on a GPU, where nothing else is said, in MiB: small for any GPU that one would
/// train on.
pub(crate) const PACK_MIB: u64 = 2048;

/// Trains on one device of this machine, several trainings at once: on a core each, or packed on a GPU.
pub(crate) struct LocalExecutor {
    place: Place,
    data: Dataset,
    /// Most trainings at once, if it was said.
    jobs: Option<usize>,
    /// Bytes that the trainings packed on a GPU may take together.
    pack_bytes: u64,
    /// Threads of the processor for all of them together.
    threads: usize,
    /// What was opened for the trainings before.
    opened: Mutex<Option<Device>>,
}

impl LocalExecutor {
    /// Opens no device yet: a run that finds everything in the cache needs none.
    pub(crate) fn new(place: Place, jobs: Option<usize>, pack_mib: u64, data: Dataset) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let pack_bytes = pack_mib.saturating_mul(1 << 20);
        Self { place, data, jobs, pack_bytes, threads, opened: Mutex::new(None) }
    }

    /// The device for trainings of so many threads each. A GPU is opened once, for what was compiled for it stays with
    /// it; and looking for one takes time, so that it is looked for once.
    fn device(&self, threads: usize) -> Result<Device, Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let device = match &*opened {
            Some(gpu) if gpu.is_gpu() => return Ok(gpu.clone()),
            Some(_) => Place::Cpu.open(threads)?,
            None => self.place.open(threads)?,
        };
        *opened = Some(device.clone());
        Ok(device)
    }
}

impl Executor for LocalExecutor {
    fn size(&self, job: &TrainingJob) -> Size {
        // A job that fits no network fails with its reason when it is trained.
        size(job, &self.data).unwrap_or_default()
    }

    fn execute(&self, jobs: &[TrainingJob], stop: &AtomicBool, events: &dyn Events) -> Result<(), Error> {
        let workers = self.jobs.unwrap_or(self.threads).min(jobs.len()).max(1);
        // One training a core while there are many, several cores a training when there are few.
        let device = &self.device((self.threads / workers).max(1))?;
        if device.is_gpu() {
            self.execute_packs(jobs, device, stop, events);
            return Ok(());
        }
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let next = &next;
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(index) else { break };
                        if !events.wanted(index) {
                            continue;
                        }
                        let observer = JobObserver { index, stop, events };
                        events.finished(index, stages::train::train(job, &self.data, device, &observer));
                    }
                });
            }
        });
        Ok(())
    }
}

impl LocalExecutor {
    /// Runs packs of trainings one after another: a pack has all of the GPU. Where it has less memory than was planned with,
    /// what was refused is packed again by halves.
    fn execute_packs(&self, jobs: &[TrainingJob], device: &Device, stop: &AtomicBool, events: &dyn Events) {
        let mut waiting: VecDeque<usize> = (0..jobs.len()).collect();
        let mut most = self.jobs.unwrap_or(PACKED).min(PACKED);
        while !waiting.is_empty() && !stop.load(Ordering::Relaxed) {
            let pack = self.next_pack(jobs, device, most, &mut waiting, events);
            let count = pack.len();
            let refused = Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for (index, seat) in pack.into_iter().zip(device.pack(count)) {
                    let refused = &refused;
                    scope.spawn(move || {
                        let observer = JobObserver { index, stop, events };
                        match stages::train::train(&jobs[index], &self.data, &seat, &observer) {
                            Err(stages::Error::Network(kernels::Error::OutOfMemory { .. })) if count > 1 => {
                                refused.lock().unwrap_or_else(PoisonError::into_inner).push(index);
                            }
                            trained => events.finished(index, trained),
                        }
                    });
                }
            });
            let mut refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
            if !refused.is_empty() {
                refused.sort_unstable();
                refused.into_iter().rev().for_each(|index| waiting.push_front(index));
                most = count / 2;
            }
        }
    }

    /// Takes trainings off the list that go together: of the same batch and image size as the first, as many as fit the
    /// memory, and no more than `most`.
    fn next_pack(
        &self,
        jobs: &[TrainingJob],
        device: &Device,
        most: usize,
        waiting: &mut VecDeque<usize>,
        events: &dyn Events,
    ) -> Vec<usize> {
        let sizes = |index: usize| (jobs[index].budget.batch_size, jobs[index].budget.image_size);
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
            // One that cannot be planned says why when it is trained, alone.
            let own = stages::train::memory_plan(&jobs[index], &self.data, device);
            let own = own.map_or(u64::MAX, |plan| plan.total());
            if !pack.is_empty() && bytes.saturating_add(own) > self.pack_bytes {
                rest.push_back(index);
                break;
            }
            if events.wanted(index) {
                pack.push(index);
                bytes = bytes.saturating_add(own);
            }
        }
        rest.append(waiting);
        *waiting = rest;
        pack
    }
}

/// How large a training is.
///
/// # Errors
/// When the budget's sizes do not fit a network.
pub(crate) fn size(job: &TrainingJob, data: &Dataset) -> Result<Size, stages::Error> {
    let an_image =
        network::cost(&job.genotype, &job.budget, data.channels, data.classes.len())?.training_flops;
    let an_epoch = match job.scoring {
        Scoring::Holdout { .. } if data.train.count < 2 => {
            let problem = "one training image cannot be both trained on and held out".to_owned();
            let place = format!("data set {}", data.name);
            return Err(stages::Error::Config { place, problem });
        }
        Scoring::Holdout { fraction, .. } => data.train.count - held_out(data.train.count, fraction),
        Scoring::Published => data.train.count,
    };
    let images = an_epoch as u64 * u64::from(job.budget.epochs);
    Ok(Size { images, flops: images * an_image })
}

struct JobObserver<'a> {
    index: usize,
    stop: &'a AtomicBool,
    events: &'a dyn Events,
}

impl Observer for JobObserver<'_> {
    fn images(&self, images: u64) {
        self.events.images(self.index, images);
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
