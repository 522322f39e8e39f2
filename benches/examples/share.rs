//! What a share costs: a hit from each tier, and many records pushed and pulled.
//!
//! `cargo run --release --workspace --example share -- folder|bucket RECORDS FOLDER`: makes so many small records in a cache
//! folder below FOLDER, pushes them into a share beside it, or into a bucket of a server of its own, pulls them into another
//! cache, and prints one JSON object. FOLDER/files gets as many files with the same bytes, for `benches/peers/share.py` to
//! hand to a peer. With a bucket the requests of each step are counted.

#![allow(clippy::print_stdout, clippy::panic, clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "the tests of the program use all of it")]
#[path = "../../tests/tests/program/bucket/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use cache::{Fields, Key, Kind, Record, Sharing, Store};
use serde_json::{Value, json};
use server::{ACCESS, Answer, SECRET, Server};

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

/// The path under which the server tells what it was asked since it last told it.
const COUNTS: &str = "/counts";

/// Starts this program once more, beside a server that counts, and with what it takes to reach it.
fn beside_a_server(arguments: &[String]) {
    let counted = Mutex::new(BTreeMap::<String, u64>::new());
    let server = Server::meddling(move |asked| {
        let mut counted = counted.lock().unwrap();
        if asked.path == COUNTS {
            return Answer::Text(json!(std::mem::take(&mut *counted)).to_string());
        }
        let is_list = asked.method == "GET" && asked.query.contains("list-type");
        let name = if is_list { "LIST" } else { asked.method };
        *counted.entry(name.to_owned()).or_default() += 1;
        Answer::Usual
    });
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).env("AWS_ACCESS_KEY_ID", ACCESS).env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.env("AWS_REGION", "us-east-1").env("NO_PROXY", "127.0.0.1");
    command.env("AWS_ENDPOINT", format!("http://{}", server.address)).env(SERVER, server.address.to_string());
    assert!(command.status().unwrap().success());
}

/// Where the server is.
const SERVER: &str = "SHARE_EXAMPLE_SERVER";

/// What the server was asked since this was last called; nothing where there is none.
fn requests() -> Value {
    let Ok(address) = std::env::var(SERVER) else { return json!({}) };
    let mut server = TcpStream::connect(address).unwrap();
    write!(server, "GET {COUNTS} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).unwrap();
    let start = answer.find('{').unwrap();
    serde_json::from_str(&answer[start..=answer.rfind('}').unwrap()]).unwrap()
}

/// Times a step, and tells its requests.
fn step<T>(steps: &mut serde_json::Map<String, Value>, name: &str, step: impl FnOnce() -> T) -> T {
    requests();
    let begun = Instant::now();
    let done = step();
    let seconds = begun.elapsed().as_secs_f64();
    steps.insert(name.to_owned(), json!({ "seconds": seconds, "requests": requests() }));
    done
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, count, folder] = &arguments[..] else { panic!("folder|bucket RECORDS FOLDER") };
    let is_bucket = kind == "bucket";
    if is_bucket && std::env::var_os(SERVER).is_none() {
        return beside_a_server(&arguments);
    }
    let (count, folder): (u64, &Path) = (count.parse().unwrap(), Path::new(folder));
    let (ada, ben) = (folder.join("ada"), folder.join("ben"));
    let share = if is_bucket { PathBuf::from("s3://team/nas") } else { folder.join("share") };
    for path in [&folder.join("share"), &folder.join("files")] {
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

    let mut steps = serde_json::Map::new();
    let store = open(&ada, Some(&share));
    let pushed = step(&mut steps, "push", || store.push().unwrap().swap_remove(0));
    let again = step(&mut steps, "push_again", || store.push().unwrap().swap_remove(0));
    assert_eq!((pushed.copied, again.there), (count, count));
    drop(store);

    let stride = count / LOOK_UPS.min(count);
    let some = || (0..count).step_by(stride as usize);
    let other = open(&folder.join("hits"), Some(&share));
    let hit_share = step(&mut steps, "hits", || microseconds(&other, some(), true));
    let hit_local = microseconds(&other, some(), true);
    let miss_with_share = microseconds(&other, some().map(|number| number + count), false);
    let alone = open(&folder.join("alone"), None);
    let miss = microseconds(&alone, some(), false);

    let store = open(&ben, Some(&share));
    let pulled = step(&mut steps, "pull", || store.pull().unwrap().swap_remove(0));
    step(&mut steps, "pull_again", || store.pull().unwrap());
    assert_eq!(pulled.copied, count);
    let microseconds = json!({
        "hit_share": hit_share, "hit_local": hit_local, "miss_with_share": miss_with_share, "miss": miss,
    });
    println!("{}", json!({ "records": count, "steps": steps, "microseconds": microseconds }));
}
