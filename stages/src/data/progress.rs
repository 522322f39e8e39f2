//! How far the reading of a set of pictures has come, which takes minutes where there are many.

/// What is done with one picture after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingStep {
    /// Their files are found.
    Listing,
    /// Their files are read and hashed, or known from before.
    Hashing,
    /// They are decoded.
    Decoding,
}

/// Hears how far reading has come. [`ReadingObserver::picture`] is called from several threads.
pub trait ReadingObserver: Sync {
    /// A step begins, behind the one before it; with so many pictures, where that is known.
    fn begun(&self, step: ReadingStep, pictures: Option<u64>);

    /// The step is done with one more picture.
    fn picture(&self);
}

/// Hears nothing.
pub(super) struct Unobserved;

impl ReadingObserver for Unobserved {
    fn begun(&self, _: ReadingStep, _: Option<u64>) {}

    fn picture(&self) {}
}
