//! Section `[one_shot]`: how a supernet is trained and judged one-shot.

use serde::{Deserialize, Serialize};

use super::section::Section;
use crate::{Budget, Error};

/// The one-shot analysis. It is part of the stage's output, whose version goes up with its fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneShotConfig {
    /// Size of the supernet, images and epochs.
    pub supernet_budget: Budget,
    /// The epochs after which sub-networks are evaluated: ascending, from 1, and at most the supernet's.
    pub epochs: Vec<u32>,
    /// The share of the edges that `random-level` draws anew each step; above 0 and up to 1.
    pub share: f64,
    /// How many of the sub-networks just trained are evaluated after an epoch (local `r_s`); at least 3.
    pub sub_networks: usize,
    /// What these are trained under, alone, to be compared with.
    pub budget: Budget,
    /// Seed of the supernets and of what is drawn.
    pub seed: u64,
}

/// Most epochs in the list, and sub-networks of each: each of these is trained.
const MOST: usize = 10_000;

impl OneShotConfig {
    pub(super) fn typed(section: &Section<'_>) -> Result<Self, Error> {
        let supernet_budget = section.budget("supernet_budget")?;
        let epochs = section.whole_numbers("epochs", 1, 100_000)?;
        match epochs.last() {
            None => return Err(section.wrong("epochs", "is empty, must hold at least one epoch")),
            Some(_) if !epochs.is_sorted_by(|a, b| a < b) => {
                return Err(section.wrong("epochs", "must ascend, each epoch once"));
            }
            Some(last) if *last > supernet_budget.epochs => {
                let problem = format!(
                    "ends with {last}, and the supernet is trained for {} epochs (one_shot.supernet_budget)",
                    supernet_budget.epochs
                );
                return Err(section.wrong("epochs", problem));
            }
            Some(_) if epochs.len() > MOST => {
                return Err(section.wrong("epochs", format!("must hold at most {MOST} epochs")));
            }
            Some(_) => {}
        }
        Ok(Self {
            supernet_budget,
            epochs,
            share: section.real("share", |share| share > 0.0 && share <= 1.0, "above 0 and up to 1")?,
            sub_networks: section.count("sub_networks", 3, MOST)?,
            budget: section.budget("budget")?,
            seed: section.seed("seed")?,
        })
    }
}
