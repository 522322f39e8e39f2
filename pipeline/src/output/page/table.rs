//! Tables of a page, each behind a line that opens it where there is a figure that shows the same.

use maud::{Markup, html};

/// Rows from which on a table scrolls, and has a field that filters it.
const LONG: usize = 12;

/// A table.
pub(super) struct Table {
    /// Unique on the page.
    pub(super) id: String,
    /// Headings; those whose column holds words stand left.
    pub(super) headings: Vec<(String, Holds)>,
    /// A row is its cells, and what it is the row of, if that is drawn elsewhere too.
    pub(super) rows: Vec<(Vec<Markup>, Option<String>)>,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Numbers,
    /// A word or a few.
    Words,
    /// Long text.
    Text,
    /// Genotypes, which are cut to a line.
    Genotypes,
}

impl Table {
    pub(super) fn new(id: impl Into<String>, headings: &[(&str, Holds)]) -> Self {
        let headings = headings.iter().map(|(heading, holds)| ((*heading).to_owned(), *holds)).collect();
        Self { id: id.into(), headings, rows: Vec::new() }
    }

    /// The table itself.
    pub(super) fn open(&self) -> Markup {
        let is_long = self.rows.len() > LONG;
        html! {
            @if is_long {
                input.filter type="search" placeholder="filter rows" aria-label="filter rows" data-table=(self.id);
            }
            div.table.long[is_long] {
                table id=(self.id) {
                    thead { tr { @for (heading, holds) in &self.headings { th class=[class(*holds)] scope="col" { (heading) } } } }
                    tbody {
                        @for (cells, of) in &self.rows {
                            tr data-of=[of.as_ref()] {
                                @for (cell, (_, holds)) in cells.iter().zip(&self.headings) {
                                    @if *holds == Holds::Genotypes { td class=[class(*holds)] { code { (cell) } } }
                                    @else { td class=[class(*holds)] { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The table behind a line that opens it.
    pub(super) fn closed(&self, summary: &str) -> Markup {
        html! { details { summary { (summary) } (self.open()) } }
    }
}

fn class(holds: Holds) -> Option<&'static str> {
    match holds {
        Holds::Numbers => None,
        Holds::Words => Some("words"),
        Holds::Text => Some("words text"),
        Holds::Genotypes => Some("words genotype"),
    }
}
