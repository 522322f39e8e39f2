//! Networks whose sums a mixture weighs: of what only they read, what others read too, and what is not normalised; in cells that
//! share it.

use crate::checks::{CLASSES, Case, CellOperation, Example, devices, edge, example, relu_conv_norm};
use crate::graph::{Graph, ValueId};
use crate::program::Normalisation;
use crate::{ConvSpec, Draw, Error, GroupSettings, Mixture, Shape, Term, Trainer};

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

/// Whatever earlier steps left in memory, a step gives what a training gives that begins with it.
#[test]
fn what_was_drawn_before_changes_nothing() {
    let mut case = Case::new("two nodes", Shape::new(3, 6, 6), 8, 20, |graph, image| {
        let mixture = graph.drawn_mixture("alpha", 2, 6, Draw::OneHot).unwrap();
        let [left, right] = ["left", "right"].map(|name| relu_conv_norm(graph, name, image, 4, 1, 1));
        let first = node(graph, "first", [left, right], mixture, 1);
        node(graph, "second", [first, right], mixture, 2)
    });
    case.settings.groups = vec![GroupSettings::sgd(0.0, 0.0, f32::INFINITY)];
    let order = case.order();
    let place = case.place("alpha");
    for (device, float_bits) in devices().iter().flat_map(|device| [(device, 32), (device, 16)]) {
        case.settings.float_bits = float_bits;
        let mut backend = case.backend(device).unwrap();
        for (step, images) in order.chunks(8).cycle().take(9).enumerate() {
            // Another choice of both rows in each step; `none` in some.
            let chosen = [step % 6, 6 + (5 * step + 2) % 6];
            let numbers: Vec<f32> =
                (0..12).map(|number| if chosen.contains(&number) { 0.0 } else { -1e4 }).collect();
            backend.set_parameters(place.start, &numbers).unwrap();
            let mut fresh = case.backend(device).unwrap();
            fresh.set_state(&backend.state().unwrap()).unwrap();
            let found = [&mut backend, &mut fresh].map(|backend| {
                let losses = backend.train(&case.pass(images, step as u32, 0)).unwrap();
                (losses, backend.gradients().unwrap(), backend.state().unwrap())
            });
            assert!(found[0] == found[1], "{}, {float_bits} bits, step {step}", device.name());
        }
    }
}

type Built = Result<ValueId, Error>;
type Build = fn(&mut Graph, ValueId) -> Built;

/// Networks in which something is there in other steps than what reads or writes it.
const UNSERVED: [(&str, Build); 8] = [
    ("read without a weight", |graph, image| {
        let (convs, sum) = of_two(graph, image);
        graph.sum("both", &[sum, convs[0]])
    }),
    ("read with the other's weight", |graph, image| {
        let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot)?;
        let terms = [0, 1].map(|choice| {
            let name = format!("conv.{choice}");
            let conv = |graph: &mut Graph| Ok(relu_conv_norm(graph, &name, image, 4, 1, 1));
            let value = graph.serving(&name, (mixture, 0, choice), conv).unwrap();
            Term { value, drop: false, weight: Some((mixture, 0, 1 - choice)) }
        });
        let concat = graph.concat(1, graph.shape(terms[0].value));
        graph.weighted_sum("sum", &terms, concat, 0)
    }),
    ("normalised outside", |graph, image| {
        let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot)?;
        let conv = ConvSpec::square(4, 1);
        let raw = graph.serving("conv", (mixture, 0, 0), |graph| graph.conv("conv", image, conv))?;
        graph.batch_norm("norm", raw)
    }),
    ("normalised inside", |graph, image| {
        let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot)?;
        let raw = graph.conv("conv", image, ConvSpec::square(4, 1))?;
        graph.serving("norm", (mixture, 0, 0), |graph| graph.batch_norm("norm", raw))
    }),
    ("written into a concatenation", |graph, image| {
        let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot)?;
        let concat = graph.concat(1, graph.shape(image));
        graph.serving("sum", (mixture, 0, 0), |graph| graph.node_sum("sum", &[(image, false)], concat, 0))?;
        graph.concat_value(concat)
    }),
    ("weighed inside", |graph, image| {
        let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot)?;
        let other = graph.mixture("beta", 1, 1)?;
        let made = graph.serving("sum", (mixture, 0, 0), |graph| {
            let concat = graph.concat(1, graph.shape(image));
            let term = Term { value: image, drop: false, weight: Some((other, 0, 0)) };
            graph.weighted_sum("sum", &[term], concat, 0)
        })?;
        let concat = graph.concat(1, graph.shape(image));
        let term = Term { value: made, drop: false, weight: Some((mixture, 0, 0)) };
        graph.weighted_sum("outer", &[term], concat, 0)
    }),
    ("a mixture inside", |graph, image| {
        let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot)?;
        graph.serving("beta", (mixture, 0, 0), |graph| graph.mixture("beta", 1, 1)).map(|_| image)
    }),
    ("a head inside", |graph, image| {
        let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot)?;
        graph.serving("head", (mixture, 0, 0), |graph| {
            let pooled = graph.global_average(image);
            let logits = graph.linear("logits", pooled, CLASSES, false)?;
            graph.head(logits, 1.0).map(|()| image)
        })
    }),
];

#[test]
fn what_serves_a_choice_is_read_by_that_choice_alone() {
    for (name, build) in UNSERVED {
        let mut refused = None;
        let case = Case::new(name, Shape::new(3, 6, 6), 8, 20, |graph, image| {
            build(graph, image).unwrap_or_else(|error| {
                refused = Some(error);
                image
            })
        });
        let images = std::slice::from_ref(&case.images);
        let check = || Trainer::new(&devices()[0], &case.graph, &case.settings, images).err();
        let error = refused.or_else(check).unwrap_or_else(|| panic!("{name} is not refused"));
        assert!(error.to_string().contains("Graph::serving"), "{name}: {error}");
    }
    let (mut graph, image) = Graph::new(Shape::new(3, 6, 6), 4);
    let mixture = graph.drawn_mixture("alpha", 1, 2, Draw::OneHot).unwrap();
    let inner = |graph: &mut Graph| graph.serving("inner", (mixture, 0, 1), |_| Ok(image));
    let error = graph.serving("outer", (mixture, 0, 0), inner).unwrap_err().to_string();
    assert!(error.contains("inner"), "{error}");
    let error = graph.serving("missing", (mixture, 0, 2), |_| Ok(image)).unwrap_err().to_string();
    assert!(error.contains("weight 2"), "{error}");
    assert!(graph.serving("there", (mixture, 0, 1), |_| Ok(image)).is_ok(), "errors leave nothing behind");
}
