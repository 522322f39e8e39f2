//! The run history of SMAC3 (`runhistory.json`) as a table of trials: a row for each, with the names that other
//! programs' exports have.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// The file, as far as it is read.
#[derive(Deserialize)]
struct RunHistory {
    data: Vec<Entry>,
    /// The hyper-parameters of each configuration, by its number.
    configs: BTreeMap<String, BTreeMap<String, Value>>,
}

/// A trial: an object since SMAC 2.2, before it a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Object(Trial),
    List(Vec<Value>),
}

#[derive(Deserialize)]
struct Trial {
    config_id: u64,
    instance: Option<Value>,
    seed: Option<Value>,
    budget: Option<Value>,
    /// What is minimised; several numbers where there are several objectives.
    cost: Value,
    time: Value,
    status: u64,
}

/// What may tell trials of one configuration apart.
type Part = fn(&Trial) -> &Option<Value>;

/// States by their numbers, in words that tables of trials have.
const STATES: [&str; 5] = ["running", "success", "crashed", "timeout", "memoryout"];

impl Entry {
    fn trial(self) -> Result<Trial, String> {
        let list = match self {
            Self::Object(trial) => return Ok(trial),
            Self::List(list) => list,
        };
        // With a processor's time there is one more between time and status.
        let status = if list.len() > 10 { 7 } else { 6 };
        let number = |place: usize| list.get(place).and_then(Value::as_u64);
        match (number(0), number(status)) {
            (Some(config_id), Some(status)) if list.len() >= 10 => Ok(Trial {
                config_id,
                instance: list.get(1).cloned(),
                seed: list.get(2).cloned(),
                budget: list.get(3).cloned(),
                cost: list[4].clone(),
                time: list[5].clone(),
                status,
            }),
            _ => {
                Err("a trial that is no list of configuration, instance, seed, budget, cost, time and status"
                    .to_owned())
            }
        }
    }
}

/// The rows, headings first; none where the text is no such file.
///
/// # Errors
/// When it is one, and a trial has no configuration, an unknown state, or a cost of several numbers.
pub(super) fn rows(text: &str) -> Option<Result<Vec<Vec<String>>, String>> {
    let history = text.trim_start().starts_with('{').then(|| serde_json::from_str::<RunHistory>(text));
    history.map(|history| table(history.map_err(|error| format!("no run history of SMAC3: {error}"))?))
}

fn table(RunHistory { data, configs }: RunHistory) -> Result<Vec<Vec<String>>, String> {
    let trials = data.into_iter().map(Entry::trial).collect::<Result<Vec<_>, _>>()?;
    let names: BTreeSet<&String> = configs.values().flat_map(BTreeMap::keys).collect();
    let differs = |of: Part| trials.iter().any(|trial| of(trial) != of(&trials[0]));
    let parts: [(&str, Part); 3] = [
        ("instance", |trial| &trial.instance),
        ("seed", |trial| &trial.seed),
        ("budget", |trial| &trial.budget),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(_, of)| differs(*of)).collect();
    let mut headings = vec!["trial".to_owned()];
    headings.extend(names.iter().map(|name| format!("config.{name}")));
    headings.extend(parts.iter().filter(|(name, _)| *name == "budget").map(|_| "config.budget".to_owned()));
    headings.extend(["objective_to_minimize", "seconds", "state"].map(str::to_owned));
    let mut rows = vec![headings];
    for trial in &trials {
        let id = trial.config_id;
        let config = configs.get(&id.to_string());
        let config = config
            .ok_or_else(|| format!("the trial of configuration {id}, which is not among the configs"))?;
        let state = usize::try_from(trial.status).ok().and_then(|status| STATES.get(status));
        let state = state.ok_or_else(|| {
            format!("the trial of configuration {id} has the unknown status {}", trial.status)
        })?;
        if trial.cost.is_array() {
            return Err(format!(
                "the trial of configuration {id} has costs of several objectives; leave one of them"
            ));
        }
        // What tells trials of one configuration apart.
        let told = parts.iter().map(|(name, of)| format!(" {name} {}", text_of(of(trial).as_ref())));
        let mut row = vec![format!("{id}{}", told.collect::<String>())];
        row.extend(names.iter().map(|name| text_of(config.get(*name))));
        row.extend(
            parts.iter().filter(|(name, _)| *name == "budget").map(|(_, of)| text_of(of(trial).as_ref())),
        );
        row.extend([text_of(Some(&trial.cost)), text_of(Some(&trial.time)), (*state).to_owned()]);
        rows.push(row);
    }
    Ok(rows)
}

/// A value as a table has it; nothing for what is missing.
fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CONFIGS: &str =
        r#""configs": {"1": {"lr": 0.1, "optimizer": "sgd"}, "2": {"lr": 0.01, "optimizer": "adam"}}"#;

    fn table_of(data: &str) -> Result<Vec<Vec<String>>, String> {
        rows(&format!("{{\"data\": [{data}], {CONFIGS}, \"stats\": {{}}}}")).unwrap()
    }

    #[test]
    fn trials_of_both_layouts_are_the_same_rows() {
        let objects = r#"{"config_id": 1, "instance": null, "seed": 0, "budget": 5.0, "cost": 0.25, "time": 3.5, "cpu_time": 3, "status": 1, "starttime": 1, "endtime": 2, "additional_info": {}},
            {"config_id": 2, "instance": null, "seed": 0, "budget": 10.0, "cost": 0.5, "time": 4, "cpu_time": 3, "status": 2, "starttime": 1, "endtime": 2, "additional_info": {}}"#;
        let lists =
            "[1, null, 0, 5.0, 0.25, 3.5, 1, 1.0, 2.0, {}], [2, null, 0, 10.0, 0.5, 4, 3, 2, 1.0, 2.0, {}]";
        let found = table_of(objects).unwrap();
        assert_eq!(found, table_of(lists).unwrap());
        let row = |row: usize| found[row].join("|");
        assert_eq!(
            row(0),
            "trial|config.lr|config.optimizer|config.budget|objective_to_minimize|seconds|state"
        );
        assert_eq!(row(1), "1 budget 5.0|0.1|sgd|5.0|0.25|3.5|success");
        assert_eq!(row(2), "2 budget 10.0|0.01|adam|10.0|0.5|4|crashed");
    }

    #[test]
    fn what_is_no_run_history_says_why() {
        assert!(rows("arch,acc\n1,2\n").is_none());
        for (data, part) in [
            ("[1, null, 0, 5.0, 0.25]", "no list of"),
            ("[7, null, 0, 5.0, 0.25, 3.5, 1, 1.0, 2.0, {}]", "configuration 7"),
            ("[1, null, 0, 5.0, 0.25, 3.5, 9, 1.0, 2.0, {}]", "unknown status 9"),
            ("[1, null, 0, 5.0, [0.25, 1], 3.5, 1, 1.0, 2.0, {}]", "several objectives"),
        ] {
            assert!(table_of(data).unwrap_err().contains(part), "{data}");
        }
        assert!(rows("{\"data\": 3}").unwrap().unwrap_err().contains("no run history of SMAC3"));
    }
}
