//! Reads ONNX files and computes what they say, in binary64 and textbook loops: of the format and its operators only what
//! exported networks use, written from its definition and not from the code that writes them.

use std::collections::HashMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Model {
    #[prost(int64, tag = "1")]
    pub(crate) ir_version: i64,
    #[prost(message, required, tag = "7")]
    pub(crate) graph: Graph,
    #[prost(message, repeated, tag = "8")]
    pub(crate) opsets: Vec<Opset>,
    #[prost(message, repeated, tag = "14")]
    pub(crate) metadata: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Opset {
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub(crate) nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) constants: Vec<Constant>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) outputs: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) op: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, tag = "2")]
    float: f32,
    #[prost(int64, tag = "3")]
    int: i64,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Constant {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    /// 1 is binary32, 7 an integer of 64 bits.
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw: Vec<u8>,
}

/// Numbers of a shape, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Vec<f64>,
}

impl Array {
    /// One whose numbers are a function of their place.
    fn of(shape: &[usize], number: impl Fn(&[usize]) -> f64) -> Self {
        let mut place = vec![0; shape.len()];
        let count = shape.iter().product();
        let mut numbers = Vec::with_capacity(count);
        for _ in 0..count {
            numbers.push(number(&place));
            for axis in (0..shape.len()).rev() {
                place[axis] += 1;
                if place[axis] < shape[axis] {
                    break;
                }
                place[axis] = 0;
            }
        }
        Self { shape: shape.to_vec(), numbers }
    }

    fn at(&self, place: &[usize]) -> f64 {
        assert_eq!(place.len(), self.shape.len());
        let index = place.iter().zip(&self.shape).fold(0, |index, (&place, &side)| {
            assert!(place < side, "{place} of {side}");
            index * side + place
        });
        self.numbers[index]
    }

    fn map(&self, function: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), numbers: self.numbers.iter().map(|&x| function(x)).collect() }
    }

    /// Two arrays number by number; sides of 1, and those that the second does not have, count for all.
    fn zip(&self, other: &Self, function: impl Fn(f64, f64) -> f64) -> Self {
        let skipped = self.shape.len() - other.shape.len();
        Self::of(&self.shape, |place| {
            let sides = place[skipped..].iter().zip(&other.shape);
            let there: Vec<usize> = sides.map(|(&place, &side)| if side == 1 { 0 } else { place }).collect();
            function(self.at(place), other.at(&there))
        })
    }

    fn whole_numbers(&self) -> Vec<usize> {
        self.numbers.iter().map(|&number| number as usize).collect()
    }
}

impl Constant {
    fn array(&self) -> Array {
        let shape: Vec<usize> = self.dims.iter().map(|&side| side as usize).collect();
        let numbers: Vec<f64> = match self.data_type {
            1 => self.raw.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
            7 => self.raw.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
            other => panic!("{}: type {other}", self.name),
        };
        assert_eq!(numbers.len(), shape.iter().product::<usize>(), "{}", self.name);
        Array { shape, numbers }
    }
}

impl Node {
    fn ints(&self, name: &str) -> Vec<usize> {
        let found = self.attributes.iter().find(|attribute| attribute.name == name).unwrap();
        found.ints.iter().map(|&int| int as usize).collect()
    }

    fn int(&self, name: &str) -> Option<usize> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|found| found.int as usize)
    }

    /// What a window of a map of one channel becomes, for each place of it: `tap` gets the pixels inside, with their place in
    /// the window.
    fn windowed(&self, input: &Array, channels: usize, tap: impl Fn(&[usize], &Window<'_>) -> f64) -> Array {
        let (kernel, strides, pads) = (self.ints("kernel_shape"), self.ints("strides"), self.ints("pads"));
        let dilations = if self.op == "Conv" { self.ints("dilations") } else { vec![1, 1] };
        let side = |axis: usize| {
            let padded = input.shape[2 + axis] + pads[axis] + pads[2 + axis];
            (padded - dilations[axis] * (kernel[axis] - 1) - 1) / strides[axis] + 1
        };
        Array::of(&[input.shape[0], channels, side(0), side(1)], |place| {
            let window =
                Window { input, kernel: &kernel, strides: &strides, pads: &pads, dilations: &dilations };
            tap(place, &window)
        })
    }

    fn run(&self, inputs: &[&Array]) -> Array {
        let first = inputs[0];
        match self.op.as_str() {
            "Conv" => {
                let weight = inputs[1];
                let groups = self.int("group").unwrap();
                let (read, made) = (first.shape[1] / groups, weight.shape[0] / groups);
                assert_eq!(weight.shape[1], read);
                self.windowed(first, weight.shape[0], |place, window| {
                    let group = place[1] / made;
                    let channel = |channel: usize| {
                        let tap = |(x, k): (f64, [usize; 2])| x * weight.at(&[place[1], channel, k[0], k[1]]);
                        window.taps(place, group * read + channel).map(tap).sum::<f64>()
                    };
                    (0..read).map(channel).sum()
                })
            }
            "MaxPool" => self.windowed(first, first.shape[1], |place, window| {
                window.taps(place, place[1]).map(|(x, _)| x).fold(f64::NEG_INFINITY, f64::max)
            }),
            "AveragePool" => {
                assert_eq!(self.int("count_include_pad"), Some(0));
                self.windowed(first, first.shape[1], |place, window| {
                    let taps: Vec<f64> = window.taps(place, place[1]).map(|(x, _)| x).collect();
                    taps.iter().sum::<f64>() / taps.len() as f64
                })
            }
            "GlobalAveragePool" => {
                let [n, c, h, w] = first.shape[..] else { panic!("{:?}", first.shape) };
                let pixels = |place: &[usize]| {
                    (0..h * w).map(|p| first.at(&[place[0], place[1], p / w, p % w])).sum::<f64>()
                };
                Array::of(&[n, c, 1, 1], |place| pixels(place) / (h * w) as f64)
            }
            "BatchNormalization" => {
                let epsilon = self.attributes.iter().find(|attribute| attribute.name == "epsilon").unwrap();
                Array::of(&first.shape, |place| {
                    let [scale, shift, mean, variance] =
                        [1, 2, 3, 4].map(|input| inputs[input].at(&[place[1]]));
                    (first.at(place) - mean) / (variance + f64::from(epsilon.float)).sqrt() * scale + shift
                })
            }
            "Relu" => first.map(|x| x.max(0.0)),
            "Clip" => first.map(|x| x.max(inputs[1].numbers[0]).min(inputs[2].numbers[0])),
            "Sigmoid" => first.map(|x| 1.0 / (1.0 + (-x).exp())),
            "Cast" => first.clone(),
            "Add" => first.zip(inputs[1], |a, b| a + b),
            "Mul" => first.zip(inputs[1], |a, b| a * b),
            "Sum" => inputs[1..].iter().fold(first.clone(), |sum, term| sum.zip(term, |a, b| a + b)),
            "Concat" => {
                let axis = self.int("axis").unwrap();
                let mut shape = first.shape.clone();
                shape[axis] = inputs.iter().map(|part| part.shape[axis]).sum();
                Array::of(&shape, |place| {
                    let mut place = place.to_vec();
                    let part = inputs.iter().find(|part| {
                        let is_inside = place[axis] < part.shape[axis];
                        place[axis] -= if is_inside { 0 } else { part.shape[axis] };
                        is_inside
                    });
                    part.unwrap().at(&place)
                })
            }
            "Slice" => {
                let [start, end, axis] = [1, 2, 3].map(|input| inputs[input].whole_numbers()[0]);
                let mut shape = first.shape.clone();
                assert!(end <= shape[axis]);
                shape[axis] = end - start;
                Array::of(&shape, |place| {
                    let mut place = place.to_vec();
                    place[axis] += start;
                    first.at(&place)
                })
            }
            "Flatten" => {
                let shape = vec![first.shape[0], first.shape[1..].iter().product()];
                Array { shape, numbers: first.numbers.clone() }
            }
            "Unsqueeze" => {
                assert_eq!(inputs[1].numbers, [2.0, 3.0]);
                Array { shape: [&first.shape[..], &[1, 1]].concat(), numbers: first.numbers.clone() }
            }
            "Reshape" => {
                let mut shape = inputs[1].whole_numbers();
                shape[0] = if shape[0] == 0 { first.shape[0] } else { shape[0] };
                assert_eq!(shape.iter().product::<usize>(), first.numbers.len());
                Array { shape, numbers: first.numbers.clone() }
            }
            "Transpose" => {
                let order = self.ints("perm");
                let shape: Vec<usize> = order.iter().map(|&axis| first.shape[axis]).collect();
                Array::of(&shape, |place| {
                    let mut there = vec![0; place.len()];
                    order.iter().zip(place).for_each(|(&axis, &place)| there[axis] = place);
                    first.at(&there)
                })
            }
            "Gemm" => {
                assert_eq!(self.int("transB"), Some(1));
                let (weight, bias) = (inputs[1], inputs[2]);
                Array::of(&[first.shape[0], weight.shape[0]], |place| {
                    let term = |k: usize| first.at(&[place[0], k]) * weight.at(&[place[1], k]);
                    bias.at(&place[1..]) + (0..first.shape[1]).map(term).sum::<f64>()
                })
            }
            "MatMul" => matrix_product(first, inputs[1]),
            "Shape" => {
                assert_eq!((self.int("start"), self.int("end")), (Some(0), Some(1)));
                Array { shape: vec![1], numbers: vec![first.shape[0] as f64] }
            }
            "ConstantOfShape" => Array::of(&first.whole_numbers(), |_| 0.0),
            other => panic!("{}: no operator {other} is known here", self.name),
        }
    }
}

/// A product of matrices, of which one is the same for all images and channels.
fn matrix_product(left: &Array, right: &Array) -> Array {
    let (row, column) = (left.shape.len() - 2, right.shape.len() - 2);
    let mut shape = if row > column { left.shape.clone() } else { right.shape.clone() };
    let axes = shape.len();
    shape[axes - 2] = left.shape[row];
    shape[axes - 1] = right.shape[column + 1];
    Array::of(&shape, |place| {
        let at = |array: &Array, last: [usize; 2]| {
            let outer = &place[..array.shape.len() - 2];
            array.at(&[outer, &last].concat())
        };
        let term = |k: usize| at(left, [place[axes - 2], k]) * at(right, [k, place[axes - 1]]);
        (0..right.shape[column]).map(term).sum()
    })
}

struct Window<'a> {
    input: &'a Array,
    kernel: &'a [usize],
    strides: &'a [usize],
    pads: &'a [usize],
    dilations: &'a [usize],
}

impl Window<'_> {
    /// The pixels of a channel inside the image, with their places in the window.
    fn taps(&self, place: &[usize], channel: usize) -> impl Iterator<Item = (f64, [usize; 2])> {
        let of_axis = |axis: usize, tap: usize| {
            let padded = place[2 + axis] * self.strides[axis] + tap * self.dilations[axis];
            padded.checked_sub(self.pads[axis]).filter(|&pixel| pixel < self.input.shape[2 + axis])
        };
        let places = (0..self.kernel[0]).flat_map(|row| (0..self.kernel[1]).map(move |column| [row, column]));
        places.filter_map(move |[row, column]| {
            let (y, x) = (of_axis(0, row)?, of_axis(1, column)?);
            Some((self.input.at(&[place[0], channel, y, x]), [row, column]))
        })
    }
}

/// Reads a file.
pub(crate) fn read(bytes: &[u8]) -> Model {
    Model::decode(bytes).unwrap()
}

impl Model {
    /// What the network gives for its input.
    pub(crate) fn run(&self, images: Array) -> Array {
        let constants =
            self.graph.constants.iter().map(|constant| (constant.name.as_str(), constant.array()));
        let mut values: HashMap<&str, Array> = constants.collect();
        assert_eq!(values.len(), self.graph.constants.len(), "two constants have one name");
        values.insert("images", images);
        for node in &self.graph.nodes {
            let inputs: Vec<&Array> = node.inputs.iter().map(|name| &values[name.as_str()]).collect();
            let made = node.run(&inputs);
            let [output] = node.outputs.as_slice() else { panic!("{}", node.name) };
            assert!(values.insert(output, made).is_none(), "{output} is written twice");
        }
        values.remove("logits").unwrap()
    }
}
