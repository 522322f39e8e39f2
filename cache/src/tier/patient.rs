//! A tier that answers in time: what it is asked waits on threads of its own, so that a drive whose server is gone holds up
//! those threads and nobody else.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use super::{Failure, Listed, ObjectName, PATIENCE, Put, Tier, late, patience_for, patience_for_at_most};
use crate::mutex::lock;

/// Threads that wait; as many as copy at once.
const THREADS: usize = 16;
/// A tier that keeps its own time has this much more.
const MORE: Duration = Duration::from_secs(5);

type Task = Box<dyn FnOnce(&dyn Tier) + Send>;

/// A tier behind threads. They start when it is first asked, and end when it is dropped and they are free.
#[derive(Debug)]
pub(crate) struct Patient {
    tier: Arc<dyn Tier>,
    tasks: OnceLock<Option<Sender<Task>>>,
}

impl Patient {
    pub(crate) fn new(tier: impl Tier + 'static) -> Self {
        Self { tier: Arc::new(tier), tasks: OnceLock::new() }
    }

    /// None where no thread can be had.
    fn start(&self) -> Option<Sender<Task>> {
        let (tasks, given) = mpsc::channel::<Task>();
        let given = Arc::new(Mutex::new(given));
        let mut threads = 0;
        for _ in 0..THREADS {
            let (given, tier) = (Arc::clone(&given), Arc::clone(&self.tier));
            let work = move || work(&given, &*tier);
            threads += usize::from(thread::Builder::new().name("share".to_owned()).spawn(work).is_ok());
        }
        (threads > 0).then_some(tasks)
    }

    /// Has something done, in so much time.
    fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        operation: impl FnOnce(&dyn Tier) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let Some(tasks) = self.tasks.get_or_init(|| self.start()) else { return operation(&*self.tier) };
        let (answer, answered) = mpsc::channel();
        let task = Box::new(move |tier: &dyn Tier| drop(answer.send(operation(tier))));
        let patience = patience + MORE;
        // The threads live as long as this does.
        let _ = tasks.send(task);
        answered.recv_timeout(patience).map_err(|_| late(patience))?
    }
}

fn work(given: &Mutex<Receiver<Task>>, tier: &dyn Tier) {
    loop {
        // The lock is free again before the task is done.
        let task = lock(given).recv();
        let Ok(task) = task else { return };
        task(tier);
    }
}

impl Tier for Patient {
    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let name = name.clone();
        self.ask(patience_for_at_most(bytes_max), move |tier| tier.get(&name, bytes_max))
    }

    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<Put, Failure> {
        let (name, bytes) = (name.clone(), bytes.to_vec());
        let patience = patience_for(bytes.len() as u64);
        self.ask(patience, move |tier| tier.put_if_absent(&name, &bytes))
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Failure> {
        let (name, bytes) = (name.clone(), bytes.to_vec());
        self.ask(PATIENCE, move |tier| tier.replace(&name, &bytes))
    }

    fn remove(&self, name: &ObjectName) -> Result<(), Failure> {
        let name = name.clone();
        self.ask(PATIENCE, move |tier| tier.remove(&name))
    }

    fn list(&self, folder: &str) -> Result<Listed, Failure> {
        let folder = folder.to_owned();
        self.ask(PATIENCE, move |tier| tier.list(&folder))
    }

    fn is_empty(&self) -> Result<bool, Failure> {
        self.ask(PATIENCE, |tier| tier.is_empty())
    }

    fn may_be_unmounted(&self) -> bool {
        self.tier.may_be_unmounted()
    }

    fn can_write(&self) -> Result<bool, Failure> {
        self.ask(PATIENCE, |tier| tier.can_write())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Hangs when it is asked whether it is empty.
    #[derive(Debug)]
    struct Hanging;

    impl Tier for Hanging {
        fn get(&self, _: &ObjectName, _: u64) -> Result<Option<Vec<u8>>, Failure> {
            Ok(Some(b"here".to_vec()))
        }
        fn put_if_absent(&self, _: &ObjectName, _: &[u8]) -> Result<Put, Failure> {
            Ok(Put::Stored)
        }
        fn replace(&self, _: &ObjectName, _: &[u8]) -> Result<(), Failure> {
            Ok(())
        }
        fn remove(&self, _: &ObjectName) -> Result<(), Failure> {
            Ok(())
        }
        fn list(&self, _: &str) -> Result<Listed, Failure> {
            Ok(Listed::default())
        }
        fn is_empty(&self) -> Result<bool, Failure> {
            loop {
                thread::park();
            }
        }
    }

    #[test]
    fn what_hangs_holds_up_nobody_else() {
        let patient = Arc::new(Patient::new(Hanging));
        let asking = Arc::clone(&patient);
        thread::spawn(move || asking.is_empty());
        thread::sleep(Duration::from_millis(50));
        assert_eq!(patient.get(&ObjectName::stamp(), 10).unwrap().as_deref(), Some(&b"here"[..]));
        assert_eq!(patient.put_if_absent(&ObjectName::stamp(), b"").unwrap(), Put::Stored);
    }
}
