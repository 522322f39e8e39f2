//! The places of what a search met among the sampled architectures, where it went by them.

use serde::Serialize;
use stages::search::Ingredient;
use stages::stage::{Combination, Evaluation, SearchOutcome};

use super::format;

/// What a search went by, for programs.
#[derive(Serialize)]
pub(super) struct CombinationJson {
    /// Names of baselines and texts of budgets, that of the search first.
    ingredients: Vec<String>,
    /// Architectures among which others are placed.
    reference: u64,
}

/// Where an architecture stands, for programs.
#[derive(Serialize)]
pub(super) struct CombinedJson {
    /// What the strategy was told: the mean place, and a fraction of the least difference by the score; 0 where the training
    /// under the search's budget diverged.
    told: f64,
    /// From 0 to 100, as the places.
    mean_place: f64,
    places: Vec<PlaceJson>,
}

#[derive(Serialize)]
struct PlaceJson {
    ingredient: String,
    /// None of a baseline that has none.
    value: Option<f64>,
    /// Percent of the reference that it beats, ties half.
    place: f64,
}

impl CombinationJson {
    pub(super) fn of(combination: &Combination) -> Self {
        Self {
            ingredients: combination.ingredients.iter().map(Ingredient::to_string).collect(),
            reference: combination.reference,
        }
    }
}

impl CombinedJson {
    /// None of an evaluation that was judged by its training alone.
    pub(super) fn of(combination: &Combination, evaluation: &Evaluation) -> Option<Self> {
        let standing = &evaluation.combined.as_ref()?.standing;
        let places = combination.ingredients.iter().zip(&standing.places);
        let place = |(ingredient, place): (&Ingredient, &stages::search::Place)| PlaceJson {
            ingredient: ingredient.to_string(),
            value: place.value,
            place: place.percent,
        };
        Some(Self {
            told: standing.told,
            mean_place: standing.mean_place,
            places: places.map(place).collect(),
        })
    }
}

/// By what the best architecture of a search was chosen, where that is more than its score; a line.
pub(crate) fn combined_text(outcome: &SearchOutcome) -> String {
    let best = outcome.best.as_ref().and_then(|best| best.combined.as_ref());
    let (Some(combination), Some(combined)) = (&outcome.combination, best) else { return String::new() };
    let standing = &combined.standing;
    let by = |(number, (ingredient, place)): (usize, (&Ingredient, &stages::search::Place))| match ingredient
    {
        Ingredient::Budget(_) if number == 0 => format!("{:.1}% under the search's budget", place.percent),
        Ingredient::Budget(budget) => format!("{:.1}% under {budget}", place.percent),
        Ingredient::Baseline(name) => format!("{:.1}% by {name}", place.percent),
    };
    let places = combination.ingredients.iter().zip(&standing.places).enumerate();
    format!(
        "  beats {:.1}% of {} on average: {}\n",
        standing.mean_place,
        format::plural(combination.reference, "sampled architecture"),
        places.map(by).collect::<Vec<_>>().join(", "),
    )
}
