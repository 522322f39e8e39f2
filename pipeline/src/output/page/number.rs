//! Numbers of a page. Each says in an attribute what it is in full, and where it stands in the report's JSON, so that a
//! check can hold the page against that, and a program can read it.

use maud::{Markup, html};
use serde_json::Value;
use stages::statistics::Interval;

use crate::output::format;

/// What stands in the place of a number that there is none of.
pub(super) const NONE: &str = "—";

/// A number with its place (a JSON pointer) and its text.
pub(super) fn number(at: &str, value: f64, text: &str) -> Markup {
    html! { data value=(value) data-at=(at) { (text) } }
}

/// The same of a whole number.
pub(super) fn count(at: &str, value: u64) -> Markup {
    html! { data value=(value) data-at=(at) { (format::count(value)) } }
}

/// A number where there is one.
pub(super) fn optional(at: &str, value: Option<f64>, text: impl Fn(f64) -> String) -> Markup {
    value.map_or_else(none, |value| number(at, value, &text(value)))
}

/// An interval where there is one: `0.126 to 0.928`.
pub(super) fn interval(at: &str, value: Option<Interval>, text: impl Fn(f64) -> String) -> Markup {
    let Some((low, high)) = value else { return none() };
    html! {
        (number(&format!("{at}/0"), low, &text(low))) " to " (number(&format!("{at}/1"), high, &text(high)))
    }
}

/// A number of the report's result, by its pointer in there.
pub(super) fn of_result(result: &Value, pointer: &str, text: impl Fn(f64) -> String) -> Markup {
    optional(&format!("/result{pointer}"), result.pointer(pointer).and_then(Value::as_f64), text)
}

/// A text that a report holds word by word.
pub(super) fn words(at: &str, text: &str) -> Markup {
    html! { data value=(text) data-at=(at) { (text) } }
}

fn none() -> Markup {
    html! { (NONE) }
}

/// A correlation with three digits.
pub(super) fn three(value: f64) -> String {
    format!("{value:.3}")
}

/// Percent with two digits.
pub(super) fn percent(value: f64) -> String {
    format!("{value:.2}%")
}
