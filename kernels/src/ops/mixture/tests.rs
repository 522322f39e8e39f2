//! Networks whose sums a mixture weighs: of what only they read, what others read too, and what is not normalised; in cells that
//! share it.

use crate::checks::{Case, CellOperation, Example, devices, edge, example, relu_conv_norm};
use crate::graph::{Graph, ValueId};
use crate::program::Normalisation;
use crate::{Draw, GroupSettings, Mixture, Shape, Term, Trainer};

/// A node of all operations between values, as in the supernet of a search.
fn node<const N: usize>(
    graph: &mut Graph,
    name: &str,
    from: [ValueId; N],
    mixture: Mixture,
    stride: usize,
) -> ValueId {
    use CellOperation::{Average, Dilated, Max, Separable, Skip};
    let mut terms = Vec::new();
    for (row, value) in from.into_iter().enumerate() {
        // The first choice is none of them.
        for (choice, operation) in [Max, Average, Skip, Separable(3), Dilated(3)].into_iter().enumerate() {
            let (name, weight) = (format!("{name}.{row}.{choice}"), (mixture, row, choice + 1));
            let (value, drop) = graph
                .serving(&name, weight, |graph| Ok(edge(graph, &name, operation, value, stride)))
                .unwrap();
            terms.push(Term { value, drop, weight: Some(weight) });
        }
    }
    let concat = graph.concat(1, graph.shape(terms[0].value));
    graph.weighted_sum(name, &terms, concat, 0).unwrap()
}

pub(in crate::ops) fn examples() -> Vec<Example> {
    let shared = example("a mixture that two nodes share", 6, |graph, value| {
        let mixture = graph.mixture("alpha", 2, 6).unwrap();
        let other = relu_conv_norm(graph, "other", value, graph.shape(value).channels, 1, 1);
        let first = node(graph, "first", [value, other], mixture, 1);
        node(graph, "second", [first, value], mixture, 1)
    });
    let uneven = example("weighted terms behind a ReLU, unweighted ones beside them", 6, |graph, value| {
        let mixture = graph.mixture("alpha", 1, 3).unwrap();
        let made = relu_conv_norm(graph, "made", value, 4, 1, 1);
        let plain = graph.batch_norm_plain("plain", value);
        assert!(plain.is_err(), "what is normalised is not normalised again");
        let open = graph.relu(made);
        let summed = graph.sum("summed", &[made, open]).unwrap();
        let plain = graph.batch_norm_plain("plain", summed).unwrap();
        let weight = |choice| Some((mixture, 0, choice));
        let terms = [
            Term { value: open, drop: true, weight: weight(0) },
            Term { value: plain, drop: false, weight: weight(1) },
            Term { value: summed, drop: false, weight: weight(1) },
            Term { value: made, drop: true, weight: None },
        ];
        let concat = graph.concat(1, graph.shape(made));
        graph.weighted_sum("sum", &terms, concat, 0).unwrap()
    });
    let concrete = example("weights drawn from a concrete distribution", 6, |graph, value| {
        let mixture = graph.drawn_mixture("alpha", 2, 6, Draw::Concrete).unwrap();
        let other = relu_conv_norm(graph, "other", value, graph.shape(value).channels, 1, 1);
        node(graph, "node", [value, other], mixture, 2)
    });
    let dirichlet = example("weights drawn from a Dirichlet distribution", 6, |graph, value| {
        let mixture = graph.drawn_mixture("alpha", 1, 6, Draw::Dirichlet { divergence: 0.1 }).unwrap();
        node(graph, "node", [value; 1], mixture, 1)
    });
    let one_hot =
        example("one operation drawn in each of two nodes that share a mixture", 6, |graph, value| {
            let mixture = graph.drawn_mixture("alpha", 2, 6, Draw::OneHot).unwrap();
            let other = relu_conv_norm(graph, "other", value, graph.shape(value).channels, 1, 1);
            let first = node(graph, "first", [value, other], mixture, 1);
            node(graph, "second", [first, other], mixture, 2)
        });
    let drawn = [dirichlet, one_hot].map(|example| Example { drawn_from: Some("alpha"), ..example });
    let mut all = vec![shared, Example { drop_path: 0.3, ..uneven }, concrete];
    all.extend(drawn);
    all
}

/// Two convolutions of which one is drawn, by `alpha`.
fn of_two(graph: &mut Graph, image: ValueId) -> ([ValueId; 2], ValueId) {
    let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot).unwrap();
    let convs = [0, 1].map(|choice| {
        let name = format!("conv.{choice}");
        let conv = |graph: &mut Graph| Ok(relu_conv_norm(graph, &name, image, 4, 1, 1));
        graph.serving(&name, (mixture, 0, choice), conv).unwrap()
    });
    let term = |choice| Term { value: convs[choice], drop: false, weight: Some((mixture, 0, choice)) };
    let concat = graph.concat(1, graph.shape(convs[0]));
    (convs, graph.weighted_sum("sum", &[0, 1].map(term), concat, 0).unwrap())
}

#[test]
fn what_is_not_drawn_stays_as_it_is() {
    let mut case = Case::new("one of two", Shape::new(3, 6, 6), 8, 20, |graph, image| of_two(graph, image).1);
    case.settings.groups = vec![GroupSettings::sgd(0.0, 0.0, f32::INFINITY)];
    let mut before = case.initial();
    case.change(&mut before, "alpha", |choice, _| if choice == 0 { -1e4 } else { 0.0 });
    let order = case.order();
    for device in devices() {
        let mut backend = case.backend(&device).unwrap();
        backend.set_state(&before).unwrap();
        backend.train(&case.pass(&order, 0, 0)).unwrap();
        let after = backend.state().unwrap();
        for (name, is_drawn) in [("conv.0", false), ("conv.1", true)] {
            for parameter in ["weight", "bn.weight", "bn.bias"] {
                let place = case.place(&format!("{name}.{parameter}"));
                let changes = before.parameters[place.clone()] != after.parameters[place];
                assert_eq!(changes, is_drawn, "{}: {name}.{parameter}", device.name());
            }
            let is_its = |norm: &&Normalisation| norm.name == format!("{name}.bn");
            let first = case.graph.tables.norms.iter().find(is_its).unwrap().offset;
            let means = [&before, &after].map(|state| &state.running_mean[first..first + 4]);
            let variances = [&before, &after].map(|state| &state.running_var[first..first + 4]);
            for [before, after] in [means, variances] {
                assert_eq!(before != after, is_drawn, "{}: statistics of {name}", device.name());
            }
        }
    }
}

#[test]
fn what_serves_a_choice_is_read_by_that_choice_alone() {
    let case = Case::new("read by others", Shape::new(3, 6, 6), 8, 20, |graph, image| {
        let (convs, sum) = of_two(graph, image);
        graph.sum("both", &[sum, convs[0]]).unwrap()
    });
    let error = Trainer::new(&devices()[0], &case.graph, &case.settings, &[case.images]).err().unwrap();
    assert!(error.to_string().contains("Graph::serving"), "{error}");
    let (mut graph, image) = Graph::new(Shape::new(3, 6, 6), 4);
    let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot).unwrap();
    let inner =
        |graph: &mut Graph| graph.serving("inner", (mixture, 0, 1), |graph| graph.sum("sum", &[image]));
    let error = graph.serving("outer", (mixture, 0, 0), inner).unwrap_err().to_string();
    assert!(error.contains("inner"), "{error}");
    let error = graph.serving("missing", (mixture, 0, 2), |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains("weight 2"), "{error}");
}
