//! Records for tests.

// Every test binary uses some of these.
#![allow(dead_code, clippy::unwrap_used)]

use cache::{Cost, Fields, Key, Kind, Record};

pub(crate) fn key(kind: Kind, n: u64) -> Key {
    Key::new(kind, Fields::new().with("n", n).and_then(|fields| fields.with("budget", "BPE-1")).unwrap())
}

/// A record of about `bytes` bytes that no other `n` has.
pub(crate) fn sized(kind: Kind, n: u64, bytes: usize) -> Record {
    let mut random = Random(n);
    let payload = (0..bytes.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut record = Record::new(key(kind, n), payload);
    record.cost = Cost { flops: 1000 + n, elapsed_ms: n };
    record.created_unix_ms = 1_700_000_000_000 + n;
    record.provenance.insert("device".to_owned(), "cpu".to_owned());
    record
}

pub(crate) fn record(n: u64) -> Record {
    sized(Kind::Training, n, 200)
}

/// Splitmix64: the same numbers every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
