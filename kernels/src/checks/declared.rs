//! What a call of a machine does not declare it neither reads nor writes: everything else is poisoned before it runs, and what it
//! writes stays the same, bit for bit.

use std::ops::Range;

use crate::program::{Access, AccessKind, Declare, Resource};

/// What memory is filled with that a call must not see: numbers that are none.
pub(crate) const POISON: u8 = 0xFF;

/// A part of a machine's memory, by number, and some of its bytes.
pub(crate) type ByteRange = (usize, Range<usize>);

/// The content of all parts.
pub(crate) type Image = Vec<Vec<u8>>;

/// A machine whose memory is seen from outside.
pub(crate) trait Exposed {
    fn take(&self) -> Image;
    fn put(&self, image: &Image);
    /// The bytes of a resource.
    fn bytes(&self, resource: Resource) -> Vec<ByteRange>;
    /// Those that calls read and write without a word.
    fn undeclared(&self) -> Vec<ByteRange>;
}

/// Runs a call of a training `name` by `run`, twice: as it is, and with poison in all that `accesses` do not say.
pub(crate) fn check_call<C: Declare + ?Sized>(
    name: &str,
    call: &C,
    accesses: &[Access],
    machine: &impl Exposed,
    run: impl Fn(),
) {
    let all = |access: &Access| machine.bytes(access.resource);
    let is_written = |access: &&Access| access.kind != AccessKind::Read;
    let written: Vec<ByteRange> = accesses.iter().filter(is_written).flat_map(all).collect();
    let undeclared = machine.undeclared();
    let before = machine.take();
    run();
    let seeing = machine.take();
    // A part of what is written to may not be there yet, as images of a batch that is not full: it is the same twice.
    let mut start: Image = before.iter().map(|bytes| vec![POISON; bytes.len()]).collect();
    for (part, range) in accesses.iter().flat_map(all).chain(undeclared.iter().cloned()) {
        start[part][range.clone()].copy_from_slice(&before[part][range]);
    }
    machine.put(&start);
    run();
    let blind = machine.take();
    for (part, range) in &written {
        let same = seeing[*part][range.clone()] == blind[*part][range.clone()];
        assert!(same, "{name}: {call:?} reads what it does not say");
    }
    let mut expected = start;
    for (part, range) in written.iter().chain(&undeclared) {
        expected[*part][range.clone()].copy_from_slice(&blind[*part][range.clone()]);
    }
    assert!(expected == blind, "{name}: {call:?} writes what it does not say");
    machine.put(&seeing);
}
