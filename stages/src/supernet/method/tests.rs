//! Settings that fit a budget, and what methods do epoch by epoch.

use super::*;

#[test]
fn the_architecture_is_trained_in_most_epochs_however_few_there_are() {
    let method = |name| Method::NAMED.iter().find(|(known, _)| *known == name).expect("a method").1;
    let of = |epochs, channels| Budget { epochs, channels, ..Budget::NAMED[2].1 };
    for (name, epochs, expected) in
        [("pc-darts", 50, 15), ("pc-darts", 10, 3), ("p-darts", 1, 0), ("p-darts", 75, 10)]
    {
        let budget = Budget { layers: 20, ..of(epochs, 16) };
        let (fitting, shrunk) = method(name).fitting(&budget);
        assert_eq!(fitting.still_epochs(), expected, "{name}");
        assert_eq!(shrunk.is_empty(), fitting == method(name));
    }
    let (_, shrunk) = method("pc-darts").fitting(&of(10, 16));
    assert_eq!(shrunk, ["search.pc-darts.still_epochs is 3 instead of 15, for a budget of epochs=10"]);
    let (drnas, shrunk) = method("drnas").fitting(&of(50, 8));
    assert_eq!(shrunk, ["search.drnas.channel_parts is 4 instead of 6, for a budget of channels=8"]);
    let parts = drnas.stages(&of(50, 8)).into_iter().map(|stage| stage.channel_parts);
    assert_eq!(parts.collect::<Vec<_>>(), [4, 4]);
    let (drnas, shrunk) = method("drnas").fitting(&of(50, 36));
    assert!(shrunk.is_empty() && drnas == method("drnas"));
}

#[test]
fn stages_share_the_epochs_and_the_depth_of_a_budget() {
    let pdarts = Method::NAMED.iter().find(|(known, _)| *known == "p-darts").expect("a method").1;
    for (epochs, layers, expected, sentences) in [
        (75, 20, vec![(0, 25, 5, 8), (25, 25, 11, 5), (50, 25, 17, 3)], 0),
        (10, 8, vec![(0, 3, 3, 8), (3, 3, 5, 5), (6, 4, 8, 3)], 2),
        (2, 6, vec![(0, 1, 4, 8), (1, 1, 6, 5)], 3),
        (1, 3, vec![(0, 1, 3, 8)], 3),
    ] {
        let budget = Budget { epochs, layers, ..Budget::NAMED[2].1 };
        let (fitting, shrunk) = pdarts.fitting(&budget);
        assert_eq!(shrunk.len(), sentences, "{shrunk:?}");
        let stages = fitting.stages(&budget);
        let stages = stages.iter().map(|stage| (stage.first, stage.epochs, stage.layers, stage.operations));
        assert_eq!(stages.collect::<Vec<_>>(), expected);
    }
    let (_, shrunk) = pdarts.fitting(&Budget { epochs: 2, layers: 6, ..Budget::NAMED[2].1 });
    assert_eq!(
        shrunk[1],
        "search.p-darts.layers is [3, 4, 6] instead of [5, 11, 17], for a budget of layers=6"
    );
    assert_eq!(shrunk[2], "search.p-darts has 2 of its 3 stages, for a budget of epochs=2");
}

#[test]
fn temperatures_and_dropout_are_those_of_the_papers() {
    let method = |name| Method::NAMED.iter().find(|(known, _)| *known == name).expect("a method").1;
    let gdas = method("gdas");
    assert!((gdas.temperature(0, 250) - 10.0).abs() < 1e-12);
    assert!((gdas.temperature(249, 250) - 0.1).abs() < 1e-12);
    assert!((method("snas").temperature(149, 150) - 0.03).abs() < 1e-12);
    let pdarts = method("p-darts");
    let stages = pdarts.stages(&Budget { layers: 20, epochs: 75, ..Budget::NAMED[2].1 });
    assert_eq!(stages.iter().map(|stage| stage.layers).collect::<Vec<_>>(), [5, 11, 17]);
    let dropout = |epoch| pdarts.skip_dropout(&stages[1], epoch, 25);
    assert!((dropout(0) - 0.4 * 24.0 / 25.0).abs() < 1e-12 && (dropout(10) - 0.4).abs() < 1e-12);
    assert!((dropout(15) - 0.4 * (-1.0_f64).exp()).abs() < 1e-12);
}
