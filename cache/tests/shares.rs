//! Stores that share a folder: what one puts the others find, whatever else lies in the folder and happens to it.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "common/hostile.rs"]
mod hostile;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cache::{
    Claim, Fields, Identity, Key, Kind, Known, Record, ShareReport, Sharing, Store, Trust, TrustPolicy,
    Warning,
};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(20);

/// A share and the folders of people who use it.
struct Team {
    dir: TempDir,
}

impl Team {
    fn new() -> Self {
        let team = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(team.share()).unwrap();
        team
    }

    fn share(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    fn cache(&self, person: &str) -> PathBuf {
        self.dir.path().join(person)
    }

    fn sharing(&self, person: &str) -> Sharing {
        Sharing { places: vec![self.share()], person: person.to_owned(), ..Sharing::default() }
    }

    fn open(&self, person: &str) -> Store {
        self.open_with(person, self.sharing(person))
    }

    fn open_with(&self, person: &str, sharing: Sharing) -> Store {
        Store::open_shared(self.cache(person), sharing).unwrap()
    }
}

fn record(n: u64) -> Record {
    let key = Key::new(Kind::Training, Fields::new().with("n", n).unwrap());
    Record::of(key, &vec![n as f64; 20]).unwrap()
}

fn report(store: &Store) -> ShareReport {
    store.finish_sharing(WAIT).swap_remove(0)
}

/// The file of a record in the share.
fn object(team: &Team, record: &Record) -> PathBuf {
    let digest = record.key.digest().to_string();
    team.share().join("training").join(&digest[..2]).join(&digest)
}

/// Where a record says that it was found.
fn found_in(record: &Record) -> Option<&str> {
    record.provenance.get(cache::FOUND_IN).map(String::as_str)
}

#[test]
fn what_one_puts_another_finds_and_keeps() {
    let team = Team::new();
    let ada = team.open("ada");
    ada.put_many(&(0..200).map(record).collect::<Vec<_>>()).unwrap();
    let weights = ada.keep_weights(b"many numbers").unwrap();
    assert_eq!(report(&ada), ShareReport { place: report(&ada).place, put: 201, ..ShareReport::default() });

    let ben = team.open("ben");
    let place = team.share().display().to_string();
    for n in 0..300 {
        let found = ben.get(&record(n).key).unwrap();
        assert_eq!(found.is_some(), n < 200, "{n}");
        if let Some(found) = found {
            assert_eq!((&found.payload, found_in(&found)), (&record(n).payload, Some(&*place)));
        }
    }
    assert_eq!(ben.weights(&weights).as_deref(), Some(&b"many numbers"[..]));
    assert_eq!(ben.counters().from_shares, 200);
    assert_eq!(ben.stats().unwrap().found_in.into_iter().collect::<Vec<_>>(), [(place, 200)]);
    // It is Ben's from now on, and not offered again.
    assert_eq!((report(&ben).put, report(&ben).found), (0, 200));
    drop((ada, ben));
    let alone = Store::open(team.cache("ben")).unwrap();
    assert!((0..200).all(|n| alone.get(&record(n).key).unwrap().is_some()));
    assert!(alone.weights(&weights).is_some() && alone.verify().unwrap().is_clean());
}

#[test]
fn what_cannot_be_shared_now_is_shared_by_a_later_process() {
    let team = Team::new();
    let away = team.dir.path().join("away");
    fs::rename(team.share(), &away).unwrap();
    let ada = team.open("ada");
    ada.put(&record(1)).unwrap();
    assert_eq!((report(&ada).put, report(&ada).waiting), (0, 1));
    let warnings = ada.drain_warnings();
    assert!(matches!(&warnings[..], [Warning::ShareAway { .. }]), "said once: {warnings:?}");
    ada.put(&record(2)).unwrap();
    assert!(ada.get(&record(9).key).unwrap().is_none() && ada.get(&record(2).key).unwrap().is_some());
    assert_eq!(ada.drain_warnings(), []);
    assert_eq!(ada.stats().unwrap().outgoing, 2);
    drop(ada);

    fs::rename(&away, team.share()).unwrap();
    let again = team.open("ada");
    assert_eq!((report(&again).put, report(&again).waiting), (2, 0));
    assert!(team.open("ben").get(&record(2).key).unwrap().is_some());
}

#[test]
fn a_share_that_goes_in_the_middle_is_done_without() {
    let team = Team::new();
    let ada = team.open("ada");
    ada.put(&record(1)).unwrap();
    assert_eq!(report(&ada).put, 1);
    fs::remove_dir_all(team.share()).unwrap();
    for n in 2..50 {
        ada.put(&record(n)).unwrap();
        assert!(
            ada.get(&record(n).key).unwrap().is_some() && ada.get(&record(n + 1000).key).unwrap().is_none()
        );
    }
    assert_eq!(report(&ada).waiting, 48);
    let warnings = ada.drain_warnings();
    assert!(matches!(&warnings[..], [Warning::ShareAway { .. }]), "{warnings:?}");
}

#[test]
fn a_place_that_is_no_share_is_left_as_it_is() {
    let team = Team::new();
    fs::write(team.share().join("thesis.tex"), "years of work").unwrap();
    let ada = team.open("ada");
    ada.put(&record(1)).unwrap();
    assert_eq!(report(&ada).put, 0);
    assert!(
        matches!(&ada.drain_warnings()[..], [Warning::NoShare { problem, .. }] if problem.contains("something else"))
    );
    assert_eq!(fs::read_dir(team.share()).unwrap().count(), 1);

    let later = Team::new();
    fs::write(later.share().join("format"), "nas-pipeline share 2\n").unwrap();
    let ada = later.open("ada");
    assert!(ada.get(&record(1).key).unwrap().is_none());
    assert!(
        matches!(&ada.drain_warnings()[..], [Warning::NoShare { problem, .. }] if problem.contains("later version"))
    );
}

#[test]
fn another_result_for_a_key_is_kept_beside_the_first_and_never_read() {
    let team = Team::new();
    let other = Record { payload: record(2).payload, ..record(1) };
    let (ada, ben) = (team.open("ada"), team.open("ben"));
    // Neither has looked for the other's.
    ada.put(&record(1)).unwrap();
    assert_eq!(report(&ada).put, 1);
    ben.put(&other).unwrap();
    assert_eq!(report(&ben).put, 1);
    assert!(matches!(&ben.drain_warnings()[..], [Warning::SharedConflict { .. }]));
    assert!(object(&team, &other).with_extension("1").exists());
    let found = team.open("cleo").get(&record(1).key).unwrap().unwrap();
    assert_eq!(found.payload, record(1).payload);
    // Of the same result there is one.
    let dora = Store::open_shared(team.cache("dora"), Sharing::default()).unwrap();
    dora.put(&other).unwrap();
    drop(dora);
    let dora = team.open("dora");
    let pushed = dora.push().unwrap();
    assert_eq!((pushed[0].copied, pushed[0].there), (0, 1));
    assert!(!object(&team, &other).with_extension("2").exists());
}

#[test]
fn a_share_that_may_only_be_read_is_read() {
    let test = "a_share_that_may_only_be_read_is_read";
    if !hostile::as_common_user(&[], test) {
        return;
    }
    let team = Team::new();
    let ada = team.open("ada");
    ada.put(&record(1)).unwrap();
    assert_eq!(report(&ada).put, 1);
    hostile::forbid_writing(&team.share());
    let ben = team.open("ben");
    assert!(ben.get(&record(1).key).unwrap().is_some());
    assert!(matches!(ben.claim(&record(3).key, String::new), Claim::Granted(_)));
    for n in 2..9 {
        ben.put(&record(n)).unwrap();
        report(&ben);
    }
    let warnings = ben.drain_warnings();
    assert!(matches!(&warnings[..], [Warning::ShareReadOnly { .. }]), "{warnings:?}");
    assert_eq!((report(&ben).put, report(&ben).waiting), (0, 0), "nothing waits for what will not take it");
    hostile::allow_writing(&team.share());
}

#[test]
fn only_those_who_are_trusted_are_believed() {
    let team = Team::new();
    let [ada, eve] = [(); 2].map(|()| Identity::generate().unwrap());
    let keys = [&ada, &eve].map(Identity::public);
    let known = |is_trusted| Known { name: String::new(), is_trusted };
    let sign = |person: &str, identity| Sharing { identity, ..team.sharing(person) };
    for (person, identity, n) in [("ada", Some(ada), 1), ("eve", Some(eve), 2), ("nobody", None, 3)] {
        let store = team.open_with(person, sign(person, identity));
        store.put(&record(n)).unwrap();
        assert_eq!(report(&store).put, 1);
    }
    let found = |policy, trusted: &[usize], revoked: &[usize], person: &str| {
        let mut trust = Trust::default();
        trust.policy = policy;
        for (list, is_trusted) in [(trusted, true), (revoked, false)] {
            list.iter().map(|&key| keys[key]).for_each(|key| trust.set(key, known(is_trusted)));
        }
        let store = team.open_with(person, Sharing { trust, ..team.sharing(person) });
        let found = [1, 2, 3].map(|n| store.get(&record(n).key).unwrap().is_some());
        (found, store.drain_warnings().len())
    };
    assert_eq!(found(TrustPolicy::Off, &[], &[], "a"), ([true; 3], 0));
    assert_eq!(found(TrustPolicy::Warn, &[0], &[], "b"), ([true; 3], 2));
    assert_eq!(found(TrustPolicy::Require, &[0], &[], "c"), ([true, false, false], 2));
    assert_eq!(found(TrustPolicy::Off, &[], &[1], "d"), ([true, false, true], 1));

    // What is not believed takes nobody's place: a friend's own result goes beside it, and is found.
    let friend = team.open_with("friend", sign("friend", Some(Identity::generate().unwrap())));
    let mut trust = Trust::default();
    trust.policy = TrustPolicy::Require;
    trust.set(keys[0], known(true));
    let careful = Sharing { trust, ..team.sharing("careful") };
    drop(friend);
    let careful = team.open_with("careful", careful);
    careful.put(&record(2)).unwrap();
    assert_eq!(report(&careful).put, 1);
    assert!(object(&team, &record(2)).with_extension("1").exists());
}

#[test]
fn everything_is_pushed_and_pulled() {
    let team = Team::new();
    let before = Store::open(team.cache("ada")).unwrap();
    before.put_many(&(0..500).map(record).collect::<Vec<_>>()).unwrap();
    let weights = before.keep_weights(b"numbers").unwrap();
    drop(before);
    let ada = team.open("ada");
    let copies = |reports: Vec<cache::PushReport>| (reports[0].copied, reports[0].there, reports[0].left);
    assert_eq!(copies(ada.push().unwrap()), (501, 0, 0));
    assert_eq!(copies(ada.push().unwrap()), (0, 501, 0));
    fs::write(object(&team, &record(7)), "damaged").unwrap();
    let ben = team.open("ben");
    assert_eq!(copies(ben.pull().unwrap()), (500, 0, 1));
    assert_eq!(copies(ben.pull().unwrap()), (0, 500, 1));
    assert!(ben.get(&record(7).key).unwrap().is_none());
    drop(ben);
    let ben = Store::open(team.cache("ben")).unwrap();
    assert!((0..500).filter(|n| *n != 7).all(|n| ben.get(&record(n).key).unwrap().is_some()));
    assert!(ben.weights(&weights).is_some());
}

#[test]
fn a_bundle_is_a_share_in_one_file() {
    let team = Team::new();
    let ada = Store::open(team.cache("ada")).unwrap();
    ada.put_many(&(0..300).map(record).collect::<Vec<_>>()).unwrap();
    let weights = ada.keep_weights(b"numbers").unwrap();
    let file = team.dir.path().join("nas.tar");
    let identity = Identity::generate().unwrap();
    let key = identity.public();
    let report = ada.export(&file, Some(identity)).unwrap();
    assert_eq!((report.copied, report.there, report.left), (301, 0, 0));

    let mut trust = Trust::default();
    trust.policy = TrustPolicy::Require;
    let ben = Store::open(team.cache("ben")).unwrap();
    assert_eq!(ben.import(&file, trust.clone()).unwrap().left, 300, "a stranger's");
    trust.set(key, Known { name: String::new(), is_trusted: true });
    assert_eq!(ben.import(&file, trust.clone()).unwrap().copied, 300);
    assert_eq!(ben.import(&file, trust).unwrap().there, 301);
    let found = ben.get(&record(7).key).unwrap().unwrap();
    assert_eq!(found.provenance[cache::PRODUCER], key.to_string());
    assert!(ben.weights(&weights).is_some() && ben.verify().unwrap().is_clean());

    // Unpacked, it is a share.
    let unpacked =
        std::process::Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(team.share()).status();
    assert!(unpacked.unwrap().success());
    assert!(team.open("cleo").get(&record(299).key).unwrap().is_some());

    // Cut, or changed anywhere, it gives what is whole, or says that it is no bundle.
    let whole = fs::read(&file).unwrap();
    for place in (0..whole.len()).step_by(whole.len() / 50) {
        let mut damaged = whole.clone();
        damaged[place] ^= 4;
        for bytes in [&damaged, &whole[..place]] {
            fs::write(&file, bytes).unwrap();
            let dora = Store::open(team.cache(&format!("dora {place} {}", bytes.len()))).unwrap();
            let copied = dora.import(&file, Trust::default()).map_or(0, |report| report.copied);
            let found = (0..300).filter(|&n| {
                let found = dora.get(&record(n).key).unwrap();
                found.is_some_and(|found| found.payload == record(n).payload)
            });
            assert_eq!(found.count() + usize::from(dora.weights(&weights).is_some()), copied as usize);
        }
    }
}

/// A share of which every second object is something else: nothing wrong is found, and nothing is without end.
#[test]
fn a_hostile_colleague_is_not_believed() {
    const OBJECTS: u64 = 520;
    let team = Team::new();
    let ada = team.open("ada");
    ada.put_many(&(0..OBJECTS).map(record).collect::<Vec<_>>()).unwrap();
    assert_eq!(report(&ada).waiting, 0);
    let outside = team.dir.path().join("outside");
    fs::write(&outside, fs::read(object(&team, &record(1))).unwrap()).unwrap();
    for n in (0..OBJECTS).filter(|n| n % 2 == 0) {
        let path = object(&team, &record(n));
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        match n / 2 % 13 {
            0 => fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
            1 => fs::write(&path, fs::read(object(&team, &record(n + 1))).unwrap()).unwrap(),
            2 => fs::File::create(&path).unwrap().set_len(2 << 30).unwrap(),
            3 => fs::write(&path, [&bytes[..], b"more"].concat()).unwrap(),
            4 => {
                let mut signed = bytes;
                signed[10..106].fill(7);
                fs::write(&path, signed).unwrap();
            }
            5 => std::os::unix::fs::symlink(&outside, &path).unwrap(),
            6 => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            7 => fs::create_dir(&path).unwrap(),
            8 => drop(std::process::Command::new("mkfifo").arg(&path).status().unwrap()),
            9 => fs::write(&path, b"").unwrap(),
            10 => std::os::unix::fs::symlink(&path, &path).unwrap(),
            11 => {
                let mut length = bytes;
                length[114..122].fill(0xFF);
                fs::write(&path, length).unwrap();
            }
            _ => fs::write(&path, record(n).to_bytes()).unwrap(),
        }
    }
    // Names that are none, and folders in the place of others.
    let shelf = team.share().join("training");
    for name in ["..%2f..%2fetc", "0", "zz", "a\nb", &"f".repeat(200)] {
        fs::write(shelf.join(name), "x").unwrap();
    }
    std::os::unix::fs::symlink("/", shelf.join("root")).unwrap();
    std::os::unix::fs::symlink("..", shelf.join("up")).unwrap();
    fs::create_dir_all(team.share().join("leases")).unwrap();
    fs::write(team.share().join("leases").join("training-x.99999999999999999999"), "x").unwrap();

    let begun = Instant::now();
    let ben = team.open("ben");
    for n in 0..OBJECTS {
        let found = ben.get(&record(n).key).unwrap();
        assert_eq!(found.map(|found| found.payload), (n % 2 == 1).then(|| record(n).payload), "{n}");
    }
    // What is no file was not even listed. The first are named, all are counted.
    assert!((OBJECTS / 4..=OBJECTS / 2).contains(&report(&ben).refused), "{:?}", report(&ben));
    assert!((1..=10).contains(&ben.drain_warnings().len()));
    // A listing passes over what is no record, and copies what is one.
    let cleo = team.open("cleo");
    let pulled = &cleo.pull().unwrap()[0];
    assert!(pulled.copied == OBJECTS / 2 && pulled.left > 0, "{pulled:?}");
    // Everything that was lost is computed again, and shared beside what is in its place.
    ben.put_many(&(0..OBJECTS).filter(|n| n % 2 == 0).map(record).collect::<Vec<_>>()).unwrap();
    assert_eq!((report(&ben).put, report(&ben).waiting), (OBJECTS / 2, 0));
    let dora = team.open("dora");
    assert!(
        (0..OBJECTS)
            .all(|n| dora.get(&record(n).key).unwrap().is_some_and(|r| r.payload == record(n).payload))
    );
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(fs::read_dir(team.dir.path()).unwrap().count(), 2 + 4, "nothing was written outside");
}

#[test]
fn a_key_is_one_persons_to_compute_and_the_next_finds_the_result() {
    let team = Team::new();
    let (ada, ben) = (team.open("ada"), team.open("ben"));
    let key = record(1).key;
    let Claim::Granted(claim) = ada.claim(&key, || "a training\u{1b}[2J".to_owned()) else { panic!("free") };
    assert!(matches!(ben.claim(&key, String::new), Claim::Taken));
    assert!(matches!(ben.claim(&record(2).key, String::new), Claim::Granted(_)), "another is free");
    // Which was given up again.
    report(&ben);
    let held = ben.team();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!((&*held[0].person, &*held[0].about), ("ada", "a training[2J"));
    ada.put(&record(1)).unwrap();
    drop(claim);
    let begun = Instant::now();
    let claim = loop {
        match ben.claim(&key, String::new) {
            Claim::Granted(claim) => break claim,
            Claim::Taken => assert!(begun.elapsed() < WAIT),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    // It is given up when the share has the result, and not before.
    assert!(ben.get_latest(&key).unwrap().is_some());
    drop(claim);
    report(&ben);
    assert!(ben.team().is_empty());
    assert_eq!(leases(&team.share()), 0);
}

fn leases(share: &Path) -> usize {
    fs::read_dir(share.join("leases")).map_or(0, Iterator::count)
}

#[test]
fn the_lease_of_one_who_is_gone_is_taken_over() {
    let team = Team::new();
    let (ada, ben) = (team.open("ada"), team.open("ben"));
    let Claim::Granted(claim) = ada.claim(&record(1).key, String::new) else { panic!("free") };
    assert!(matches!(ben.claim(&record(1).key, String::new), Claim::Taken));
    // As where somebody else has taken it for dead: its life sign is gone.
    fs::remove_dir_all(team.share().join("owners")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let Claim::Granted(taken_over) = ben.claim(&record(1).key, String::new) else { panic!("free again") };
    // It only slept, and gives up what is its own: that of the other stays.
    drop(claim);
    report(&ada);
    assert_eq!(leases(&team.share()), 1);
    drop(taken_over);
    report(&ben);
    assert_eq!(leases(&team.share()), 0);
}
