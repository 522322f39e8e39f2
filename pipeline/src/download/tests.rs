//! Files from a server that cuts connections, gives other bytes, or knows no parts.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;

use super::*;

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Gives {
    /// So many bytes of what was asked for, and closes.
    Cut(usize),
    /// All that was asked for.
    Rest,
    /// The whole file, whatever was asked for.
    Whole,
    /// So many bytes of the whole file, whatever was asked for, and closes.
    Begin(usize),
    Status(&'static str),
}

/// Serves a file to as many requests as are listed, one after the other; where each began to read.
fn serve(bytes: Vec<u8>, answers: Vec<Gives>) -> (String, thread::JoinHandle<Vec<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/set.bin", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let answer = |gives| {
            let (mut stream, _) = listener.accept().unwrap();
            let begin = begin_of(&stream);
            give(&mut stream, &bytes, begin, gives);
            begin
        };
        answers.into_iter().map(answer).collect()
    });
    (url, server)
}

/// Where a request wants to begin.
fn begin_of(stream: &TcpStream) -> usize {
    let mut begin = 0;
    for line in BufReader::new(stream).lines().map(Result::unwrap) {
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            begin = range.trim_end_matches('-').parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    begin
}

fn give(stream: &mut TcpStream, bytes: &[u8], begin: usize, gives: Gives) {
    let (first, count) = match gives {
        Gives::Cut(count) => (begin, count),
        Gives::Rest => (begin, bytes.len() - begin),
        Gives::Whole => (0, bytes.len()),
        Gives::Begin(count) => (0, count),
        Gives::Status(status) => {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return stream.write_all(answer.as_bytes()).unwrap();
        }
    };
    let status = if first > 0 { "206 Partial Content" } else { "200 OK" };
    let (last, all) = (bytes.len() - 1, bytes.len());
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{last}/{all}\r\nConnection: close\r\n\r\n",
        all - first
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes[first..][..count]).unwrap();
}

fn file() -> Vec<u8> {
    (0..300_000_u32).map(|place| (place.wrapping_mul(place) >> 7) as u8).collect()
}

fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Gets a file of `file`'s digest from a server that gives `bytes` so.
fn get(bytes: Vec<u8>, answers: Vec<Gives>, to: &Path) -> (Result<(), String>, Vec<usize>, Vec<u64>) {
    let (url, server) = serve(bytes, answers);
    let told = Mutex::new(Vec::new());
    let wanted = Wanted { url: &url, sha256: &digest(&file()), to, pause: Duration::from_millis(1) };
    let got = wanted.get(&|done, _| told.lock().unwrap().push(done)).map_err(|error| error.to_string());
    (got, server.join().unwrap(), told.into_inner().unwrap())
}

#[test]
fn connections_that_are_cut_are_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("set.bin");
    let answers =
        vec![Gives::Cut(100_000), Gives::Status("503 Busy"), Gives::Cut(0), Gives::Cut(150_000), Gives::Rest];
    let (got, begins, told) = get(file(), answers, &to);
    got.unwrap();
    assert_eq!(begins, [0, 100_000, 100_000, 100_000, 250_000]);
    assert!(told.is_sorted() && told.last() == Some(&300_000), "{told:?}");
    assert_eq!(fs::read(&to).unwrap(), file());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    // What is there is checked, and asked for no more.
    get(file(), Vec::new(), &to).0.unwrap();
}

#[test]
fn the_next_command_goes_on_where_one_gave_up() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("set.bin");
    let (got, ..) = get(file(), [&[Gives::Cut(1000)][..], &[Gives::Cut(0); 3]].concat(), &to);
    let error = got.unwrap_err();
    assert!(error.contains("give the same command again to go on"), "{error}");
    assert_eq!(fs::read(dir.path().join("set.bin.part")).unwrap().len(), 1000);
    let (got, begins, _) = get(file(), vec![Gives::Rest], &to);
    got.unwrap();
    assert_eq!(begins, [1000]);
}

#[test]
fn servers_that_know_no_parts_or_have_another_file_are_begun_with_anew() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("set.bin");
    let part = dir.path().join("set.bin.part");
    fs::write(&part, [1; 500]).unwrap();
    get(file(), vec![Gives::Whole], &to).0.unwrap();
    fs::remove_file(&to).unwrap();
    fs::write(&part, vec![1; 400_000]).unwrap();
    get(file(), vec![Gives::Status("416 Range Not Satisfiable"), Gives::Rest], &to).0.unwrap();
    assert_eq!(fs::read(&to).unwrap(), file());
}

#[test]
fn a_server_that_cuts_and_gives_no_parts_is_given_up() {
    const REFUSED: Gives = Gives::Status("416 Range Not Satisfiable");
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("set.bin");
    // Each try behind one that begins anew comes as far as the first, and no farther.
    for (answers, begins, why) in [
        (
            vec![Gives::Cut(100_000), REFUSED, Gives::Cut(100_000), REFUSED],
            [0, 100_000, 0, 100_000],
            "status 416",
        ),
        (
            vec![Gives::Cut(100_000), Gives::Begin(90_000), Gives::Begin(100_000), Gives::Begin(95_000)],
            [0, 100_000, 90_000, 100_000],
            "it gave all",
        ),
    ] {
        let (got, asked, _) = get(file(), answers, &to);
        let error = got.unwrap_err();
        assert_eq!(asked, begins);
        for part in ["without coming farther than 100000 bytes", "gives no parts of it", why, "(--from)"] {
            assert!(error.contains(part), "{error}\nshould say: {part}");
        }
        let _ = fs::remove_file(dir.path().join("set.bin.part"));
    }
    // While it comes farther it is gone on with.
    let answers = vec![
        Gives::Cut(100_000),
        REFUSED,
        Gives::Cut(150_000),
        REFUSED,
        Gives::Cut(200_000),
        REFUSED,
        Gives::Rest,
    ];
    get(file(), answers, &to).0.unwrap();
    assert_eq!(fs::read(&to).unwrap(), file());
}

#[test]
fn another_file_never_gets_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("set.bin");
    let mut other = file();
    other[299_999] ^= 1;
    let error = get(other.clone(), vec![Gives::Rest], &to).0.unwrap_err();
    assert!(error.contains("is another file: SHA-256") && error.contains("--from"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    fs::write(&to, other).unwrap();
    let error = get(file(), Vec::new(), &to).0.unwrap_err();
    assert!(error.contains("remove it, and give the same command again"), "{error}");
}

#[test]
fn what_is_not_there_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("set.bin");
    let error = get(file(), vec![Gives::Status("404 Not Found")], &to).0.unwrap_err();
    assert!(error.contains("it answered with status 404"), "{error}");
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{unused}/set.bin");
    let wanted = Wanted { url: &url, sha256: "", to: &to, pause: Duration::from_millis(1) };
    let error = wanted.get(&|_, _| {}).unwrap_err().to_string();
    assert!(error.contains("where there is no network, get the file elsewhere, put it at"), "{error}");
}

#[test]
fn an_archive_gives_what_is_named_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("set.tar.gz");
    let packed = flate2::write::GzEncoder::new(File::create(&archive).unwrap(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(packed);
    for (name, bytes) in [("set/a.bin", &b"first"[..]), ("set/deep/b.bin", b"second"), ("set/c.bin", b"no")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap();
    let folder = dir.path().join("out");
    fs::create_dir(&folder).unwrap();
    unpack(&archive, &["b.bin", "a.bin"], &folder).unwrap();
    assert_eq!(fs::read(folder.join("a.bin")).unwrap(), b"first");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    let error = unpack(&archive, &["d.bin"], &folder).unwrap_err().to_string();
    assert!(error.contains("holds no d.bin"), "{error}");
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        unpack(&archive, &["a.bin", "b.bin"], &folder)
            .unwrap_err()
            .to_string()
            .contains("cannot be unpacked")
    );
}
