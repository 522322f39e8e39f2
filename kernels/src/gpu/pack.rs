//! Packs: trainings of several threads that share dispatches (horizontal fusion).
//!
//! Each training has a seat and a thread of its own, and goes on as if it were alone. What it asks of the device (its epochs
//! and evaluations) waits until every other training of the pack has asked too, or is gone; then the thread that notices first
//! runs all of it in one pass.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::lowering::Kernel;
use super::request::{Answer, OwnedDataPass, OwnedStream, Relay, Request};
use super::{GpuBackend, GpuDevice};
use crate::backend::{Backend, DataPass, EpochMetrics, Evaluation, Monitor, Nobody, Setup, Show, Stream};
use crate::error::Error;
use crate::lock::lock;
use crate::preprocess::ImageSet;
use crate::profile::KernelTime;
use crate::program::plan::MemoryPlan;
use crate::state::{Moments, State};
use crate::step::{Group, Vector};

/// How often a waiting training hears of its progress, and asks whether it should stop.
const RELAY: Duration = Duration::from_millis(50);

/// What the seats of a pack share.
struct Pack {
    gpu: GpuDevice,
    board: Mutex<Board>,
    changed: Condvar,
}

struct Board {
    seats: Vec<SeatState>,
    /// Number of each seat's training in the backend.
    members: Vec<Option<usize>>,
    backend: Option<GpuBackend>,
}

/// What a seat is at.
enum SeatState {
    /// Its thread does something else, and will ask for more.
    Away,
    Asks(Request),
    /// Its request runs.
    Runs,
    Answered(Answer),
    /// It has no training any more.
    Gone,
}

/// Seats for so many trainings.
pub(crate) fn pack(gpu: &GpuDevice, count: usize) -> Vec<Arc<Seat>> {
    let board = Board {
        seats: (0..count).map(|_| SeatState::Away).collect(),
        members: vec![None; count],
        backend: None,
    };
    let pack = Arc::new(Pack { gpu: gpu.clone(), board: Mutex::new(board), changed: Condvar::new() });
    (0..count).map(|number| Arc::new(Seat { pack: Arc::clone(&pack), number })).collect()
}

impl Pack {
    /// Every change of the board is one assignment, so that it is whole even after a panic.
    fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    /// Waits with a request until it was run, by this thread or another.
    fn ask(&self, seat: usize, request: Request, relay: &Relay, monitor: &dyn Monitor) -> Answer {
        let mut board = self.board();
        board.seats[seat] = SeatState::Asks(request);
        self.changed.notify_all();
        loop {
            if let SeatState::Answered(_) = board.seats[seat]
                && let SeatState::Answered(answer) =
                    std::mem::replace(&mut board.seats[seat], SeatState::Away)
            {
                drop(board);
                relay.exchange(monitor);
                return answer;
            }
            if board.all_ask() {
                let requests = board.take();
                let backend = board.backend.take();
                drop(board);
                let mut lead = Lead::new(self, requests, backend);
                lead.run(seat, monitor);
                drop(lead);
                board = self.board();
                continue;
            }
            let waited = self.changed.wait_timeout(board, RELAY).unwrap_or_else(PoisonError::into_inner);
            board = waited.0;
            relay.exchange(monitor);
            // What nobody runs yet can be taken back.
            if relay.cancelled()
                && let SeatState::Asks(request) = &board.seats[seat]
                && let Some(failed) = request.failed(Error::Cancelled)
            {
                board.seats[seat] = SeatState::Away;
                return failed;
            }
        }
    }

    fn leave(&self, seat: usize) {
        self.board().seats[seat] = SeatState::Gone;
        self.changed.notify_all();
    }
}

impl Board {
    /// Whether every seat that is not gone waits.
    fn all_ask(&self) -> bool {
        self.seats.iter().all(|seat| matches!(seat, SeatState::Asks(_) | SeatState::Gone))
    }

    /// The requests, with their seats.
    fn take(&mut self) -> Vec<(usize, Request)> {
        let mut requests = Vec::new();
        for (number, seat) in self.seats.iter_mut().enumerate() {
            if let SeatState::Asks(_) = seat
                && let SeatState::Asks(request) = std::mem::replace(seat, SeatState::Runs)
            {
                requests.push((number, request));
            }
        }
        requests
    }
}

/// A thread that runs what all seats ask for. When it ends, even by a panic, every seat is answered.
struct Lead<'a> {
    pack: &'a Pack,
    backend: Option<GpuBackend>,
    builds: Vec<(usize, Box<Setup<dyn Kernel>>)>,
    trains: Vec<(usize, Box<OwnedDataPass>)>,
    evaluates: Vec<(usize, OwnedStream, Arc<Relay>)>,
    answers: Vec<(usize, Answer)>,
}

impl<'a> Lead<'a> {
    fn new(pack: &'a Pack, requests: Vec<(usize, Request)>, backend: Option<GpuBackend>) -> Self {
        let (builds, trains, evaluates, answers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut lead = Self { pack, backend, builds, trains, evaluates, answers };
        for (seat, request) in requests {
            match request {
                Request::Build(setup) => lead.builds.push((seat, setup)),
                Request::Train(pass) => lead.trains.push((seat, pass)),
                Request::Evaluate(stream, relay) => lead.evaluates.push((seat, stream, relay)),
            }
        }
        lead
    }

    /// `own` is the seat of this thread, whose monitor is asked directly.
    fn run(&mut self, own: usize, monitor: &dyn Monitor) {
        if !self.builds.is_empty() {
            self.build();
        }
        if !self.trains.is_empty() {
            self.train(own, monitor);
        }
        if !self.evaluates.is_empty() {
            self.evaluate(own, monitor);
        }
    }

    fn build(&mut self) {
        let (seats, setups): (Vec<usize>, Vec<Setup<dyn Kernel>>) =
            std::mem::take(&mut self.builds).into_iter().map(|(seat, setup)| (seat, *setup)).unzip();
        let built = if setups.iter().all(|setup| setup.reads_as(&setups[0])) {
            GpuBackend::new(&self.pack.gpu, setups)
        } else {
            Err(Error::Images { problem: "trainings of one pack must read the same image sets".into() })
        };
        match built {
            Ok(backend) => {
                self.backend = Some(backend);
                let mut board = self.pack.board();
                for (member, seat) in seats.into_iter().enumerate() {
                    board.members[seat] = Some(member);
                    self.answers.push((seat, Answer::Built(Ok(()))));
                }
            }
            Err(error) => self.fail(&seats, &error, |error| Answer::Built(Err(error))),
        }
    }

    /// Tells all seats of an error.
    fn fail(&mut self, seats: &[usize], error: &Error, answer: impl Fn(Error) -> Answer) {
        for &seat in seats {
            self.answers.push((seat, answer(error.clone())));
        }
    }

    fn train(&mut self, own: usize, monitor: &dyn Monitor) {
        let passes = std::mem::take(&mut self.trains);
        let (members, mut all) = self.seats();
        for (seat, pass) in &passes {
            let Some(member) = members[*seat] else { continue };
            let OwnedDataPass { step, streams, epoch, first_step, progress, drop_path, temperature, relay } =
                &**pass;
            all[member] = Some(DataPass {
                step: step.clone(),
                streams: streams.iter().map(OwnedStream::stream).collect(),
                epoch: *epoch,
                first_step: *first_step,
                progress: progress.clone(),
                drop_path: *drop_path,
                temperature: *temperature,
                monitor: if *seat == own { monitor } else { &**relay },
            });
        }
        let Some(backend) = &mut self.backend else { return };
        let results = backend.train_all(&all);
        self.answer(passes.iter().map(|(seat, _)| *seat), &members, results, Answer::Trained);
    }

    fn evaluate(&mut self, own: usize, monitor: &dyn Monitor) {
        let passes = std::mem::take(&mut self.evaluates);
        let (members, mut all) = self.seats();
        for (seat, stream, relay) in &passes {
            let Some(member) = members[*seat] else { continue };
            let monitor = if *seat == own { monitor } else { &**relay as &dyn Monitor };
            all[member] = Some((stream.stream(), monitor));
        }
        let Some(backend) = &mut self.backend else { return };
        let results = backend.evaluate_all(&all);
        self.answer(passes.iter().map(|(seat, ..)| *seat), &members, results, Answer::Evaluated);
    }

    /// Number of each seat's training, and a place for something of each training.
    fn seats<T>(&self) -> (Vec<Option<usize>>, Vec<Option<T>>) {
        let members = self.pack.board().members.clone();
        let count = members.iter().flatten().count();
        (members, (0..count).map(|_| None).collect())
    }

    /// Answers seats with their trainings' results, or all with what concerns all.
    fn answer<T>(
        &mut self,
        seats: impl Iterator<Item = usize>,
        members: &[Option<usize>],
        results: Result<Vec<Option<Result<T, Error>>>, Error>,
        answer: impl Fn(Result<T, Error>) -> Answer,
    ) {
        match results {
            Ok(mut results) => {
                for seat in seats {
                    if let Some(result) = members[seat].and_then(|member| results[member].take()) {
                        self.answers.push((seat, answer(result)));
                    }
                }
            }
            Err(error) => self.fail(&seats.collect::<Vec<_>>(), &error, |error| answer(Err(error))),
        }
    }

    fn failure(&self, problem: &str) -> Error {
        Error::Device { device: self.pack.gpu.name(), problem: problem.to_owned() }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut board = self.pack.board();
        board.backend = self.backend.take();
        for (seat, answer) in self.answers.drain(..) {
            board.seats[seat] = SeatState::Answered(answer);
        }
        for seat in &mut board.seats {
            if matches!(seat, SeatState::Runs) {
                let error = self.failure("a training of the pack failed; see the message before this one");
                *seat = SeatState::Answered(Answer::Built(Err(error)));
            }
        }
        self.pack.changed.notify_all();
    }
}

/// A place for one training of a pack. The others no longer wait for it once it is dropped.
pub(crate) struct Seat {
    pack: Arc<Pack>,
    number: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pack.leave(self.number);
    }
}

impl Seat {
    /// The seat of a training that shares with no other.
    pub(crate) fn alone(gpu: &GpuDevice) -> Arc<Self> {
        pack(gpu, 1).remove(0)
    }

    pub(crate) fn gpu(&self) -> &GpuDevice {
        &self.pack.gpu
    }

    /// Builds its training together with those of the other seats.
    pub(crate) fn training(self: &Arc<Self>, setup: Setup<dyn Kernel>) -> Result<SeatBackend, Error> {
        if !matches!(self.pack.board().seats[self.number], SeatState::Away)
            || self.pack.board().members[self.number].is_some()
        {
            let problem = "a seat of a pack is for one training; begin another on a new seat".into();
            return Err(Error::Device { device: self.pack.gpu.name(), problem });
        }
        let request = Request::Build(Box::new(setup));
        // While a training is built there is nothing to tell.
        match self.pack.ask(self.number, request, &Relay::default(), &Nobody) {
            Answer::Built(built) => built.map(|()| SeatBackend { seat: Arc::clone(self) }),
            Answer::Trained(_) | Answer::Evaluated(_) => Err(self.mixed_up()),
        }
    }

    fn mixed_up(&self) -> Error {
        let problem = "a training of a pack was given another's answer".into();
        Error::Device { device: self.pack.gpu.name(), problem }
    }
}

/// The training of a seat.
pub(crate) struct SeatBackend {
    seat: Arc<Seat>,
}

impl Drop for SeatBackend {
    fn drop(&mut self) {
        self.seat.pack.leave(self.seat.number);
    }
}

impl SeatBackend {
    /// The backend is there while this training asks for nothing, for then no pass runs.
    fn with<T>(&self, use_it: impl FnOnce(&mut GpuBackend, usize) -> Result<T, Error>) -> Result<T, Error> {
        let mut board = self.seat.pack.board();
        match (board.members[self.seat.number], &mut board.backend) {
            (Some(member), Some(backend)) => use_it(backend, member),
            _ => Err(self.seat.mixed_up()),
        }
    }
}

impl Backend for SeatBackend {
    fn train(&mut self, pass: &DataPass<'_>) -> Result<Vec<EpochMetrics>, Error> {
        let relay = Arc::new(Relay::default());
        let DataPass { step, streams, epoch, first_step, progress, drop_path, temperature, monitor } =
            pass.clone();
        let streams = streams.into_iter().map(OwnedStream::new).collect();
        let owned = OwnedDataPass {
            step,
            streams,
            epoch,
            first_step,
            progress,
            drop_path,
            temperature,
            relay: Arc::clone(&relay),
        };
        match self.seat.pack.ask(self.seat.number, Request::Train(Box::new(owned)), &relay, monitor) {
            Answer::Trained(metrics) => metrics,
            Answer::Built(Err(error)) => Err(error),
            Answer::Built(Ok(())) | Answer::Evaluated(_) => Err(self.seat.mixed_up()),
        }
    }

    fn evaluate(&mut self, images: Stream<'_>, monitor: &dyn Monitor) -> Result<Evaluation, Error> {
        let relay = Arc::new(Relay::default());
        let request = Request::Evaluate(OwnedStream::new(images), Arc::clone(&relay));
        match self.seat.pack.ask(self.seat.number, request, &relay, monitor) {
            Answer::Evaluated(evaluation) => evaluation,
            Answer::Built(Err(error)) => Err(error),
            Answer::Built(Ok(())) | Answer::Trained(_) => Err(self.seat.mixed_up()),
        }
    }

    fn state(&mut self) -> Result<State, Error> {
        self.with(GpuBackend::state_of)
    }

    fn set_state(&mut self, state: &State) -> Result<(), Error> {
        self.with(|backend, member| backend.set_state_of(member, state))
    }

    fn set_parameters(&mut self, offset: usize, values: &[f32]) -> Result<(), Error> {
        self.with(|backend, member| backend.set_parameters_of(member, offset, values))
    }

    fn replace_images(&mut self, set: usize, images: ImageSet) -> Result<ImageSet, Error> {
        self.with(|backend, member| backend.replace_images_of(member, set, images))
    }

    fn moments(&mut self) -> Result<Moments, Error> {
        self.with(GpuBackend::moments_of)
    }

    fn set_moments(&mut self, moments: &Moments) -> Result<(), Error> {
        self.with(|backend, member| backend.set_moments_of(member, moments))
    }

    fn dot(&mut self, group: Group, vectors: [Vector; 2]) -> Result<f64, Error> {
        self.with(|backend, member| backend.dot_of(member, group, vectors))
    }

    fn gradients(&mut self) -> Result<Vec<f32>, Error> {
        self.with(GpuBackend::gradients_of)
    }

    fn rectified(&mut self, _: usize, _: &mut Show<'_>) -> Result<(), Error> {
        let problem = "values of a step are read on the processor only; open that".to_owned();
        Err(Error::Device { device: self.seat.gpu().name(), problem })
    }

    fn begin_profile(&mut self) -> bool {
        self.with(|backend, _| Ok(backend.begin_profile())).unwrap_or(false)
    }

    fn end_profile(&mut self) -> Vec<KernelTime> {
        self.with(|backend, _| Ok(backend.end_profile())).unwrap_or_default()
    }

    fn memory_plan(&self) -> MemoryPlan {
        self.with(|backend, member| Ok(backend.memory_plan_of(member))).unwrap_or_default()
    }
}
