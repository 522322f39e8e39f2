//! Tensors in safetensors files, under the names of the reference PyTorch network's `state_dict`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::error::Error;
use crate::file;

/// Tensors by name: shape, and values in row-major order.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// What to do with any other.
const NO_TENSORS: &str = "; give one that `train --save` or safetensors.torch.save_file wrote";

/// Weights and running statistics of a network, apart from any training ([`Graph::weights`](crate::Graph::weights)).
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(pub(crate) Tensors);

impl Weights {
    /// The bytes of a safetensors file with them.
    ///
    /// # Errors
    /// When there are more than such a file can hold.
    pub fn safetensors(&self) -> Result<Vec<u8>, Error> {
        serialized(&self.0).map_err(|problem| Error::TensorFile { path: "weights".to_owned(), problem })
    }
}

/// What PyTorch puts into the names of a network that it wrapped, and who does.
const WRAPPERS: [(&str, &str); 2] = [("module", "DataParallel"), ("_orig_mod", "torch.compile")];

/// A counter of PyTorch's that no computation here reads.
const COUNTER: &str = ".num_batches_tracked";

/// What to do with a file that `torch.save` wrote.
const PICKLED: &str =
    "; it was written by torch.save: write it with safetensors.torch.save_file(network.state_dict(), …)";

/// The bytes of a file of tensors.
fn serialized(tensors: &Tensors) -> Result<Vec<u8>, String> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, data)| {
            TensorView::new(Dtype::F32, (*shape).clone(), data).map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

/// Writes tensors as a file, whole or not at all.
pub(crate) fn save(path: &Path, tensors: &Tensors) -> Result<(), Error> {
    let problem = |problem: String| Error::TensorFile { path: path.display().to_string(), problem };
    file::write(path, &serialized(tensors).map_err(problem)?)
        .map_err(|source| Error::Unwritten { path: path.display().to_string(), source: source.into() })
}

/// Reads a file that holds the tensors of `expected`, by name and shape, and no others. Also gives what a person should
/// know of how it was read.
///
/// `former` gives the name that a tensor has now for one that an earlier version wrote. Of the tensors that may be missing the file
/// holds all or none; then they are as expected.
pub(crate) fn load(
    path: &Path,
    expected: &Tensors,
    former: &dyn Fn(&str) -> String,
    may_be_missing: &dyn Fn(&str) -> bool,
) -> Result<(Tensors, Vec<String>), Error> {
    let problem = |problem: String| Error::TensorFile { path: path.display().to_string(), problem };
    let bytes = std::fs::read(path)
        .map_err(|error| problem(format!("cannot be read: {error}; give a safetensors file")))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| {
        let is_pickled = bytes.starts_with(b"PK") || bytes.starts_with(&[0x80, 0x02]);
        let advice = if is_pickled { PICKLED } else { NO_TENSORS };
        problem(format!("is not a safetensors file: {error}{advice}"))
    })?;
    let mut others = expected.keys().filter(|name| may_be_missing(name)).peekable();
    let holds = |other: &String| file.names().iter().any(|name| name.ends_with(other.as_str()));
    let lacks_others = others.peek().is_some() && !others.any(holds);
    let (expected, mut tensors) = if lacks_others {
        let (others, needed) = expected.clone().into_iter().partition(|(name, _)| may_be_missing(name));
        (Cow::Owned(needed), others)
    } else {
        (Cow::Borrowed(expected), Tensors::new())
    };
    let expected = &*expected;
    let (names, mut notes) = names(file.names(), expected, former).map_err(problem)?;
    if lacks_others {
        notes.push("the auxiliary head is not in it; evaluation needs none".to_owned());
    }
    let mut widened = 0;
    for (name, (shape, _)) in expected {
        let view = names.get(name).and_then(|name| file.tensor(name).ok());
        let view = view.ok_or_else(|| {
            let others = expected.keys().filter(|other| *other > name && !names.contains_key(*other));
            problem(missing(name, others.count()))
        })?;
        if view.shape() != shape.as_slice() {
            let found = view.shape();
            return Err(problem(format!(
                "tensor `{name}` is of shape {found:?}, expected {shape:?}; check the genotype, the budget and the \
                 data"
            )));
        }
        let values = values(&view).ok_or_else(|| {
            problem(format!("tensor `{name}` is {:?}, expected F32; save `tensor.float()`", view.dtype()))
        })?;
        widened += usize::from(view.dtype() != Dtype::F32);
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let value = values[place];
            return Err(problem(format!(
                "tensor `{name}` holds {value} (element {place}); a training that starts there stays there"
            )));
        }
        tensors.insert(name.clone(), (shape.clone(), values));
    }
    if widened > 0 {
        notes.push(format!("{widened} of {} tensors are of 16 bits, and were widened to 32", tensors.len()));
    }
    Ok((tensors, notes))
}

/// For each expected name that of the file, and what was done to find it; or the first name that does not fit.
fn names<'a>(
    found: Vec<&'a str>,
    expected: &Tensors,
    former: &dyn Fn(&str) -> String,
) -> Result<(BTreeMap<String, &'a str>, Vec<String>), String> {
    let mut notes = Vec::new();
    let mut names = BTreeMap::new();
    let mut wrappers = BTreeSet::new();
    for original in found.into_iter().filter(|name| !name.ends_with(COUNTER)) {
        let is_wrapper = |part: &&str| WRAPPERS.iter().position(|(known, _)| known == part);
        let (taken, kept): (Vec<&str>, Vec<&str>) =
            original.split('.').partition(|part| is_wrapper(part).is_some());
        wrappers.extend(taken.iter().filter_map(is_wrapper));
        if let Some(other) = names.insert(kept.join("."), original) {
            return Err(format!(
                "tensors `{other}` and `{original}` are one of this network; keep one of them"
            ));
        }
    }
    for (part, who) in wrappers.into_iter().map(|wrapper| WRAPPERS[wrapper]) {
        notes.push(format!("`{part}.`, which {who} puts into names, was taken off"));
    }
    let fits = |names: &BTreeMap<String, &str>| names.keys().eq(expected.keys());
    if !fits(&names) {
        let renamed = names.iter().map(|(name, original)| (former(name), *original)).collect();
        if fits(&renamed) {
            names = renamed;
            notes.push("edges are numbered without `none`, as an earlier version wrote them".to_owned());
        }
    }
    match names.keys().find(|name| !expected.contains_key(*name)) {
        Some(unknown) => Err(unknown_name(unknown, expected)),
        None => Ok((names, notes)),
    }
}

fn unknown_name(name: &str, expected: &Tensors) -> String {
    let within =
        |known: &&String| name.strip_suffix(known.as_str()).is_some_and(|before| before.ends_with('.'));
    match expected.keys().filter(within).max_by_key(|known| known.len()) {
        Some(known) => {
            let prefix = &name[..name.len() - known.len()];
            format!(
                "tensor `{name}` has `{prefix}` before its name; save the state_dict of the network itself"
            )
        }
        None => {
            format!("tensor `{name}` is not one of this network; check the genotype and the budget's layers")
        }
    }
}

/// The first of the names that are missing, and how many more are.
fn missing(name: &str, more: usize) -> String {
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    format!("tensor `{name}` is missing{more}; check the genotype and the budget's layers")
}

/// The values of a tensor of floating-point numbers that fit into 32 bits.
fn values(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let (words, halves) = (view.data().chunks_exact(4), view.data().chunks_exact(2));
    let half = |bytes: &[u8]| [bytes[0], bytes[1]];
    match view.dtype() {
        Dtype::F32 => Some(words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Some(halves.map(|bytes| f16::from_le_bytes(half(bytes)).to_f32()).collect()),
        Dtype::BF16 => Some(halves.map(|bytes| bf16::from_le_bytes(half(bytes)).to_f32()).collect()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn network() -> Tensors {
        let names = ["stem.0.weight", "stem.1.running_var", "cells.0.dag.0.1.0.bn.bias"];
        let tensor = |place: usize| (vec![2, 3], (0..6).map(|n| (n + place) as f32 / 4.0 - 1.0).collect());
        names.iter().enumerate().map(|(place, name)| ((*name).to_owned(), tensor(place))).collect()
    }

    /// A file of `tensors` as `dtype`, with the names that `rename` makes of theirs.
    fn written(tensors: &Tensors, dtype: Dtype, rename: impl Fn(&str) -> String) -> Vec<u8> {
        let bytes = |values: &[f32]| -> Vec<u8> {
            match dtype {
                Dtype::F16 => values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
                Dtype::BF16 => values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect(),
                Dtype::F64 => values.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect(),
                _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            }
        };
        let all: Vec<(String, &[usize], Vec<u8>)> =
            tensors.iter().map(|(name, (shape, values))| (rename(name), &shape[..], bytes(values))).collect();
        let views = all
            .iter()
            .map(|(name, shape, bytes)| (name, TensorView::new(dtype, shape.to_vec(), bytes).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    /// What an earlier version called the edge: it did not count the one before.
    fn former(name: &str) -> String {
        name.replace("dag.0.0.", "dag.0.1.")
    }

    fn is_auxiliary(name: &str) -> bool {
        name.starts_with("aux_head.")
    }

    fn read(bytes: &[u8]) -> Result<(Tensors, Vec<String>), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        std::fs::write(&path, bytes).unwrap();
        load(&path, &network(), &former, &is_auxiliary).map_err(|error| {
            let message = error.to_string();
            assert!(message.starts_with(path.to_str().unwrap()), "{message}");
            message
        })
    }

    #[test]
    fn what_is_written_is_read_and_nothing_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        save(&path, &network()).unwrap();
        let read_again = load(&path, &network(), &former, &is_auxiliary).unwrap();
        assert_eq!(read_again, (network(), Vec::new()));
        let mut counted = network();
        counted.insert("stem.1.num_batches_tracked".to_owned(), (vec![], vec![9.0]));
        assert_eq!(read(&written(&counted, Dtype::F32, str::to_owned)).unwrap(), (network(), Vec::new()));
    }

    #[test]
    fn what_may_be_missing_is_there_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        let mut expected = network();
        for name in ["aux_head.linear.bias", "aux_head.linear.weight"] {
            expected.insert(name.to_owned(), (vec![2], vec![0.5, 0.25]));
        }
        let read = |written: &Tensors| {
            save(&path, written).unwrap();
            load(&path, &expected, &former, &is_auxiliary)
        };
        assert_eq!(read(&expected).unwrap(), (expected.clone(), Vec::new()));
        let (found, notes) = read(&network()).unwrap();
        assert!(found == expected && notes[0].starts_with("the auxiliary head is not in it"), "{notes:?}");
        let mut half = expected.clone();
        half.remove("aux_head.linear.bias");
        assert!(read(&half).unwrap_err().to_string().contains("`aux_head.linear.bias` is missing"));
        half = network();
        half.remove("stem.0.weight");
        assert!(read(&half).unwrap_err().to_string().contains("`stem.0.weight` is missing"));
    }

    #[test]
    fn wrappers_of_pytorch_are_taken_off_and_said() {
        for (prefix, notes) in [
            ("module.", &["`module.`, which DataParallel"][..]),
            ("_orig_mod.", &["`_orig_mod.`, which torch.compile"]),
            ("module._orig_mod.", &["`module.`, which DataParallel", "`_orig_mod.`, which torch.compile"]),
        ] {
            let (tensors, said) =
                read(&written(&network(), Dtype::F32, |name| format!("{prefix}{name}"))).unwrap();
            assert_eq!((tensors, said.len()), (network(), notes.len()), "{prefix}");
            for (said, note) in said.iter().zip(notes) {
                assert!(said.starts_with(note), "{said}");
            }
        }
        // A compiled part of a network.
        let part = |name: &str| name.replace("cells.0.", "cells.0._orig_mod.");
        assert_eq!(read(&written(&network(), Dtype::F32, part)).unwrap().0, network());
        let error = read(&written(&network(), Dtype::F32, |name| format!("ema.model.{name}"))).unwrap_err();
        assert!(
            error.contains("`ema.model.cells.0.dag.0.1.0.bn.bias` has `ema.model.` before its name; save"),
            "{error}"
        );
        let mut twice = network();
        twice.insert("module.stem.0.weight".to_owned(), twice["stem.0.weight"].clone());
        let error = read(&written(&twice, Dtype::F32, str::to_owned)).unwrap_err();
        assert!(error.contains("are one of this network; keep one of them"), "{error}");
    }

    #[test]
    fn tensors_of_16_bits_are_widened_and_of_others_refused() {
        // The values have so few bits that nothing is lost.
        for dtype in [Dtype::F16, Dtype::BF16] {
            let (tensors, notes) = read(&written(&network(), dtype, str::to_owned)).unwrap();
            assert_eq!(tensors, network());
            assert_eq!(notes, ["3 of 3 tensors are of 16 bits, and were widened to 32"]);
        }
        let error = read(&written(&network(), Dtype::F64, str::to_owned)).unwrap_err();
        assert!(error.contains("is F64, expected F32; save `tensor.float()`"), "{error}");
    }

    #[test]
    fn names_of_an_earlier_version_are_known() {
        let old = |name: &str| name.replace("dag.0.1.", "dag.0.0.");
        let (tensors, notes) =
            read(&written(&network(), Dtype::F32, |name| format!("module.{}", old(name)))).unwrap();
        assert_eq!(tensors, network());
        assert!(notes[1].contains("numbered without `none`"), "{notes:?}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let changed = |change: &dyn Fn(&mut Tensors)| {
            let mut tensors = network();
            change(&mut tensors);
            written(&tensors, Dtype::F32, str::to_owned)
        };
        let weight = "stem.0.weight";
        for (bytes, message) in [
            (
                changed(&|all| all.get_mut(weight).unwrap().1[4] = f32::NAN),
                "tensor `stem.0.weight` holds NaN (element 4)",
            ),
            (
                changed(&|all| all.get_mut(weight).unwrap().1[0] = f32::INFINITY),
                "tensor `stem.0.weight` holds inf",
            ),
            (
                changed(&|all| drop(all.remove(weight))),
                "tensor `stem.0.weight` is missing; check the genotype",
            ),
            (
                changed(&|all| drop(all.insert("stem.9.weight".into(), (vec![1], vec![0.0])))),
                "tensor `stem.9.weight` is not one of this network; check the genotype",
            ),
            (
                changed(&|all| all.get_mut(weight).unwrap().0 = vec![3, 2]),
                "tensor `stem.0.weight` is of shape [3, 2], expected [2, 3]; check",
            ),
            (
                b"PK\x03\x04archive/data.pkl".to_vec(),
                "it was written by torch.save: write it with safetensors",
            ),
            (b"noise".to_vec(), "is not a safetensors file"),
            (Vec::new(), "is not a safetensors file"),
        ] {
            let error = read(&bytes).unwrap_err();
            assert!(error.contains(message), "{error}\nshould say: {message}");
        }
        let dir = tempfile::tempdir().unwrap();
        let gone = load(&dir.path().join("gone"), &network(), &former, &is_auxiliary);
        let gone = gone.unwrap_err().to_string();
        assert!(gone.contains("cannot be read"), "{gone}");
        let nowhere = save(&dir.path().join("no/w"), &network()).unwrap_err().to_string();
        assert!(nowhere.starts_with("cannot write ") && nowhere.contains("was not touched"), "{nowhere}");
    }
}
