//! What a share costs: a hit from each tier, and many records pushed and pulled.
//!
//! `cargo run --release --workspace --example share -- RECORDS FOLDER`: makes so many small records in a cache folder below
//! FOLDER, pushes them into a share beside it, pulls them into another cache, and prints one JSON object. FOLDER/files gets
//! as many files with the same bytes, for `benches/peers/share.py` to hand to a peer.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cache::{Fields, Key, Kind, Record, Sharing, Store};

/// About what a training of ten epochs takes when it is encoded.
const PAYLOAD_BYTES: usize = 200;
/// Look-ups that are timed.
const LOOK_UPS: u64 = 2000;

/// A record with the fields that a training's key has.
fn record(number: u64) -> Record {
    let names = ["epochs", "batch_size", "layers", "channels", "image_size", "cutout", "float_bits"];
    let fields = names
        .into_iter()
        .fold(Fields::new().with("seed", number).unwrap(), |fields, name| fields.with(name, 1_u64).unwrap());
    Record::new(Key::new(Kind::Training, fields), vec![number as u8; PAYLOAD_BYTES])
}

fn open(cache: &Path, share: Option<&Path>) -> Store {
    let places = share.map(Path::to_path_buf).into_iter().collect();
    Store::open_shared(cache, Sharing { places, ..Sharing::default() }).unwrap()
}

/// Microseconds of a look-up of each of these.
fn microseconds(store: &Store, numbers: impl Iterator<Item = u64>, is_there: bool) -> f64 {
    let records: Vec<Record> = numbers.map(record).collect();
    let begun = Instant::now();
    for record in &records {
        assert_eq!(store.get(&record.key).unwrap().is_some(), is_there);
    }
    begun.elapsed().as_secs_f64() * 1e6 / records.len() as f64
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().unwrap().parse().unwrap();
    let folder = std::path::PathBuf::from(arguments.next().unwrap());
    let (ada, ben, share) = (folder.join("ada"), folder.join("ben"), folder.join("share"));
    for path in [&share, &folder.join("files")] {
        fs::create_dir_all(path).unwrap();
    }
    let store = open(&ada, None);
    let all: Vec<u64> = (0..count).collect();
    for part in all.chunks(10_000) {
        let records: Vec<Record> = part.iter().map(|&number| record(number)).collect();
        for record in &records {
            let bytes = record.to_bytes();
            let name = record.key.digest().to_string();
            let shelf = folder.join("files").join(&name[..2]);
            fs::create_dir_all(&shelf).unwrap();
            fs::write(shelf.join(name), bytes).unwrap();
        }
        store.put_many(&records).unwrap();
    }
    drop(store);

    let store = open(&ada, Some(&share));
    let begun = Instant::now();
    let pushed = store.push().unwrap().swap_remove(0);
    let push = begun.elapsed();
    let begun = Instant::now();
    let again = store.push().unwrap().swap_remove(0);
    let push_again = begun.elapsed();
    assert_eq!((pushed.copied, again.there), (count, count));
    drop(store);

    let step = count / LOOK_UPS.min(count);
    let some = || (0..count).step_by(step as usize);
    let other = open(&folder.join("hits"), Some(&share));
    let from_share = microseconds(&other, some(), true);
    let local = microseconds(&other, some(), true);
    let miss = microseconds(&other, some().map(|number| number + count), false);
    let alone = open(&folder.join("alone"), None);
    let miss_alone = microseconds(&alone, some(), false);

    let store = open(&ben, Some(&share));
    let begun = Instant::now();
    let pulled = store.pull().unwrap().swap_remove(0);
    let pull = begun.elapsed();
    let begun = Instant::now();
    store.pull().unwrap();
    let pull_again = begun.elapsed();
    assert_eq!(pulled.copied, count);
    let seconds = |time: Duration| time.as_secs_f64();
    println!(
        "{{\"records\": {count}, \"push\": {:.2}, \"push_again\": {:.2}, \"pull\": {:.2}, \"pull_again\": {:.2}, \
         \"hit_share_us\": {from_share:.1}, \"hit_local_us\": {local:.1}, \"miss_with_share_us\": {miss:.1}, \
         \"miss_us\": {miss_alone:.1}}}",
        seconds(push),
        seconds(push_again),
        seconds(pull),
        seconds(pull_again)
    );
}
