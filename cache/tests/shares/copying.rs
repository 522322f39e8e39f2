//! What one puts the others find: one by one, all of it, and in one file.

use super::*;

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
    let mut stats = ben.stats_by(&[cache::FOUND_IN]).unwrap();
    let found = stats.trainings_by.remove(cache::FOUND_IN).unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(place, 200)]);
    // It is Ben's from now on, and not offered again.
    assert_eq!((report(&ben).put, report(&ben).found), (0, 200));
    drop((ada, ben));
    let alone = Store::open(team.cache("ben")).unwrap();
    assert!((0..200).all(|n| alone.get(&record(n).key).unwrap().is_some()));
    assert!(alone.weights(&weights).is_some() && alone.verify().unwrap().is_clean());
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
    assert_eq!(ben.import(&file, trust.clone(), None).unwrap().left, 300, "a stranger's");
    trust.set(key, Known { name: String::new(), is_trusted: true });
    assert_eq!(ben.import(&file, trust.clone(), None).unwrap().copied, 300);
    assert_eq!(ben.import(&file, trust, None).unwrap().there, 301);
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
            let copied = dora.import(&file, Trust::default(), None).map_or(0, |report| report.copied);
            let found = (0..300).filter(|&n| {
                let found = dora.get(&record(n).key).unwrap();
                found.is_some_and(|found| found.payload == record(n).payload)
            });
            assert_eq!(found.count() + usize::from(dora.weights(&weights).is_some()), copied as usize);
        }
    }
}

#[test]
fn a_record_that_is_deleted_is_not_shared_afterwards() {
    let team = Team::new();
    let away = team.dir.path().join("away");
    fs::rename(team.share(), &away).unwrap();
    let ada = team.open("ada");
    ada.put(&record(1)).unwrap();
    report(&ada);
    assert!(ada.remove(Kind::Training, record(1).key.digest()).unwrap());
    drop(ada);
    fs::rename(&away, team.share()).unwrap();
    let ada = team.open("ada");
    assert_eq!((report(&ada).put, report(&ada).waiting), (0, 0));
    assert!(!object(&team, &record(1)).exists());
}
