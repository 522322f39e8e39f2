//! Parameters that the loss does not depend on stay as they are, without weight decay, like those without a gradient in
//! other frameworks; statistics of what is computed anyway go on.

use super::case::Case;
use super::cells::{CellOperation, edge, relu_conv_norm, stem};
use crate::backend::Backend;
use crate::ops;
use crate::program::{Mode, ParamId};
use crate::reference::Rounding;
use crate::{DeviceChoice, Shape, Term, device::Device};

/// Names of the dead branch begin with `dead`; one of its nodes reads a living value, and it lies in a concatenation of which
/// a living node reads another part.
fn case() -> Case {
    let mut case = Case::new("dead branch", Shape::new(3, 7, 7), 8, 20, |graph, image| {
        let stem = stem(graph, image, 5);
        let concat = graph.concat(3, graph.shape(stem));
        let node = graph.node_sum("node", &[(stem, false)], concat, 0).unwrap();
        let dead = edge(graph, "dead.edge", CellOperation::Separable(3), node, 1);
        let mixture = graph.mixture("dead.mixture", 1, 2).unwrap();
        let terms = [dead.0, stem].into_iter().enumerate();
        let terms =
            terms.map(|(choice, value)| Term { value, drop: true, weight: Some((mixture, 0, choice)) });
        let dead = graph.weighted_sum("dead.node", &terms.collect::<Vec<_>>(), concat, 1).unwrap();
        let dead = edge(graph, "dead.last", CellOperation::Max, dead, 1);
        graph.node_sum("dead.sum", &[dead], concat, 2).unwrap();
        let whole = graph.concat_value(concat).unwrap();
        relu_conv_norm(graph, "dead.conv", whole, 4, 1, 1);
        relu_conv_norm(graph, "conv", node, 6, 1, 1)
    });
    case.drop_path = 0.3;
    case
}

fn stay_as_they_are(backend: &mut dyn Backend) {
    let case = case();
    let (layout, initial) = (case.layout(), case.initial());
    backend.train(&case.pass(&case.order(), 0, 0)).unwrap();
    let state = backend.state().unwrap();
    let gradients = backend.gradients().unwrap();
    let trained = ops::program(&case.graph, Mode::Train, 32).trained;
    for (index, param) in case.graph.tables.params.iter().enumerate() {
        assert_eq!(trained[index], !param.name.starts_with("dead"), "{}", param.name);
        let range = layout.offset(ParamId(index))..layout.offset(ParamId(index)) + param.elements();
        let same = state.parameters[range.clone()] == initial.parameters[range.clone()];
        assert_eq!(same, param.name.starts_with("dead"), "{}", param.name);
        if same {
            assert!(gradients[range].iter().all(|&g| g == 0.0), "{} has a gradient", param.name);
        }
    }
    let means = |name: &str| {
        let norm = case.graph.tables.norms.iter().find(|norm| norm.name == name).unwrap();
        &state.running_mean[norm.offset..][..norm.raw.shape.channels]
    };
    assert!(means("dead.conv.bn").iter().all(|&mean| mean != 0.0));
}

#[test]
fn parameters_of_dead_branches_stay_in_the_reference() {
    stay_as_they_are(&mut case().reference(Rounding::Double));
}

#[test]
fn parameters_of_dead_branches_stay_on_the_cpu() {
    let device = Device::open(DeviceChoice::Cpu { threads: 2 }).unwrap();
    stay_as_they_are(&mut *case().backend(&device).unwrap());
}

#[test]
fn parameters_of_dead_branches_stay_on_the_software_gpu() {
    let device = Device::open(DeviceChoice::Software).unwrap();
    stay_as_they_are(&mut *case().backend(&device).unwrap());
}
