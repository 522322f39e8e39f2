//! The part of ONNX's Protocol Buffers messages that is written here, with the numbers of their fields as the format's own
//! definition (`onnx.proto`, version 8 of the intermediate representation) has them.

/// A file.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Model {
    #[prost(int64, tag = "1")]
    pub(crate) ir_version: i64,
    #[prost(string, tag = "2")]
    pub(crate) producer_name: String,
    #[prost(string, tag = "3")]
    pub(crate) producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<GraphMessage>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub(crate) metadata_props: Vec<Entry>,
}

/// Which version of which operators a file uses.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OperatorSet {
    /// Empty for ONNX's own.
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
}

/// A text under a key.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// A network.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GraphMessage {
    /// In an order in which every value is made before it is read.
    #[prost(message, repeated, tag = "1")]
    pub(crate) node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializer: Vec<Constant>,
    #[prost(string, tag = "10")]
    pub(crate) doc_string: String,
    #[prost(message, repeated, tag = "11")]
    pub(crate) input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) output: Vec<ValueInfo>,
}

/// One operator applied to values, which are known by their names.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) attribute: Vec<Attribute>,
}

/// What of an operator is no value. Exactly one of the optional fields or lists is there, which `kind` names.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(float, optional, tag = "2")]
    pub(crate) f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) i: Option<i64>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(crate) ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    pub(crate) kind: i32,
}

/// Numbers that a file holds: weights, and what operators take as values.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Constant {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(crate) data_type: i32,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    /// In row-major order, little-endian.
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) raw_data: Vec<u8>,
}

/// What a network reads or gives.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) r#type: Option<Type>,
}

/// The type of a value; here always a tensor's.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Type {
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor_type: Option<TensorType>,
}

/// Of what, and of which shape.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorType {
    #[prost(int32, tag = "1")]
    pub(crate) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShape>,
}

/// A shape, some of whose sides may be left open.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    pub(crate) dim: Vec<Dimension>,
}

/// A side: a number, or the name of one that is known when the network runs.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(crate) dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(crate) dim_param: Option<String>,
}

/// Types of elements.
pub(crate) const FLOAT: i32 = 1;
pub(crate) const UINT8: i32 = 2;
pub(crate) const INT64: i32 = 7;

/// Kinds of attributes.
const KIND_FLOAT: i32 = 1;
const KIND_INT: i32 = 2;
const KIND_INTS: i32 = 7;

impl Attribute {
    pub(crate) fn float(name: &str, value: f32) -> Self {
        Self { name: name.to_owned(), f: Some(value), kind: KIND_FLOAT, ..Self::default() }
    }

    pub(crate) fn int(name: &str, value: usize) -> Self {
        Self { name: name.to_owned(), i: Some(value as i64), kind: KIND_INT, ..Self::default() }
    }

    pub(crate) fn ints(name: &str, values: &[usize]) -> Self {
        let ints = values.iter().map(|&value| value as i64).collect();
        Self { name: name.to_owned(), ints, kind: KIND_INTS, ..Self::default() }
    }
}

impl Node {
    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// A whole number; 0 where it has none of this name.
    pub(crate) fn int(&self, name: &str) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.i).unwrap_or_default()
    }

    /// Whole numbers; none where it has none of this name.
    pub(crate) fn ints(&self, name: &str) -> Vec<i64> {
        self.attribute(name).map(|attribute| attribute.ints.clone()).unwrap_or_default()
    }

    /// A number; 0 where it has none of this name.
    pub(crate) fn float(&self, name: &str) -> f32 {
        self.attribute(name).and_then(|attribute| attribute.f).unwrap_or_default()
    }
}

impl Constant {
    /// The numbers of a list of whole ones.
    pub(crate) fn integers(&self) -> Vec<i64> {
        let bytes = self.raw_data.as_chunks().0;
        bytes.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
    }

    /// The first number.
    pub(crate) fn first_float(&self) -> Option<f32> {
        self.raw_data.first_chunk().map(|bytes| f32::from_le_bytes(*bytes))
    }

    pub(crate) fn floats(name: &str, dims: &[usize], values: &[f32]) -> Self {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { raw_data, ..Self::of(name, dims, FLOAT) }
    }

    pub(crate) fn ints(name: &str, values: &[i64]) -> Self {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { raw_data, ..Self::of(name, &[values.len()], INT64) }
    }

    fn of(name: &str, dims: &[usize], data_type: i32) -> Self {
        let dims = dims.iter().map(|&side| side as i64).collect();
        Self { dims, data_type, name: name.to_owned(), raw_data: Vec::new() }
    }
}

impl ValueInfo {
    /// A tensor with a first side, the batch, that is left open.
    pub(crate) fn batch_of(name: &str, elem_type: i32, sides: &[usize]) -> Self {
        let batch = Dimension { dim_value: None, dim_param: Some("batch".to_owned()) };
        let side = |&side: &usize| Dimension { dim_value: Some(side as i64), dim_param: None };
        let dim = std::iter::once(batch).chain(sides.iter().map(side)).collect();
        let tensor_type = Some(TensorType { elem_type, shape: Some(TensorShape { dim }) });
        Self { name: name.to_owned(), r#type: Some(Type { tensor_type }) }
    }
}
