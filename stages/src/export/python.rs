//! A network of the DARTS space as a Python module that builds it in PyTorch and reads its weights: the text beside this file, with what was
//! exported in the place of its example.

use crate::data::{Dataset, evaluation_side};
use crate::genotype::{Cell, Genotype};
use crate::{Budget, Error};

const MODULE: &str = include_str!("network.py");
/// What every module does to images.
const PREPARE: &str = include_str!("prepare.py");
/// Lines that the example stands between.
const BEGIN: &str = "# <<< what was exported\n";
const END: &str = "# >>>\n";

/// The module of a network.
///
/// # Errors
/// When a name of a class cannot be written.
pub(super) fn module(genotype: &Genotype, budget: &Budget, data: &Dataset) -> Result<String, Error> {
    let Budget { layers, channels, .. } = budget;
    let constants = format!(
        "# Operations and inputs of the nodes of each cell. Inputs 0 and 1 are the outputs of the two cells before, 2 is the first \
         node.\nNORMAL = {}\nREDUCE = {}\nLAYERS = {layers}\nCHANNELS = {channels}\n{}",
        cell(&genotype.normal),
        cell(&genotype.reduce),
        about_images(budget, data)?,
    );
    Ok(with_example_replaced(MODULE, &constants))
}

/// What a module says of the images that its network reads.
///
/// # Errors
/// When a name of a class cannot be written.
pub(super) fn about_images(budget: &Budget, data: &Dataset) -> Result<String, Error> {
    let size = budget.image_size;
    let shorter = data.streamed.as_ref().map(|_| evaluation_side(size as usize).to_string());
    Ok(format!(
        "IMAGE_SIZE = {size}\n# Pixels that the shorter side is resized to, of which the middle is taken; none where the whole image \
         is resized.\nSHORTER_SIDE = {}\nCHANNELS_IN = {}\nCLASS_NAMES = {}\n# Of each channel of the training images, on the scale \
         from 0 to 1.\nMEAN = {:?}\nSTD = {:?}\n",
        shorter.as_deref().unwrap_or("None"),
        data.channels,
        super::json(&data.classes)?,
        data.mean,
        data.std,
    ))
}

/// A module with something in the place of its example, and behind it what it does to images.
pub(super) fn with_example_replaced(module: &str, text: &str) -> String {
    let (before, rest) = module.split_once(BEGIN).unwrap_or(("", module));
    let [prepare, after] =
        [PREPARE, rest].map(|part| part.split_once(END).map_or(part, |(_, behind)| behind));
    [before, text, prepare, after].concat()
}

/// A list of nodes, one a line.
fn cell(cell: &Cell) -> String {
    let mut text = String::from("[\n");
    for edges in &cell.nodes {
        let pairs: Vec<String> =
            edges.iter().map(|edge| format!("(\"{}\", {})", edge.operation, edge.input)).collect();
        text.extend(["    [", &pairs.join(", "), "],\n"]);
    }
    text.push(']');
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::data::{Limits, Source};

    #[test]
    fn the_example_is_replaced_and_the_rest_stays() {
        let data = "embedded".parse::<Source>().unwrap().load(Limits::default()).unwrap();
        let text = module(&"DARTS_V2".parse().unwrap(), &"BPE-1".parse().unwrap(), &data).unwrap();
        assert!(text.contains("    [(\"sep_conv_3x3\", 0), (\"sep_conv_3x3\", 1)],\n"), "{text}");
        assert!(text.contains("\nLAYERS = 6\nCHANNELS = 8\nIMAGE_SIZE = 16\n"), "{text}");
        assert_eq!(text.matches("\nLAYERS = ").count(), 1);
        assert!(
            !text.contains(BEGIN) && text.starts_with("\"\"\"") && text.contains("class Network(nn.Module):")
        );
        let [_, after] = MODULE.split(END).collect::<Vec<_>>()[..] else { panic!("one end") };
        assert!(text.ends_with(after));
    }
}
