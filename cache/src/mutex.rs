//! Taking a lock, whatever became of the threads that had it before.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic in another thread leaves nothing half done that this crate's locks guard.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
