//! How far a download or the reading of many files has come: a bar on a terminal, a line every few seconds elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::format;

/// How often a plain log says where it is.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Something that goes on.
pub(crate) struct Transfer {
    bar: Option<ProgressBar>,
    name: String,
    of_bytes: bool,
    last_line: Mutex<Instant>,
}

impl Transfer {
    /// A file that is downloaded.
    pub(crate) fn bytes(name: Option<String>) -> Self {
        Self::new(
            name.unwrap_or_default(),
            true,
            "{msg} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
        )
    }

    /// Something that is done with pictures, one after the other; whether it is known of how many.
    pub(crate) fn pictures(what: &str, is_known: bool) -> Self {
        let template =
            if is_known { "{msg} {bar:30} {pos}/{len}, {per_sec}, {eta} left" } else { "{msg} {pos}" };
        Self::new(what.to_owned(), false, template)
    }

    fn new(name: String, of_bytes: bool, template: &str) -> Self {
        let bar = super::messages_to_terminal().then(|| {
            let bar = ProgressBar::new(0).with_message(name.clone());
            let style = ProgressStyle::with_template(template);
            style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
        });
        Self { bar, name, of_bytes, last_line: Mutex::new(Instant::now()) }
    }

    /// So much is done, of so much, where that is known.
    pub(crate) fn at(&self, done: u64, whole: Option<u64>) {
        if let Some(bar) = &self.bar {
            bar.set_length(whole.unwrap_or(done));
            bar.set_position(done);
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LOG_EVERY {
            *last = Instant::now();
            let shown = |number: u64| {
                if self.of_bytes { format!("{} MB", number / 1_000_000) } else { format::count(number) }
            };
            let of = whole.map_or_else(String::new, |whole| format!(" of {}", shown(whole)));
            super::message(&format!("{}: {}{of}", self.name, shown(done)));
        }
    }

    /// It is over, however it ended.
    pub(crate) fn ended(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
