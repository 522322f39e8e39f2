//! Images that are read ahead of a training by threads of their own, a window of them at a time.
//!
//! Two windows of pixels are in memory: one that the training goes through, and one that is filled. What is in a window
//! depends on what is wanted only, never on threads or time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::Dataset;
use super::folder::{Seen, Streamed};
use crate::Error;

/// Images in a row that are seen alike.
pub(crate) struct Wanted {
    pub(crate) images: Vec<u32>,
    pub(crate) seen: Seen,
}

/// Some images as a network sees them.
pub(crate) struct Window {
    /// `[image][channel][row][column]`; behind `count` images mean nothing.
    pub(crate) pixels: Arc<[u8]>,
    /// A label for each place of an image.
    pub(crate) labels: Arc<[u16]>,
    /// Images in it.
    pub(crate) count: usize,
}

/// Reads windows in their order.
pub(crate) struct Loader {
    windows: Option<Receiver<Result<Window, Error>>>,
    /// Pixels that may be written again.
    used: Option<Sender<Arc<[u8]>>>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    waited: Duration,
}

/// What the threads know.
struct Work {
    streamed: Arc<Streamed>,
    train_labels: Arc<[u16]>,
    test_labels: Arc<[u16]>,
    /// Pixels of a side.
    size: usize,
    /// Images of a window.
    window: usize,
    pool: ThreadPool,
    stop: Arc<AtomicBool>,
}

impl Loader {
    /// Begins to read what is wanted of a streamed set, as images of `size` × `size` pixels in windows of at most `window`,
    /// by so many threads. No window reaches from one wanted row into the next.
    ///
    /// # Errors
    /// When the set is not streamed, or no thread can be started.
    pub(crate) fn new(
        data: &Dataset,
        (size, window): (usize, usize),
        threads: usize,
        wanted: impl Iterator<Item = Wanted> + Send + 'static,
    ) -> Result<Self, Error> {
        let failed = |problem: String| Error::Data {
            path: data.name.clone().into(),
            problem,
            remedy: "let the process start more threads (`ulimit -u`), or stop others".into(),
        };
        let Some(streamed) = data.streamed.clone() else {
            return Err(failed("is not streamed".to_owned()));
        };
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| failed(format!("no thread reads its images ({error})")))?;
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            streamed,
            train_labels: Arc::clone(&data.train.labels),
            test_labels: Arc::clone(&data.test.labels),
            size,
            window,
            pool,
            stop: Arc::clone(&stop),
        };
        // A window is handed over when it is asked for, so that no third one is begun.
        let (filled, windows) = sync_channel(0);
        let (used, free) = channel();
        let first: Arc<[u8]> = std::iter::repeat_n(0, window * image_bytes(size)).collect();
        let _ = used.send(first);
        let thread = thread::Builder::new()
            .name("images".to_owned())
            .spawn(move || work.run(wanted, &filled, &free))
            .map_err(|error| failed(format!("no thread reads its images ({error})")))?;
        let (windows, used, thread) = (Some(windows), Some(used), Some(thread));
        Ok(Self { windows, used, thread, stop, waited: Duration::ZERO })
    }

    /// Waits for the next window. The one behind it is begun when pixels are given back.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub(crate) fn next(&mut self) -> Result<Window, Error> {
        let begun = Instant::now();
        let window = self.windows.as_ref().and_then(|windows| windows.recv().ok());
        self.waited += begun.elapsed();
        window.unwrap_or_else(|| {
            Err(Error::Data {
                path: "images".into(),
                problem: "what reads them has ended".into(),
                remedy: "see the message before this one".into(),
            })
        })
    }

    /// Gives pixels that nobody reads any more, for another window.
    pub(crate) fn give_back(&self, pixels: Arc<[u8]>) {
        // Where the last window was read, nobody takes them.
        let _ = self.used.as_ref().map(|used| used.send(pixels));
    }

    /// How long was waited for windows.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        (self.windows, self.used) = (None, None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Bytes of an image.
pub(crate) fn image_bytes(size: usize) -> usize {
    3 * size * size
}

impl Work {
    fn run(
        &self,
        wanted: impl Iterator<Item = Wanted>,
        filled: &SyncSender<Result<Window, Error>>,
        free: &Receiver<Arc<[u8]>>,
    ) {
        for Wanted { images, seen } in wanted {
            for images in images.chunks(self.window) {
                let Ok(pixels) = free.recv() else { return };
                let window = self.filled(images, seen, pixels);
                let is_last = window.is_err();
                if filled.send(window).is_err() || is_last {
                    return;
                }
            }
        }
    }

    fn filled(&self, images: &[u32], seen: Seen, mut pixels: Arc<[u8]>) -> Result<Window, Error> {
        let each = Arc::make_mut(&mut pixels).par_chunks_exact_mut(image_bytes(self.size)).zip(images);
        let load = |(planes, &image): (&mut [u8], &u32)| {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.streamed.load(image, seen, self.size, planes)
        };
        // Of several errors the first by place, whichever thread was first.
        let loaded: Vec<Result<(), Error>> = self.pool.install(|| each.map(load).collect());
        loaded.into_iter().collect::<Result<(), Error>>()?;
        let all = if seen == Seen::Test { &self.test_labels } else { &self.train_labels };
        let labels = images.iter().map(|&image| all[image as usize]);
        let labels = labels.chain(std::iter::repeat(0)).take(self.window).collect();
        Ok(Window { pixels, labels, count: images.len() })
    }
}
