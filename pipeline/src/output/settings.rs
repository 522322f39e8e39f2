//! A configuration as TOML, each value with where it comes from.

use std::fmt::Write;

use serde::Serialize;
use stages::config::Setting;
use stages::echo::shown;

use crate::error::Error;

/// Values longer than this do not move the comments of all others to the right.
const VALUE_LONGEST: usize = 40;

#[derive(Serialize)]
struct SettingsJson<'a> {
    settings: &'a [Setting],
    /// Why a run would refuse the configuration; none where it would not.
    problem: Option<&'a str>,
}

/// Prints it. A problem goes to standard error, so that what is printed is a configuration file all the same.
pub(crate) fn print(settings: &[Setting], problem: Option<&str>, json: bool) -> Result<(), Error> {
    if json {
        return super::json(&SettingsJson { settings, problem });
    }
    if let Some(problem) = problem {
        super::message(&format!("warning: a run would refuse this configuration: {problem}"));
    }
    super::result(&text(settings))
}

fn text(settings: &[Setting]) -> String {
    let mut text = String::new();
    for section in settings.chunk_by(|one, next| one.section == next.section) {
        let lines: Vec<(String, &Setting)> = section
            .iter()
            .map(|setting| (format!("{} = {}", setting.key, setting.toml()), setting))
            .collect();
        let lengths = lines.iter().map(|(line, _)| line.chars().count());
        let width = lengths.filter(|length| *length <= VALUE_LONGEST).max().unwrap_or(0);
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "[{}]", section[0].section);
        for (line, setting) in lines {
            // A file may be called anything, and a comment ends with its line.
            let _ = writeln!(text, "{line:<width$}  # {}", shown(&setting.origin));
        }
    }
    text
}
