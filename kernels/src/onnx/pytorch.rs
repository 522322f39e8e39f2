//! The nodes of an ONNX file as PyTorch code: a line for each, so that a network of any architecture is a module that can be read,
//! and trained on.

use std::collections::HashMap;

use super::messages::{Constant, FLOAT, Node};
use super::writer::{Built, Writer, unwritten};
use crate::error::Error;

/// A network as lines of Python (PyTorch 2), which read `images` and the tensors `p[...]` by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PytorchCode {
    /// Names and shapes of the parameters that it reads.
    pub parameters: Vec<(String, Vec<usize>)>,
    /// Those of running statistics.
    pub statistics: Vec<(String, Vec<usize>)>,
    /// What computes `logits`. `training` says whether normalisations take the statistics of the batch.
    pub lines: Vec<String>,
}

/// What the running statistics of a normalisation are called.
const STATISTICS: [&str; 2] = [".running_mean", ".running_var"];

impl Writer<'_> {
    /// The network as PyTorch code, without what images are prepared by.
    ///
    /// # Errors
    /// When the network reads or gives nothing.
    pub(crate) fn pytorch(self) -> Result<PytorchCode, Error> {
        let built = self.build()?;
        let mut code = PytorchCode::default();
        for constant in built.constants.iter().filter(|constant| built.weights.contains_key(&constant.name)) {
            let shape = constant.dims.iter().map(|&side| side as usize).collect();
            let is_statistic = STATISTICS.iter().any(|suffix| constant.name.ends_with(suffix));
            let list = if is_statistic { &mut code.statistics } else { &mut code.parameters };
            list.push((constant.name.clone(), shape));
        }
        let mut lines = Lines::new(&built);
        for (place, node) in built.nodes.iter().enumerate() {
            lines.add(place, node)?;
        }
        code.lines = lines.code;
        Ok(code)
    }
}

/// Lines that are being written.
struct Lines<'a> {
    built: &'a Built<'a>,
    constants: HashMap<&'a str, &'a Constant>,
    /// The last node that reads each value.
    last: HashMap<&'a str, usize>,
    /// What values are called in the code, and lists of whole numbers as texts.
    names: HashMap<&'a str, String>,
    lists: HashMap<&'a str, Vec<String>>,
    /// Names that were given out, and that nothing needs any more: maps are large.
    count: usize,
    free: Vec<String>,
    code: Vec<String>,
}

impl<'a> Lines<'a> {
    fn new(built: &'a Built<'a>) -> Self {
        let mut last = HashMap::new();
        for (place, node) in built.nodes.iter().enumerate() {
            last.extend(node.input.iter().map(|input| (input.as_str(), place)));
        }
        let names = HashMap::from([(built.input, built.input.to_owned())]);
        let constants = built.constants.iter().map(|constant| (constant.name.as_str(), constant)).collect();
        let (lists, count, free, code) = (HashMap::new(), 0, Vec::new(), Vec::new());
        Self { built, constants, last, names, lists, count, free, code }
    }

    /// Adds what a node does.
    fn add(&mut self, place: usize, node: &'a Node) -> Result<(), Error> {
        let output = node.output[0].as_str();
        if let Some(list) = self.as_list(node) {
            self.lists.insert(output, list);
            return Ok(());
        }
        let value = self.expression(node)?;
        // A name whose value is read here for the last time is free for what is made of it.
        for input in &node.input {
            if self.last.get(input.as_str()) == Some(&place)
                && input != self.built.input
                && let Some(name) = self.names.remove(input.as_str())
            {
                self.free.push(name);
            }
        }
        let name = if output == self.built.output {
            output.to_owned()
        } else {
            self.free.pop().unwrap_or_else(|| {
                self.count += 1;
                format!("x{}", self.count)
            })
        };
        self.code.push(format!("{name} = {value}"));
        self.names.insert(output, name);
        Ok(())
    }

    /// The whole numbers that a node gives, where it gives such.
    fn as_list(&self, node: &Node) -> Option<Vec<String>> {
        match node.op_type.as_str() {
            "Shape" => Some(vec![format!("len({})", self.built.input)]),
            "Concat" => node
                .input
                .iter()
                .map(|input| self.list(input))
                .collect::<Option<Vec<_>>>()
                .map(|l| l.concat()),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Option<Vec<String>> {
        let numbers = || self.constants.get(name).filter(|constant| constant.data_type != FLOAT);
        let texts = |constant: &&Constant| constant.integers().iter().map(ToString::to_string).collect();
        self.lists.get(name).cloned().or_else(|| numbers().map(texts))
    }

    /// Whole numbers that are known now.
    fn numbers(&self, name: &str) -> Vec<i64> {
        self.constants.get(name).map(|constant| constant.integers()).unwrap_or_default()
    }

    /// A single number.
    fn number(&self, name: &str) -> f32 {
        self.constants.get(name).and_then(|constant| constant.first_float()).unwrap_or_default()
    }

    /// What a value is called; `None` in Python where it is a scale or shift that is fixed.
    fn value(&self, name: &str) -> String {
        if self.built.weights.contains_key(name) {
            return format!("p[\"{name}\"]");
        }
        self.names.get(name).cloned().unwrap_or_else(|| "None".to_owned())
    }

    fn expression(&self, node: &Node) -> Result<String, Error> {
        let value = |place: usize| node.input.get(place).map(|name| self.value(name)).unwrap_or_default();
        let all =
            |between: &str| node.input.iter().map(|name| self.value(name)).collect::<Vec<_>>().join(between);
        let first = value(0);
        Ok(match node.op_type.as_str() {
            "Conv" => convolution(node, &first, &value(1)),
            "BatchNormalization" => format!(
                "F.batch_norm({first}, {}, {}, {}, {}, training, 0.1, {:?})",
                value(3),
                value(4),
                value(1),
                value(2),
                node.float("epsilon")
            ),
            "Gemm" => format!("F.linear({first}, {}, {})", value(1), value(2)),
            "MaxPool" => format!("F.max_pool2d({first}, {})", windows(node)),
            "AveragePool" => format!("F.avg_pool2d({first}, {}, count_include_pad=False)", windows(node)),
            "GlobalAveragePool" => format!("{first}.mean((2, 3), keepdim=True)"),
            "Relu" => format!("torch.relu({first})"),
            "Sigmoid" => format!("torch.sigmoid({first})"),
            "Clip" => {
                format!("{first}.clamp({:?}, {:?})", self.number(&node.input[1]), self.number(&node.input[2]))
            }
            "Add" | "Sum" => all(" + "),
            "Mul" => all(" * "),
            "Concat" => format!("torch.cat(({}), {})", all(", "), node.int("axis")),
            "Flatten" => format!("{first}.flatten({})", node.int("axis")),
            "Unsqueeze" => format!("{first}[:, :, None, None]"),
            "Slice" => {
                let [start, end, axis] =
                    [1, 2, 3].map(|place| self.numbers(&node.input[place]).first().copied().unwrap_or(0));
                format!("{first}[{}{start}:{end}]", ":, ".repeat(axis as usize))
            }
            "Reshape" => {
                let side = |side: &i64| if *side == 0 { format!("len({first})") } else { side.to_string() };
                let sides: Vec<String> = self.numbers(&node.input[1]).iter().map(side).collect();
                format!("{first}.reshape({})", sides.join(", "))
            }
            "Transpose" => format!("{first}.permute({})", joined(&node.ints("perm"))),
            "ConstantOfShape" => {
                let sides = self.list(&node.input[0]).unwrap_or_default();
                format!("{}.new_zeros({})", self.built.input, sides.join(", "))
            }
            other => return Err(unwritten("network", other, "there is no PyTorch code for it")),
        })
    }
}

fn joined(numbers: &[i64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One number for both sides where they are the same.
fn sides(numbers: &[i64]) -> String {
    match numbers {
        [height, width] if height == width => height.to_string(),
        _ => format!("({})", joined(numbers)),
    }
}

fn convolution(node: &Node, input: &str, weight: &str) -> String {
    let pads = node.ints("pads");
    let (mut input, mut padding) = (input.to_owned(), pads[..2].to_vec());
    if pads[..2] != pads[2..] {
        let [top, left, bottom, right] = [pads[0], pads[1], pads[2], pads[3]];
        input = format!("F.pad({input}, ({left}, {right}, {top}, {bottom}))");
        padding = vec![0, 0];
    }
    let mut text = format!("F.conv2d({input}, {weight}");
    let groups = node.int("group");
    let others = [
        ("stride", node.ints("strides"), 1),
        ("padding", padding, 0),
        ("dilation", node.ints("dilations"), 1),
        ("groups", vec![groups, groups], 1),
    ];
    for (name, numbers, usual) in others {
        if numbers.iter().any(|&number| number != usual) {
            text.extend([", ", name, "=", &sides(&numbers)]);
        }
    }
    text + ")"
}

fn windows(node: &Node) -> String {
    let pads = node.ints("pads");
    format!("{}, {}, {}", sides(&node.ints("kernel_shape")), sides(&node.ints("strides")), sides(&pads[..2]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{ConvSpec, Graph, PoolKind, PoolSpec, Shape};

    #[test]
    fn a_line_for_each_operation_and_names_of_maps_used_again() {
        let (mut graph, image) = Graph::new(Shape::new(3, 8, 8), 2);
        let spec = ConvSpec { stride: 2, padding: [1, 1], ..ConvSpec::square(4, 3) };
        let value = graph.conv("stem.0", image, spec).unwrap();
        let value = graph.batch_norm("stem.1", value).unwrap();
        let pool = PoolSpec { kind: PoolKind::Max, kernel: 3, stride: 1, padding: 1 };
        let value = graph.pool_with("pool", value, pool).unwrap();
        let value = graph.global_average(value);
        let logits = graph.linear("linear", value, 2, false).unwrap();
        graph.head(logits, 1.0).unwrap();
        let code = graph.pytorch().unwrap();
        let expected = [
            "x1 = F.conv2d(images, p[\"stem.0.weight\"], stride=2, padding=1)",
            "x1 = F.batch_norm(x1, p[\"stem.1.running_mean\"], p[\"stem.1.running_var\"], p[\"stem.1.weight\"], \
             p[\"stem.1.bias\"], training, 0.1, 1e-5)",
            "x1 = F.max_pool2d(x1, 3, 1, 1)",
            "x1 = x1.mean((2, 3), keepdim=True)",
            "x1 = x1.flatten(1)",
            "logits = F.linear(x1, p[\"linear.weight\"], p[\"linear.bias\"])",
        ];
        assert_eq!(code.lines, expected);
        assert!(code.parameters.contains(&("stem.0.weight".to_owned(), vec![4, 3, 3, 3])));
        assert_eq!(code.statistics.len(), 2);
    }
}
