//! Shares that are away, full, closed, something else, or full of lies.

use super::*;

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
    let outgoing = ada.stats().unwrap().outgoing;
    assert_eq!(outgoing.values().sum::<u64>(), 2, "{outgoing:?}");
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
fn a_share_that_may_only_be_read_is_read() {
    let test = "failing::a_share_that_may_only_be_read_is_read";
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
fn a_drive_that_is_not_mounted_is_not_taken_for_the_share() {
    let team = Team::new();
    let ada = team.open("ada");
    ada.put(&record(1)).unwrap();
    assert_eq!(report(&ada).put, 1);
    drop(ada);
    // An empty folder is where it was, which anyone may write to.
    let away = team.dir.path().join("away");
    fs::rename(team.share(), &away).unwrap();
    fs::create_dir(team.share()).unwrap();
    let ada = team.open("ada");
    ada.put(&record(2)).unwrap();
    assert_eq!((report(&ada).put, report(&ada).waiting), (0, 1));
    let warnings = ada.drain_warnings();
    assert!(
        matches!(&warnings[..], [Warning::ShareAway { message, .. }] if message.contains("mounted")),
        "{warnings:?}"
    );
    drop(ada);
    assert_eq!(fs::read_dir(team.share()).unwrap().count(), 0, "nothing goes to the disk below");
    // Another share in its place is none either.
    fs::write(team.share().join("format"), "nas-pipeline share 1 0123456789abcdef\n").unwrap();
    let ada = team.open("ada");
    assert_eq!((report(&ada).put, report(&ada).waiting), (0, 1));
    drop(ada);
    fs::remove_dir_all(team.share()).unwrap();
    fs::rename(&away, team.share()).unwrap();
    let ada = team.open("ada");
    assert_eq!((report(&ada).put, report(&ada).waiting), (1, 0));
}

#[test]
fn a_share_without_room_is_still_read() {
    if !hostile::where_mounting_is_allowed("failing::a_share_without_room_is_still_read") {
        return;
    }
    let team = Team::new();
    let disk = hostile::SmallDisk::mount(team.share(), "1m").unwrap();
    let ada = team.open("ada");
    ada.put_many(&(0..20).map(record).collect::<Vec<_>>()).unwrap();
    assert_eq!(report(&ada).waiting, 0);
    disk.fill(0);
    let ben = team.open("ben");
    ben.put(&record(100)).unwrap();
    assert_eq!(report(&ben).waiting, 1);
    assert!((0..20).all(|n| ben.get(&record(n).key).unwrap().is_some()));
    let warnings = ben.drain_warnings();
    assert!(matches!(&warnings[..], [Warning::ShareFull { .. }]), "{warnings:?}");
    drop(ben);
    disk.free();
    let ben = team.open("ben");
    assert_eq!((report(&ben).put, report(&ben).waiting), (1, 0));
    drop((ada, ben));
}

#[test]
fn everyone_who_may_write_in_the_root_may_write_everywhere() {
    let team = Team::new();
    hostile::set_mode(&team.share(), 0o2775);
    let ada = team.open("ada");
    ada.put(&record(1)).unwrap();
    assert_eq!(report(&ada).put, 1);
    let path = object(&team, &record(1));
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o7777
    };
    assert_eq!(mode(&path), 0o664);
    assert_eq!(mode(path.parent().unwrap()), 0o2775);
    assert_eq!(mode(path.parent().unwrap().parent().unwrap()), 0o2775);
}
