//! Searches that go by several numbers at once, told scores recomputed from what the program says of each number.

use std::collections::HashSet;

use serde_json::Value;

use crate::sandbox::Sandbox;

const BUDGET: &str =
    "epochs=1,batch_size=64,learning_rate=0.03,layers=3,channels=2,image_size=8,cutout=0,float_bits=32";
const FURTHER: &str =
    "epochs=1,batch_size=64,learning_rate=0.1,layers=3,channels=4,image_size=8,cutout=0,float_bits=32";
const SIZE: &str = "--set=baselines.budget=BPE-1,batch_size=32,layers=3,channels=2,image_size=8";

/// By architecture the numbers of the search's budget, the further one, and NWOT.
fn numbers(sandbox: &Sandbox, settings: &[&str]) -> Vec<[Option<f64>; 3]> {
    let target = |target| sandbox.run(&[settings, &[target]].concat()).json["result"].clone();
    let (under, baselines) = (target("--target=evaluate@reference"), target("--target=score-baselines"));
    let score = |budget: usize, place: usize| under[budget]["scores"][place].as_f64();
    let rows = baselines.as_array().unwrap().iter().enumerate();
    rows.map(|(place, row)| [score(0, place), score(1, place), row["nwot"].as_f64()]).collect()
}

/// What is told of numbers: how much of the reference each beats, on average, and the score in half the least difference.
fn told(reference: &[[Option<f64>; 3]], values: &[Option<f64>; 3]) -> (f64, f64) {
    let beaten = |number: usize| {
        let halves = |other: &[Option<f64>; 3]| match other[number].partial_cmp(&values[number]) {
            Some(std::cmp::Ordering::Less) => 2,
            Some(std::cmp::Ordering::Equal) => 1,
            _ => 0,
        };
        reference.iter().map(halves).sum::<u32>()
    };
    let step = 100.0 / (2 * reference.len() * 3) as f64;
    let mean = f64::from((0..3).map(beaten).sum::<u32>()) * step;
    (mean, mean + step / 2.0 * values[0].unwrap() / 100.0)
}

#[test]
fn told_scores_are_those_of_the_numbers_that_the_program_gives_one_by_one() {
    let sandbox = Sandbox::new();
    let budget = format!("--set=search.budget={BUDGET}");
    let combine = format!("--set=search.combine=[\"nwot\", \"{FURTHER}\"]");
    for strategy in ["random", "evolution"] {
        let chosen = format!("--set=search.strategy={strategy}");
        let settings =
            [&budget, &combine, SIZE, &chosen, "--set=search.samples=5", "--set=architectures.count=6"];
        let run = sandbox.run(&settings);
        let search = &run.json["result"]["search"];
        let names = search["combination"]["ingredients"].as_array().unwrap();
        assert_eq!(
            (names.len(), &names[2], &search["combination"]["reference"]),
            (3, &"nwot".into(), &6.into())
        );
        let evaluations = search["evaluations"].as_array().unwrap();
        let reference = numbers(&sandbox, &settings);
        assert_eq!(reference.len(), 6);

        // The architectures that it met, in the place of the sampled ones: everything of them is in the cache.
        let mut known = HashSet::new();
        let met: Vec<&Value> =
            evaluations.iter().filter(|one| known.insert(one["genotype"].as_str().unwrap())).collect();
        let texts: Vec<&str> = met.iter().map(|one| one["genotype"].as_str().unwrap()).collect();
        sandbox.write("met.txt", texts.join("\n") + "\n");
        let again = [&settings[..], &["--set=architectures.file=met.txt"]].concat();
        for target in ["--target=evaluate@reference", "--target=score-baselines"] {
            assert_eq!(sandbox.run(&[&again[..], &[target]].concat()).run, 0, "{strategy}");
        }
        let values = numbers(&sandbox, &again);
        assert_eq!(values.len(), met.len());
        let close = |number: &Value, expected: f64| (number.as_f64().unwrap() - expected).abs() < 1e-9;
        for (one, values) in met.iter().zip(&values) {
            let combined = &one["combined"];
            let (mean, expected) = told(&reference, values);
            assert!(
                close(&combined["told"], expected) && close(&combined["mean_place"], mean),
                "{one} {values:?}"
            );
            assert_eq!(combined["places"][0]["value"], one["score"]);
            let said: Vec<Option<f64>> =
                combined["places"].as_array().unwrap().iter().map(|place| place["value"].as_f64()).collect();
            assert_eq!(said, values);
        }

        // Of what it found, the one that was told the most.
        let found = if strategy == "random" {
            evaluations
        } else {
            &evaluations[search["asked"].as_u64().unwrap() as usize..]
        };
        let told = |one: &Value| one["combined"]["told"].as_f64().unwrap();
        let most = found.iter().map(told).fold(f64::MIN, f64::max);
        assert_eq!(told(&search["best"]), most);
        assert_eq!(search["best"]["genotype"], run.json["result"]["best"]["genotype"]);
        assert!(search["cost"]["run"].as_u64() > Some(met.len() as u64), "{}", search["cost"]);
        let again = sandbox.run(&settings);
        assert_eq!((again.run, &again.bytes), (0, &run.bytes));
        sandbox.assert_verified();

        let text = ["run", "--config", "tiny.toml", "--device=cpu"];
        let text = sandbox.program(&[&text[..], &settings].concat()).succeeded().stdout;
        let line = format!(
            "beats {:.1}% of 6 sampled architectures on average: ",
            search["best"]["combined"]["mean_place"].as_f64().unwrap()
        );
        assert!(text.contains(&line) && text.contains("% by nwot"), "{text}");
    }
}
