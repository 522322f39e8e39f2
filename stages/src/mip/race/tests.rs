//! Who is dropped, who leads at which λ, and what whole races save and lose.

use super::measure::{Raced, race};
use super::*;
use crate::statistics::{rank_quality, spearman_of};

const SETTINGS: Settings = Settings { confidence: 0.95, lambda: 0.1, full_cost: 10.0, seed: 3 };
const RULE: Rule = Rule { confidence: 0.95, objective: Objective::Spearman, seed: 3 };

fn truths(count: usize) -> Vec<f64> {
    (0..count).map(|truth| truth as f64).collect()
}

/// Truths with so much noise.
fn noisy(count: usize, noise: f64, stream: u64) -> Vec<f64> {
    let mut random = Random::new(1, "test", stream);
    (0..count).map(|truth| truth as f64 + noise * random.normal()).collect()
}

/// The same truths in a random order, as races have them.
fn shuffled(count: usize) -> Vec<f64> {
    let mut truths = truths(count);
    Random::new(2, "test", 0).shuffle(&mut truths);
    truths
}

fn racer(truths: &[f64], noise: f64, stream: u64, cost: f64) -> Racer {
    let mut random = Random::new(1, "test", stream);
    Racer { cost, estimates: truths.iter().map(|truth| truth + noise * random.normal()).collect() }
}

/// What of the estimates of each budget a race asks for, group by group: who was left when.
fn told(race: &mut Race<'_>, budgets: &[Racer]) -> Vec<(Range<usize>, Vec<usize>)> {
    let mut asked = Vec::new();
    loop {
        let (next, left) = (race.next_group(), race.left().to_vec());
        if next.is_empty() {
            return asked;
        }
        let of = |&place: &usize| Racer {
            cost: budgets[place].cost,
            estimates: budgets[place].estimates[next.clone()].to_vec(),
        };
        race.tell(left.iter().map(of).collect()).unwrap();
        asked.push((next, left));
    }
}

#[test]
fn what_ranks_at_random_is_dropped_at_the_first_look_and_the_best_stays() {
    let truths = truths(60);
    let (good, bad) = (truths.clone(), noisy(60, 1e9, 0));
    let entrants =
        [&bad, &good, &bad].map(|estimates| Entrant { cost: 1.0, estimates: estimates.as_slice() });
    let raced = race(&truths, &entrants, &(0..60).collect::<Vec<_>>(), &SETTINGS).unwrap();
    assert_eq!(raced, Raced { trained: vec![FIRST, 60, FIRST], found: Some(1) });
    // 60 + 2 · 10 of 180 trainings.
    let measured = measure(&truths, &entrants, 20, &SETTINGS).unwrap();
    assert!((measured.saved.mean - 100.0 / 180.0).abs() < 0.06, "{measured:?}");
    assert_eq!(measured.cost_saved.unwrap().mean, measured.saved.mean);
    let lost = [measured.differs, measured.spearman_lost, measured.objective_lost].map(|one| one.mean);
    assert_eq!((lost, measured.most_lost, measured.without), ([0.0; 3], 0.0, Some(1)));
}

#[test]
fn equals_race_to_the_end_and_of_these_the_dearer_is_behind() {
    let truths = truths(40);
    let estimates = noisy(40, 10.0, 1);
    let entrant = |cost| Entrant { cost, estimates: &estimates };
    let order: Vec<usize> = (0..40).rev().collect();
    let even = Settings { lambda: 0.0, ..SETTINGS };
    let raced = race(&truths, &[entrant(1.0), entrant(1.0)], &order, &even).unwrap();
    assert_eq!(raced, Raced { trained: vec![40, 40], found: Some(0) });
    // What ranks alike and costs more is never chosen, not for λ = 0 either.
    let raced = race(&truths, &[entrant(2.0), entrant(1.0)], &order, &even).unwrap();
    assert_eq!(raced, Raced { trained: vec![FIRST, 40], found: Some(1) });
}

#[test]
fn a_race_that_is_told_group_by_group_is_the_whole_one() {
    let truths = shuffled(43);
    let racers: Vec<Racer> = (0..6)
        .map(|place| racer(&truths, 4.0 + 12.0 * place as f64, place, 0.1 + place as f64 / 10.0))
        .collect();
    let in_tens = |racer| {
        let Racer { cost, estimates }: &Racer = racer;
        Entrant { cost: 10.0 * cost, estimates }
    };
    let entrants: Vec<Entrant<'_>> = racers.iter().map(in_tens).collect();
    let mut group_by_group = Race::new(RULE, &truths, Vec::new(), 6).unwrap();
    let asked = told(&mut group_by_group, &racers);
    let whole = race(&truths, &entrants, &(0..43).collect::<Vec<_>>(), &SETTINGS).unwrap();
    assert_eq!(group_by_group.trained(), whole.trained);
    assert!(whole.trained.iter().any(|&count| count < 43) && whole.trained.contains(&43), "{whole:?}");
    // Ten, then five at a time, each once, to the end; with one left, all the rest at once.
    assert!(asked[0] == (0..FIRST, (0..6).collect()) && asked[1].0.start == FIRST, "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[0].0.end == pair[1].0.start), "{asked:?}");
    assert!(asked.iter().all(|(next, left)| next.start == 0 || next.len() <= EVERY || left.len() == 1));
    assert_eq!(asked.last().unwrap().0.end, 43);
    // What was told is what was asked for, and numbers.
    let mut wrong = Race::new(RULE, &truths, Vec::new(), 2).unwrap();
    let racer = |value| Racer { cost: 1.0, estimates: vec![value; FIRST] };
    assert!(wrong.tell(vec![racer(1.0)]).is_err());
    assert!(wrong.clone().tell(vec![racer(1.0), Racer { cost: 1.0, estimates: vec![1.0] }]).is_err());
    assert!(wrong.tell(vec![racer(1.0), racer(f64::NAN)]).is_err());
    assert!(Race::new(RULE, &truths, vec![racer(1.0)], 1).is_err());
}

#[test]
fn no_budget_is_dropped_that_some_weight_of_the_cost_would_choose() {
    // Agreement less λ times cost: the first leads up to λ = .25, the third up to .75, then the second, and the fourth
    // never.
    let lines = [(0.8, 0.9), (0.4, 0.1), (0.7, 0.5), (0.62, 0.55)];
    let found: Vec<(usize, f64, f64)> =
        leaders(&lines).into_iter().map(|Leader { place, from, to }| (place, from, to)).collect();
    let expected = [(0, 0.0, 0.25), (2, 0.25, 0.75), (1, 0.75, 1.0)];
    assert_eq!(found.len(), 3);
    for ((place, from, to), wanted) in found.into_iter().zip(expected) {
        assert!(
            place == wanted.0 && (from - wanted.1).abs() < 1e-9 && (to - wanted.2).abs() < 1e-9,
            "{place}"
        );
    }
    let undefined = [(f64::NEG_INFINITY, 0.5), (0.3, 0.7)];
    assert_eq!(leaders(&undefined), [Leader { place: 1, from: 0.0, to: 1.0 }]);
    assert!(leaders(&undefined[..1]).is_empty() && leaders(&[]).is_empty());

    // Three budgets of which each is the best for some λ race to the end, although the middle one is behind at both
    // ends.
    let truths = shuffled(60);
    let rule = Rule { confidence: 0.9, ..RULE };
    let left = |budgets: &[Racer]| {
        let mut race = Race::new(rule, &truths, Vec::new(), budgets.len()).unwrap();
        told(&mut race, budgets);
        race.left().to_vec()
    };
    let of = |noise, cost| racer(&truths, noise, 4, cost);
    let budgets = [of(0.0, 0.9), of(8.0, 0.5), of(40.0, 0.02), of(1e9, 0.95)];
    assert_eq!(left(&budgets), [0, 1, 2]);
    let at_both_ends = |place: usize| {
        let agreement = spearman_of(&budgets[place].estimates, &truths).unwrap().unwrap();
        (agreement, agreement - budgets[place].cost)
    };
    let [first, middle, last] = [0, 1, 2].map(at_both_ends);
    assert!(middle.0 < first.0 && middle.1 < last.1, "{first:?} {middle:?} {last:?}");
    // Without costs only the best one is.
    assert_eq!(left(&budgets.map(|budget| Racer { cost: 0.0, ..budget })), [0]);
}

#[test]
fn what_was_tried_before_leads_and_is_not_trained_again() {
    let truths = shuffled(40);
    let racer = |noise, stream| racer(&truths, noise, stream, 0.5);
    let racers = [racer(1e9, 0), racer(1e9, 1)];
    // Of two that rank at random one is left at least, for it leads.
    let mut alone = Race::new(RULE, &truths, Vec::new(), 2).unwrap();
    told(&mut alone, &racers);
    assert!(!alone.left().is_empty() && alone.trained().contains(&40));
    // Beside one that is as good as full training both are dropped at once, and nothing more is asked for.
    let mut race = Race::new(RULE, &truths, vec![racer(0.0, 2)], 2).unwrap();
    let asked = told(&mut race, &racers);
    assert_eq!((asked, race.trained()), (vec![(0..FIRST, vec![0, 1])], vec![FIRST; 2]));
    // One alone with nobody before it is trained at once.
    let mut single = Race::new(RULE, &truths, Vec::new(), 1).unwrap();
    assert_eq!(told(&mut single, &racers), [(0..40, vec![0])]);
    assert!(Race::new(RULE, &truths, Vec::new(), 0).unwrap().next_group().is_empty());
}

#[test]
fn budgets_race_by_what_they_are_to_be_good_at() {
    // One knows the best architectures and little else, the other one the order of all but the best, which it turns round.
    let truths = shuffled(60);
    let top = |truth: f64| if truth >= 45.0 { truth } else { truth % 7.0 };
    let rest = |truth: f64| if truth >= 45.0 { 104.0 - truth } else { truth };
    let budgets = [top, rest].map(|of: fn(f64) -> f64| Racer {
        cost: 0.1,
        estimates: truths.iter().map(|&truth| of(truth)).collect(),
    });
    for (objective, best) in Objective::ALL.into_iter().zip([Some(1), Some(1), None, None]) {
        let mut race =
            Race::new(Rule { confidence: 0.9, objective, seed: 3 }, &truths, Vec::new(), 2).unwrap();
        told(&mut race, &budgets);
        let Some(best) = best else {
            // What the best of all architectures will be, the first ten cannot tell.
            assert!(race.left() == [0, 1] && !objective.can_race(), "{objective:?}");
            continue;
        };
        assert!(race.left() == [best] && objective.can_race(), "{objective:?}");
        let of = |racer: &Racer| objective.agreement(&rank_quality(&racer.estimates, &truths, 6, 0).unwrap());
        assert!(of(&budgets[best]) > of(&budgets[1 - best]), "{objective:?}");
    }
}

#[test]
fn little_confidence_saves_more_and_errs_more() {
    let truths = truths(60);
    let lists: Vec<Vec<f64>> = (0..8).map(|place| noisy(60, 20.0 + place as f64, place)).collect();
    let entrants: Vec<Entrant<'_>> = lists.iter().map(|estimates| Entrant { cost: 0.0, estimates }).collect();
    let of = |confidence| measure(&truths, &entrants, 60, &Settings { confidence, ..SETTINGS }).unwrap();
    let [rash, careful] = [0.6, 0.999].map(of);
    assert!(rash.saved.mean > careful.saved.mean + 0.1, "{rash:?} {careful:?}");
    assert!(rash.differs.mean > careful.differs.mean, "{rash:?} {careful:?}");
    // Without costs the best r_s is what is chosen by, so that another choice loses some.
    assert!(rash.spearman_lost.mean > 0.0 && rash.spearman_lost == rash.objective_lost);
    assert_eq!(rash.cost_saved, None);
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one_thread.install(|| of(0.6)), rash);
}

#[test]
fn few_architectures_and_none_end_well() {
    let truths = truths(FIRST);
    let flat = vec![1.0; FIRST];
    let entrants = [Entrant { cost: 1.0, estimates: &flat }; 2];
    let raced = race(&truths, &entrants, &(0..FIRST).collect::<Vec<_>>(), &SETTINGS).unwrap();
    assert_eq!(raced, Raced { trained: vec![FIRST; 2], found: None });
    assert_eq!(measure(&truths, &entrants, 3, &SETTINGS).unwrap().saved.mean, 0.0);
    assert_eq!(race(&[], &[], &[], &SETTINGS).unwrap().found, None);
    assert!(race(&truths, &entrants, &[0; FIRST], &SETTINGS).is_err());
    assert!(race(&truths[1..], &entrants, &[], &SETTINGS).is_err());
    // Where no agreement is defined nobody leads and nobody is dropped.
    let (truths, flat) = (super::tests::truths(30), vec![1.0; 30]);
    let raced =
        race(&truths, &[Entrant { cost: 1.0, estimates: &flat }; 2], &(0..30).collect::<Vec<_>>(), &SETTINGS);
    assert_eq!(raced.unwrap(), Raced { trained: vec![30; 2], found: None });
}
