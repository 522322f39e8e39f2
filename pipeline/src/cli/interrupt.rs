//! Requests to end from outside: Ctrl-C, a termination, a terminal that closes. The first is a wish, the second is obeyed
//! at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{EXIT_INTERRUPTED, Error};

/// A flag that the first of these signals sets; the second ends the program at once.
///
/// A signal that is ignored when the program starts stays ignored: SIGHUP under `nohup`, SIGINT of a job that a script
/// runs in the background.
pub(super) fn stop_on_signal() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if is_in(ignored, signal) {
            continue;
        }
        // In this order, so that the first signal finds the flag as it was before itself.
        flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED.into(), Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .map_err(Error::Signals)?;
    }
    Ok(stop)
}

/// The set of ignored signals in the text of `/proc/self/status`; none where a system does not say.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(set: u64, signal: i32) -> bool {
    set >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_kernels_text() {
        // Of a process under `nohup`, where Rust's own start ignores SIGPIPE (13) too.
        let set =
            ignored("Name:\tpipeline\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n");
        assert!(is_in(set, SIGHUP) && is_in(set, 13));
        assert!(!is_in(set, SIGINT) && !is_in(set, SIGTERM));
        for nothing in ["", "SigIgn:\tnothing"] {
            assert_eq!(ignored(nothing), 0);
        }
    }
}
