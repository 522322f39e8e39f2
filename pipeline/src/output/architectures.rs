//! The catalogue of architectures: what was published of each, and what the program makes of it.

use std::fmt::Write;

use serde::Serialize;
use stages::architecture::catalogue::{CATALOGUE, Computed, Listed, Published, RECIPES_OF_TABLES};

use super::table::{Align, Table};
use crate::error::Error;

#[derive(Serialize)]
struct ArchitecturesJson {
    architectures: Vec<ListedJson>,
}

#[derive(Serialize)]
struct ListedJson {
    title: &'static str,
    /// What `--architecture` takes; none where the program cannot build it.
    name: Option<&'static str>,
    /// As a text; none where it is not built.
    architecture: Option<String>,
    source: &'static str,
    remark: &'static str,
    recipes: Vec<RecipeJson>,
}

/// One architecture under one recipe.
#[derive(Serialize)]
struct RecipeJson {
    recipe: &'static str,
    /// None of a network that is called by name, and of what has no form for the recipe.
    channels: Option<u32>,
    parameters: Option<u64>,
    mult_adds: Option<u64>,
    published: Option<PublishedJson>,
}

#[derive(Serialize)]
struct PublishedJson {
    parameters_millions: &'static str,
    error_percent: &'static str,
    source: &'static str,
    /// Whether the computed parameters are these to the printed digit; none where none were computed.
    agrees: Option<bool>,
}

/// Prints all of them.
pub(crate) fn print(json: bool) -> Result<(), Error> {
    let computed = CATALOGUE.iter().map(|listed| Ok((listed, listed.computed()?)));
    let rows: Vec<(&Listed, [Option<Computed>; 2])> =
        computed.collect::<Result<_, stages::Error>>().map_err(Error::Stage)?;
    if json {
        let architectures = rows.iter().map(|(listed, computed)| listed_json(listed, computed));
        let architectures = architectures.collect::<Result<_, _>>().map_err(Error::Stage)?;
        return super::json(&ArchitecturesJson { architectures });
    }
    super::result(&text(&rows))
}

fn listed_json(listed: &Listed, computed: &[Option<Computed>; 2]) -> Result<ListedJson, stages::Error> {
    let published = [listed.cifar, listed.imagenet];
    let recipes = RECIPES_OF_TABLES.into_iter().zip(computed).zip(published);
    let recipe = |(((recipe, _), computed), published): (((_, _), &Option<Computed>), Option<Published>)| {
        let published = published.map(|published| PublishedJson {
            parameters_millions: published.parameters,
            error_percent: published.error,
            source: published.source,
            agrees: computed.map(|computed| published.is(computed.parameters)),
        });
        RecipeJson {
            recipe,
            channels: computed.and_then(|computed| computed.channels),
            parameters: computed.map(|computed| computed.parameters),
            mult_adds: computed.map(|computed| computed.mult_adds),
            published,
        }
    };
    Ok(ListedJson {
        title: listed.title,
        name: listed.name,
        architecture: listed.architecture()?.map(|architecture| architecture.to_string()),
        source: listed.source,
        remark: listed.remark,
        recipes: recipes.map(recipe).collect(),
    })
}

fn text(rows: &[(&Listed, [Option<Computed>; 2])]) -> String {
    let mut text = String::new();
    for (place, (recipe, classes)) in RECIPES_OF_TABLES.into_iter().enumerate() {
        let headings = [
            ("", Align::Left),
            ("name", Align::Left),
            ("channels", Align::Right),
            ("parameters", Align::Right),
            ("multiply-adds", Align::Right),
            ("published", Align::Right),
            ("error, %", Align::Left),
            ("in", Align::Left),
        ];
        let mut table = Table::new(&headings, 2);
        for (listed, computed) in rows {
            let published = [listed.cifar, listed.imagenet][place];
            let computed = computed[place];
            if published.is_none() && computed.is_none() {
                continue;
            }
            let of_computed =
                |number: fn(&Computed) -> String| computed.as_ref().map_or_else(|| "-".to_owned(), number);
            let of_published =
                |text: fn(&Published) -> &'static str| published.as_ref().map_or("", text).to_owned();
            table.row(vec![
                listed.title.to_owned(),
                listed.name.unwrap_or("-").to_owned(),
                computed.and_then(|computed| computed.channels).map_or_else(String::new, |c| c.to_string()),
                of_computed(|computed| format!("{:.2} M", computed.parameters as f64 / 1e6)),
                of_computed(|computed| format!("{:.0} M", computed.mult_adds as f64 / 1e6)),
                published.map_or_else(String::new, |published| format!("{} M", published.parameters)),
                of_published(|published| published.error),
                of_published(|published| published.source),
            ]);
        }
        let heading = super::heading(&format!("Under the recipe {recipe}, {classes} classes"));
        let _ = writeln!(text, "{heading}\n{table}");
    }
    let _ = writeln!(text, "{}", super::heading("Sources, and why computed and published sizes differ"));
    for (listed, _) in rows {
        let _ = writeln!(text, "  {}: {}", listed.title, listed.source);
        if !listed.remark.is_empty() {
            let _ = writeln!(text, "    {}", listed.remark);
        }
    }
    text
}
