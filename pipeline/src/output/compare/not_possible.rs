//! Ways that the tables of a comparison do not have what it takes for.

use super::Played;
use crate::output::format;

/// A way that these tables cannot play, and why.
pub(super) struct NotPossible {
    pub(super) way: String,
    pub(super) why: String,
}

/// Names of the ways that look at full trainings after some epochs.
const BY_RUNGS: &str = "successive halving, Hyperband";
const ONE_EPOCH: &str = "one epoch of full training";

pub(super) fn not_possible(played: &Played) -> Vec<NotPossible> {
    let axes = lacking_axes(played);
    let axes = (!axes.is_empty()).then(|| NotPossible {
        way: format!("one hyper-parameter alone: {}", axes.join(", ")),
        why: "no budget differs from the dearest one in nothing else".to_owned(),
    });
    by_epochs(played).into_iter().chain(axes).chain(baselines(played)).collect()
}

fn by_epochs(played: &Played) -> Option<NotPossible> {
    let both = || format!("{BY_RUNGS}, {ONE_EPOCH}");
    match (played.epochs, played.is_of_run) {
        (0, false) => Some(NotPossible {
            way: both(),
            why: "they look at a full training after some of its epochs; --curves takes a table of these accuracies"
                .to_owned(),
        }),
        (0, true) => Some(NotPossible {
            way: both(),
            why: "not every full training of the run is in the cache with all of its epochs".to_owned(),
        }),
        (epochs @ 1..=2, _) => Some(NotPossible {
            way: if epochs == 1 { both() } else { BY_RUNGS.to_owned() },
            why: format!(
                "full training has {}, and a third of them is none",
                format::plural(epochs as u64, "epoch")
            ),
        }),
        _ => None,
    }
}

/// The hyper-parameters that no budget varies alone.
fn lacking_axes(played: &Played) -> Vec<&str> {
    let has_axis = |factor: usize| played.axes.iter().any(|axis| axis.factor == factor);
    let hyperparameters = played.names.hyperparameters.iter().enumerate();
    hyperparameters.filter(|(factor, _)| !has_axis(*factor)).map(|(_, name)| name.as_str()).collect()
}

fn baselines(played: &Played) -> Option<NotPossible> {
    let why = if played.is_of_run {
        "no run of this cache has scored these architectures; `pipeline run --target baselines` does, with the settings \
         of the run, or --with takes a table"
    } else {
        "no scores of the architectures are there; `pipeline baselines` makes a table of them, which --with takes"
    };
    let way = "rankings without a training".to_owned();
    played.names.baselines.is_empty().then(|| NotPossible { way, why: why.to_owned() })
}
