//! Putting what waits in the outboxes into the shares, beside whatever else the process does.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::lease::Lease;
use super::outbox::{self, Outbox, Outgoing};
use super::{Offered, Share};
use crate::mutex::lock;
use crate::tier::ObjectName;

/// How often what is left is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// How long the end of a process waits for what is being put.
const END_MAX: Duration = Duration::from_secs(40);

/// A share with its outbox.
pub(crate) type Route = (Arc<Share>, Outbox);

/// What the thread is told.
enum Task {
    /// A file waits in the outbox of the share with this number.
    Put(usize, PathBuf),
    /// A lease is to be given up, once its share has what was computed under it.
    Release(Lease),
    /// All that waits in the outboxes is to be put.
    PutAll,
    /// A process with this token is dead.
    Forget(String),
    /// Somebody waits until all that was told before is done, as far as it can be.
    Flush(Sender<()>),
}

/// The thread that puts.
#[derive(Debug)]
pub(crate) struct Publisher {
    tasks: Option<Sender<Task>>,
    /// Is told, or closed, when the thread ends.
    has_ended: Mutex<Receiver<()>>,
    is_ending: Arc<AtomicBool>,
}

impl Publisher {
    /// Where no thread can be had, everything stays in the outboxes.
    pub(crate) fn start(routes: Vec<Route>) -> Self {
        let (tasks, told) = mpsc::channel();
        let is_ending = Arc::new(AtomicBool::new(false));
        let mut work = Work {
            routes,
            ending: Arc::clone(&is_ending),
            backlog: VecDeque::new(),
            leases: Vec::new(),
            waiting: Vec::new(),
            last: Instant::now(),
        };
        let (ends, has_ended) = mpsc::channel();
        let run = move || {
            work.run(&told);
            drop(work);
            let _ = ends.send(());
        };
        let thread = thread::Builder::new().name("sharing".to_owned()).spawn(run);
        Self { tasks: thread.is_ok().then_some(tasks), has_ended: Mutex::new(has_ended), is_ending }
    }

    pub(crate) fn put(&self, number: usize, file: PathBuf) {
        self.tell(Task::Put(number, file));
    }

    /// Puts what earlier processes have left.
    pub(crate) fn put_all(&self) {
        self.tell(Task::PutAll);
    }

    pub(crate) fn release(&self, lease: Lease) {
        self.tell(Task::Release(lease));
    }

    pub(crate) fn forget(&self, token: String) {
        self.tell(Task::Forget(token));
    }

    /// Waits until all that was put so far is in the shares, or cannot be now, or the time is over.
    pub(crate) fn flush(&self, time_max: Duration) {
        let (done, all_done) = mpsc::channel();
        self.tell(Task::Flush(done));
        let _ = all_done.recv_timeout(time_max);
    }

    /// One that is told after the thread has ended is dropped, and a lease with it given up.
    fn tell(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            let _ = tasks.send(task);
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // What waits lies in the outboxes. The operation that goes on now is waited for, unless it is one of minutes: what it
        // has not put waits too.
        self.is_ending.store(true, Relaxed);
        self.tasks = None;
        let _ = lock(&self.has_ended).recv_timeout(END_MAX);
    }
}

/// What the thread works with.
struct Work {
    routes: Vec<Route>,
    ending: Arc<AtomicBool>,
    /// Files that wait, by the number of their route. What is new goes before them.
    backlog: VecDeque<(usize, PathBuf)>,
    /// Leases that are to be given up, and could not be so far.
    leases: Vec<Lease>,
    /// Who waits until the backlog has been gone through.
    waiting: Vec<Sender<()>>,
    /// When the outboxes were last looked into.
    last: Instant,
}

impl Work {
    fn run(&mut self, told: &Receiver<Task>) {
        self.routes.iter().for_each(|(_, outbox)| outbox.clean());
        loop {
            let left = AGAIN.saturating_sub(self.last.elapsed());
            let task = told.recv_timeout(if self.backlog.is_empty() { left } else { Duration::ZERO });
            if self.ending.load(Relaxed) {
                return;
            }
            match task {
                Ok(Task::Put(number, file)) => self.put(number, &file),
                Ok(Task::Release(lease)) => self.leases.push(lease),
                Ok(Task::PutAll) => self.look(),
                Ok(Task::Forget(token)) => {
                    let name = ObjectName::of_owner(&token);
                    for (share, _) in &self.routes {
                        // Where it cannot be said now, the others find out when its leases end.
                        let _ = share.attempt(|tier| tier.remove(&name));
                    }
                }
                Ok(Task::Flush(done)) => {
                    self.look();
                    self.waiting.push(done);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some((number, file)) = self.backlog.pop_front() {
                        self.put(number, &file);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.release();
            if self.backlog.is_empty() {
                if self.last.elapsed() >= AGAIN {
                    self.look();
                }
                for done in self.waiting.drain(..) {
                    let _ = done.send(());
                }
            }
        }
    }

    /// Puts all that waits in the outboxes into the backlog.
    fn look(&mut self) {
        self.backlog.clear();
        for (number, (share, outbox)) in self.routes.iter().enumerate() {
            self.backlog
                .extend(outbox.files(!share.takes_weights_last()).into_iter().map(|file| (number, file)));
        }
        self.last = Instant::now();
    }

    fn put(&self, number: usize, file: &Path) {
        let route = &self.routes[number];
        // It stays where it is otherwise.
        if route.0.takes_now() && (!outbox::is_weights(file) || route.0.moves_weights()) {
            put(route, file);
        }
    }

    /// Gives up the leases whose shares have what was computed under them.
    fn release(&mut self) {
        let routes = &self.routes;
        self.leases.retain(|lease| {
            let Some((share, outbox)) = routes.iter().find(|(share, _)| lease.is_in(share)) else {
                return false;
            };
            share.is_away() || outbox.holds(lease.record()) || !lease.give_up()
        });
    }
}

fn put((share, outbox): &Route, file: &Path) {
    let offered = match outbox.read(file) {
        Outgoing::Record(kind, digest, envelope) => share.offer(kind, &digest, &envelope, true),
        Outgoing::Weights(digest, bytes) => share.offer_weights(&digest, &bytes),
        Outgoing::Unusable => Offered::Never,
        Outgoing::Gone => return,
    };
    if offered != Offered::Later {
        Outbox::remove(file);
    }
}
