//! `pipeline explain --runs`: two runs beside each other, a colleague's too.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;
use stages::config::ShareConfig;
use stages::echo::shown;

use crate::cli::Global;
use crate::cli::folder::warn;
use crate::engine::explain::{Change, changes_between};
use crate::engine::manifest::{History, Manifest};
use crate::error::Error;
use crate::output::{self, format};

#[derive(Serialize)]
struct RunsJson {
    runs: [RunJson; 2],
    /// Nodes whose keys differ, in the order of the first run.
    nodes: Vec<NodeJson>,
    only_in_first: Vec<String>,
    only_in_second: Vec<String>,
}

#[derive(Serialize)]
struct RunJson {
    run: String,
    person: Option<String>,
    started_unix_ms: u64,
    program: String,
    target: String,
}

#[derive(Serialize)]
struct NodeJson {
    node: String,
    /// Whether both came to the same output all the same.
    same_output: bool,
    changes: Vec<Change>,
}

impl RunJson {
    fn of(run: &Manifest) -> Self {
        Self {
            run: run.id.map_or_else(String::new, |id| id.to_string()),
            person: run.person.clone(),
            started_unix_ms: run.started_unix_ms,
            program: run.program.clone(),
            target: run.target.clone(),
        }
    }
}

/// Says which fields of which nodes differ between two runs: settings first, then what followed from them.
pub(super) fn explain(global: &Global, config: &ShareConfig, first: &str, second: &str) -> Result<(), Error> {
    let store = global.open_with(global.sharing(Some(config))?)?;
    let history = History::load(&store)?;
    let runs = [first, second].map(|digits| history.find_with_team(&store, digits));
    warn(&store);
    let [first, second] = runs;
    let (first, second) = (first?, second?);
    let mut nodes = Vec::new();
    for entry in &first.nodes {
        let Some(other) = second.node(&entry.name).filter(|other| other.key != entry.key) else { continue };
        nodes.push(NodeJson {
            node: entry.name.clone(),
            same_output: entry.output.is_some() && entry.output == other.output,
            changes: changes_between(entry, other),
        });
    }
    let names = |run: &Manifest| run.nodes.iter().map(|node| node.name.clone()).collect::<BTreeSet<_>>();
    let (in_first, in_second) = (names(&first), names(&second));
    let found = RunsJson {
        runs: [RunJson::of(&first), RunJson::of(&second)],
        nodes,
        only_in_first: in_first.difference(&in_second).cloned().collect(),
        only_in_second: in_second.difference(&in_first).cloned().collect(),
    };
    if global.json { output::json(&found) } else { output::result(&text(&found)) }
}

fn text(found: &RunsJson) -> String {
    let mut text = String::new();
    for (run, title) in found.runs.iter().zip(["from", "to"]) {
        let id: String = run.run.chars().take(8).collect();
        let person =
            run.person.as_deref().map_or_else(String::new, |person| format!(" by {}", shown(person)));
        let moment = format::moment(run.started_unix_ms);
        let _ = writeln!(text, "{title:<5}run {id} of {moment} UTC{person}: {}", shown(&run.target));
    }
    let settings = |change: &&Change| change.node.is_none();
    let mut any = false;
    for node in &found.nodes {
        for change in node.changes.iter().filter(settings) {
            any = true;
            let _ = writeln!(text, "  {}: {change}", node.node);
        }
    }
    let followed: Vec<&str> = found
        .nodes
        .iter()
        .filter(|node| node.changes.iter().all(|change| change.node.is_some()))
        .map(|node| node.node.as_str())
        .collect();
    if !followed.is_empty() {
        let _ = writeln!(text, "  follows from these: {}", followed.join(", "));
    }
    for (names, title) in [(&found.only_in_first, "first"), (&found.only_in_second, "second")] {
        if !names.is_empty() {
            let _ = writeln!(text, "  only in the {title}: {}", names.join(", "));
        }
    }
    if !any && followed.is_empty() && found.only_in_first.is_empty() && found.only_in_second.is_empty() {
        text.push_str("  nothing differs: both met the same nodes under the same keys\n");
    }
    text
}
