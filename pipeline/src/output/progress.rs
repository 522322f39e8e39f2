//! Progress of a run on standard error: a bar with an estimate on a terminal, a few plain lines elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::format;
use crate::engine::executor::Size;
use crate::engine::manifest::{NodeEntry, NodeState};
use crate::engine::progress::Progress;

/// How often a plain log says where the trainings are.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// How often a bar's text is made anew: images arrive in thousands of small steps a second.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Tells a person about a run.
pub(crate) struct Reporter {
    terminal: bool,
    node: Mutex<CurrentNode>,
    current: Mutex<Option<CurrentTrainings>>,
    images: AtomicU64,
    /// Floating point operations that are done, here or elsewhere.
    flops: AtomicU64,
    /// Those of them that were not done here, of which no speed follows.
    skipped: AtomicU64,
}

/// The node that is running: where it stands, such as `[3/38]`, and why it runs.
#[derive(Default)]
struct CurrentNode {
    place: String,
    reason: String,
}

/// The trainings of the node that is running.
struct CurrentTrainings {
    node: String,
    begun: Instant,
    last_line: Instant,
    trainings: u64,
    ended: u64,
    flops: u64,
    bar: Option<ProgressBar>,
}

impl Reporter {
    /// Bars when `terminal`, else lines.
    pub(crate) fn new(terminal: bool) -> Self {
        Self {
            terminal,
            node: Mutex::default(),
            current: Mutex::new(None),
            images: AtomicU64::new(0),
            flops: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        }
    }

    fn with_current(&self, act: impl FnOnce(&mut CurrentTrainings)) {
        if let Some(current) = self.current.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            act(current);
        }
    }

    fn status(&self, current: &CurrentTrainings) -> String {
        let seconds = current.begun.elapsed().as_secs_f64().max(1e-3);
        let images = self.images.load(Ordering::Relaxed) as f64;
        let flops = self.flops.load(Ordering::Relaxed).min(current.flops);
        let left = (current.flops - flops) as f64;
        let rate = flops.saturating_sub(self.skipped.load(Ordering::Relaxed)) as f64 / seconds;
        let speed = format!("{} images/s", format::count((images / seconds) as u64));
        if rate <= 0.0 || seconds < 1.0 {
            return speed;
        }
        format!("{speed}, about {} left", format::about((left / rate).min(1e12) as u64))
    }

    fn redraw(&self, force: bool) {
        let Ok(mut guard) = self.current.try_lock() else { return };
        let Some(current) = guard.as_mut() else { return };
        let every = if self.terminal { DRAW_EVERY } else { LOG_EVERY };
        if !force && current.last_line.elapsed() < every {
            return;
        }
        current.last_line = Instant::now();
        let status = self.status(current);
        match &current.bar {
            Some(bar) => {
                bar.set_position(self.flops.load(Ordering::Relaxed).min(current.flops) / BAR_UNIT);
                bar.set_message(format!("{}/{} trainings, {status}", current.ended, current.trainings));
            }
            None => super::message(&format!(
                "{}: {} of {} trainings, {status}",
                current.node, current.ended, current.trainings
            )),
        }
    }
}

/// What one step of a bar stands for, so that whole runs fit its counter.
const BAR_UNIT: u64 = 1_000_000;

/// Adds to a sum that no number holds where it is too large.
fn add(sum: &AtomicU64, more: u64) {
    let _ = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| Some(sum.saturating_add(more)));
}

impl Progress for Reporter {
    fn node_started(&self, position: usize, nodes: usize, _name: &str, reason: &str) {
        let node = CurrentNode { place: format!("[{position}/{nodes}] "), reason: reason.to_owned() };
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = node;
    }

    fn node_ended(&self, position: usize, nodes: usize, entry: &NodeEntry) {
        let node = std::mem::take(&mut *self.node.lock().unwrap_or_else(PoisonError::into_inner));
        let name = &entry.name;
        match entry.state {
            NodeState::Ran if entry.trainings.run > 0 => super::message(&format!(
                "{}{name}: {} in {}, {} from the cache{}",
                node.place,
                format::plural(entry.trainings.run, "training"),
                format::duration(entry.elapsed_ms),
                format::count(entry.trainings.cached),
                format::diverged(entry.trainings.diverged),
            )),
            // What takes no time is news only to a log.
            NodeState::Ran if !self.terminal => {
                super::message(&format!("{}{name} ({})", node.place, node.reason));
            }
            NodeState::Failed => super::message(&format!("[{position}/{nodes}] {name} did not finish")),
            _ => {}
        }
    }

    fn trainings_started(&self, node: &str, sizes: &[Size], cached: u64) {
        let flops = sizes.iter().map(|size| size.flops).fold(0, u64::saturating_add);
        self.images.store(0, Ordering::Relaxed);
        self.flops.store(0, Ordering::Relaxed);
        self.skipped.store(0, Ordering::Relaxed);
        let bar = self.terminal.then(|| {
            let bar = ProgressBar::new(flops / BAR_UNIT);
            if let Ok(style) = ProgressStyle::with_template("  {prefix} [{bar:30}] {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(node.to_owned());
            bar
        });
        if bar.is_none() {
            let known = self.node.lock().unwrap_or_else(PoisonError::into_inner);
            let reason = if known.reason.is_empty() { String::new() } else { format!(" ({})", known.reason) };
            super::message(&format!(
                "{}{node}: {} to run, {}, {} from the cache{reason}",
                known.place,
                format::plural(sizes.len() as u64, "training"),
                format::large(flops as f64, "FLOP"),
                format::count(cached),
            ));
        }
        let now = Instant::now();
        let current = CurrentTrainings {
            node: node.to_owned(),
            begun: now,
            last_line: now,
            trainings: sizes.len() as u64,
            ended: 0,
            flops,
            bar,
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(current);
    }

    fn note(&self, text: &str) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref().and_then(|current| current.bar.as_ref()) {
            Some(bar) => bar.suspend(|| super::message(text)),
            None => super::message(text),
        }
    }

    fn images(&self, images: u64, flops: u64) {
        self.images.fetch_add(images, Ordering::Relaxed);
        add(&self.flops, flops);
        self.redraw(false);
    }

    fn skipped(&self, flops: u64) {
        add(&self.skipped, flops);
        add(&self.flops, flops);
        self.redraw(false);
    }

    fn training_ended(&self, failure: Option<&str>) {
        self.with_current(|current| {
            current.ended += 1;
            if let Some(failure) = failure {
                let line = format!("{}: training failed: {failure}", current.node);
                match &current.bar {
                    Some(bar) => bar.suspend(|| super::message(&line)),
                    None => super::message(&line),
                }
            }
        });
        if self.terminal {
            self.redraw(true);
        }
    }

    fn waiting(&self, trainings: usize) {
        self.with_current(|current| {
            let left = format::plural(trainings as u64, "training");
            let line = format!("{}: waiting for {left} of other processes", current.node);
            match &current.bar {
                Some(bar) => bar.set_message(line),
                None => super::message(&line),
            }
        });
    }

    fn trainings_ended(&self) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(bar) = current.and_then(|current| current.bar) {
            bar.finish_and_clear();
        }
    }
}
