//! The architectures that papers compare with, and those that Zheng et al. found: where each is from, what was published of
//! it, and, where the program can build it, its parameters and multiply-adds under the recipes of final networks.

use super::Architecture;
use crate::Error;
use crate::network::{Cost, cost_in};
use crate::recipe::FinalRecipe;

/// An architecture of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// The name that papers give it.
    pub title: &'static str,
    /// The name that `--architecture` takes; none where the program cannot build it, and then [`Listed::remark`] says why.
    pub name: Option<&'static str>,
    /// The paper, and where its cells are from.
    pub source: &'static str,
    /// What Table 2 of Zheng et al. says of it on CIFAR-10, or its own paper where that table does not.
    pub cifar: Option<Published>,
    /// What Table 3 says of it on `ImageNet`.
    pub imagenet: Option<Published>,
    /// Why it cannot be built, or why computed parameters are not the published ones.
    pub remark: &'static str,
}

/// Published figures, with the digits that are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Millions of parameters.
    pub parameters: &'static str,
    /// Percent of the test images that are misclassified.
    pub error: &'static str,
    /// Where that is printed.
    pub source: &'static str,
}

/// What an architecture has under a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Computed {
    /// Channels of the first cell's nodes; none of a network that is called by name.
    pub channels: Option<u32>,
    /// Trained parameters, without the auxiliary head.
    pub parameters: u64,
    /// Multiply-adds of one image.
    pub mult_adds: u64,
}

/// The recipes, by name, with the classes of the images that they are for.
pub const RECIPES_OF_TABLES: [(&str, usize); 2] = [("cifar10-full", 10), ("imagenet-mobile", 1000)];

/// Colour channels of the images.
const COLOURS: usize = 3;

impl Listed {
    /// The architecture; none where the program cannot build it.
    ///
    /// # Errors
    /// When its text is no architecture, which a test excludes.
    pub fn architecture(&self) -> Result<Option<Architecture>, Error> {
        self.name.map(|name| Architecture::read(name, None, None)).transpose()
    }

    /// What it has under each of [`RECIPES_OF_TABLES`]; none where it has no form for the recipe's skeleton.
    ///
    /// # Errors
    /// When a recipe cannot be read, which a test excludes.
    pub fn computed(&self) -> Result<[Option<Computed>; 2], Error> {
        let Some(architecture) = self.architecture()? else { return Ok([None; 2]) };
        let under = |(recipe, classes): (&str, usize)| {
            let recipe = FinalRecipe::read(recipe)?;
            let budget = recipe.budget_for(&architecture, COLOURS, classes)?;
            match cost_in(&architecture, &budget, recipe.recipe.skeleton, COLOURS, classes) {
                Ok(Cost { parameters, mult_adds, .. }) => {
                    let channels = architecture.cells().map(|_| budget.channels);
                    Ok(Some(Computed { channels, parameters, mult_adds }))
                }
                Err(_) if matches!(architecture, Architecture::Network(_)) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let [cifar, imagenet] = RECIPES_OF_TABLES;
        Ok([under(cifar)?, under(imagenet)?])
    }
}

impl Published {
    /// Whether a number of parameters is the published one, to the digit that is printed.
    pub fn is(&self, parameters: u64) -> bool {
        let digits = self.parameters.rsplit_once('.').map_or(0, |(_, digits)| digits.len());
        format!("{:.digits$}", parameters as f64 / 1e6) == self.parameters
    }
}

const TABLE_2: &str = "Zheng et al., Table 2";
const TABLE_3: &str = "Zheng et al., Table 3";
const OF_ZHENG: &str = "Zheng et al., CVPR 2020; cells: genotypes.py of the authors' code";

/// Why sizes of the cells that Zheng et al. published are not those that they print.
macro_rules! size_of_zheng {
    () => {
        "The cells in the authors' code are not of the size that the paper prints for 20 cells and 36 channels, and \
         neither names another width."
    };
}

const fn published(parameters: &'static str, error: &'static str, source: &'static str) -> Published {
    Published { parameters, error, source }
}

const fn table_2(parameters: &'static str, error: &'static str) -> Published {
    published(parameters, error, TABLE_2)
}

const fn table_3(parameters: &'static str, error: &'static str) -> Published {
    published(parameters, error, TABLE_3)
}

/// All of them, in the order of the tables.
pub static CATALOGUE: [Listed; 27] = [
    Listed {
        title: "ResNet-18",
        name: Some("ResNet-18"),
        source: "He et al., CVPR 2016; the form for small images",
        cifar: Some(table_2("11.1", "3.53")),
        imagenet: None,
        remark: "The paper leaves out the second digit: 11.17 M.",
    },
    Listed {
        title: "DenseNet",
        name: Some("DenseNet-BC"),
        source: "Huang et al., CVPR 2017; DenseNet-BC of growth 12 in blocks of 6, 12, 24 and 16",
        cifar: Some(table_2("1.0", "4.77")),
        imagenet: None,
        remark: "",
    },
    Listed {
        title: "SENet",
        name: Some("SENet-18"),
        source: "Hu et al., CVPR 2018; SE-ResNet-18, the form for small images",
        cifar: Some(table_2("11.2", "4.05")),
        imagenet: None,
        remark: "The paper leaves out the second digit: 11.26 M.",
    },
    Listed {
        title: "MobileNetV2",
        name: Some("MobileNetV2"),
        source: "Sandler et al., CVPR 2018",
        cifar: None,
        imagenet: Some(table_3("3.4", "28.0")),
        remark: "Published without scales and shifts of the normalisations (34,112), and then cut: 3.47 M.",
    },
    Listed {
        title: "ShuffleNetV2 2x",
        name: Some("ShuffleNetV2"),
        source: "Ma et al., ECCV 2018",
        cifar: None,
        imagenet: Some(table_3("5", "26.3")),
        remark: "The widths of Ma et al., Table 5, with 1000 classes; the paper writes about 5 M, and Ma et al. no \
                 number.",
    },
    Listed {
        title: "NASNet-A",
        name: Some("NASNET_A"),
        source: "Zoph et al., CVPR 2018; cells: genotypes.py of the DARTS code",
        cifar: Some(table_2("3.3", "2.65")),
        imagenet: Some(table_3("5.3", "26.0")),
        remark: "Its authors built another network around the cells, on CIFAR-10 with 32 channels, where this one has \
                 3.07 M.",
    },
    Listed {
        title: "ENAS",
        name: Some("ENAS"),
        source: "Pham et al., ICML 2018; cells: genotypes.py of the GDAS code (Dong and Yang, CVPR 2019)",
        cifar: Some(table_2("4.6", "2.89")),
        imagenet: None,
        remark: "Its authors built another network around the cells.",
    },
    Listed {
        title: "Path-level NAS",
        name: None,
        source: "Cai et al., ICML 2018",
        cifar: Some(table_2("3.2", "3.64")),
        imagenet: None,
        remark: "Not built: the code has the tree-structured cell, but no network with it of 3.2 M parameters; the \
                 smallest that it describes has 5.7 M.",
    },
    Listed {
        title: "RL + BPE-1",
        name: Some("RL_BPE1"),
        source: OF_ZHENG,
        cifar: Some(table_2("2.7", "2.66 ± 0.05")),
        imagenet: Some(table_3("5.5", "25.82")),
        remark: concat!(
            size_of_zheng!(),
            " The published 5.5 M on ImageNet are those of 54 channels, with 607 M multiply-adds."
        ),
    },
    Listed {
        title: "RL + BPE-2",
        name: Some("RL_BPE2"),
        source: OF_ZHENG,
        cifar: Some(table_2("2.9", "2.65 ± 0.12")),
        imagenet: None,
        remark: size_of_zheng!(),
    },
    Listed {
        title: "AmoebaNet-A",
        name: Some("AMOEBANET_A"),
        source: "Real et al., AAAI 2019; cells: genotypes.py of the DARTS code",
        cifar: Some(published("3.2", "3.34 ± 0.06", "Real et al., Table 1")),
        imagenet: Some(table_3("5.1", "25.5")),
        remark: "On ImageNet the published 5.1 M are those of the authors' own network around the cells.",
    },
    Listed {
        title: "AmoebaNet-B",
        name: Some("AMOEBANET_B"),
        source: "Real et al., AAAI 2019; cells: model.py of the NAO code (Luo et al., NeurIPS 2018)",
        cifar: Some(table_2("2.8", "2.55")),
        imagenet: None,
        remark: "Its authors built another network around the cells.",
    },
    Listed {
        title: "EA + BPE-1",
        name: Some("EA_BPE1"),
        source: OF_ZHENG,
        cifar: Some(table_2("2.46", "2.68 ± 0.09")),
        imagenet: Some(table_3("5.0", "25.44")),
        remark: concat!(
            size_of_zheng!(),
            " The published 5.0 M on ImageNet are those of 49 channels, which no reduction halves."
        ),
    },
    Listed {
        title: "EA + BPE-2",
        name: Some("EA_BPE2"),
        source: OF_ZHENG,
        cifar: Some(table_2("2.87", "2.66 ± 0.07")),
        imagenet: None,
        remark: size_of_zheng!(),
    },
    Listed {
        title: "DARTS, first order",
        name: Some("DARTS_V1"),
        source: "Liu et al., ICLR 2019; cells: genotypes.py of its code",
        cifar: Some(published("3.3", "3.00 ± 0.14", "Liu et al., Table 1")),
        imagenet: None,
        remark: "The paper prints one size for both orders; the cells of the first have 3.17 M here.",
    },
    Listed {
        title: "DARTS, second order",
        name: Some("DARTS_V2"),
        source: "Liu et al., ICLR 2019; cells: genotypes.py of its code",
        cifar: Some(table_2("3.1", "2.7 ± 0.01")),
        imagenet: Some(table_3("4.9", "26.9")),
        remark: "Zheng et al. print 3.1 M, Liu et al. 3.3 M, of 3.349 M without the normalisations after poolings. The \
                 4.9 M on ImageNet are those of 49 channels; the 48 of the code have 4.72 M.",
    },
    Listed {
        title: "GDAS",
        name: Some("GDAS"),
        source: "Dong and Yang, CVPR 2019; cells: genotypes.py of its code",
        cifar: Some(table_2("3.4", "2.93 ± 0.07")),
        imagenet: None,
        remark: "",
    },
    Listed {
        title: "P-DARTS",
        name: Some("P_DARTS"),
        source: "Chen et al., ICCV 2019; cells: genotypes.py of its code",
        cifar: Some(table_2("3.4", "2.75 ± 0.06")),
        imagenet: None,
        remark: "",
    },
    Listed {
        title: "PC-DARTS",
        name: Some("PC_DARTS"),
        source: "Xu et al., ICLR 2020; cells: genotypes.py of its code",
        cifar: Some(published("3.6", "2.57 ± 0.07", "Xu et al., Table 1")),
        imagenet: None,
        remark: "",
    },
    Listed {
        title: "DrNAS",
        name: Some("DRNAS"),
        source: "Chen et al., ICLR 2021; cells: genotypes.py of its code",
        cifar: Some(published("4.0", "2.54 ± 0.03", "Chen et al., Table 1")),
        imagenet: None,
        remark: "Published as 4.0 M; of the 4.10 M here only 432 are those of normalisations after poolings.",
    },
    Listed {
        title: "SNAS, mild constraint",
        name: Some("SNAS"),
        source: "Xie et al., ICLR 2019; cells: the figures of the paper, as genotypes.py of the P-DARTS code has them",
        cifar: Some(table_2("2.8", "2.85 ± 0.02")),
        imagenet: Some(table_3("4.3", "27.3")),
        remark: "2.66 M in this network; on ImageNet 3.94 M with 48 channels, and 4.24 M with 50.",
    },
    Listed {
        title: "DARTS + BPE-1",
        name: Some("DARTS_BPE1"),
        source: OF_ZHENG,
        cifar: Some(table_2("3.9", "2.89")),
        imagenet: Some(table_3("5.9", "26.0")),
        remark: concat!(
            size_of_zheng!(),
            " The published 5.9 M on ImageNet are those of 46 channels, with 653 M multiply-adds."
        ),
    },
    Listed {
        title: "DARTS + BPE-2",
        name: Some("DARTS_BPE2"),
        source: OF_ZHENG,
        cifar: Some(table_2("4.04", "2.72")),
        imagenet: None,
        remark: size_of_zheng!(),
    },
    Listed {
        title: "Random sample 100 + BPE-1",
        name: Some("RS_BPE1"),
        source: OF_ZHENG,
        cifar: Some(table_2("2.7", "2.68 ± 0.09")),
        imagenet: Some(table_3("5.5", "25.8")),
        remark: concat!(
            size_of_zheng!(),
            " The published 5.5 M on ImageNet are those of 52 channels, with 613 M multiply-adds."
        ),
    },
    Listed {
        title: "Random sample 100 + BPE-2",
        name: Some("RS_BPE2"),
        source: OF_ZHENG,
        cifar: Some(table_2("1.9", "2.68 ± 0.05")),
        imagenet: None,
        remark: size_of_zheng!(),
    },
    Listed {
        title: "Random sample 100",
        name: None,
        source: "Zheng et al., CVPR 2020",
        cifar: Some(table_2("2.9", "2.55")),
        imagenet: None,
        remark: "Not built: its cells were not published.",
    },
    Listed {
        title: "MnasNet-92",
        name: None,
        source: "Tan et al., CVPR 2019",
        cifar: None,
        imagenet: Some(table_3("4.4", "25.2")),
        remark: "Not built: its layers were not published, only those of its smaller relatives.",
    },
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_published_size_says_why() {
        let mut wrong = Vec::new();
        for listed in &CATALOGUE {
            let computed = listed.computed().unwrap();
            assert_eq!(computed[0].is_some(), listed.name.is_some(), "{}", listed.title);
            let pairs = [listed.cifar, listed.imagenet].into_iter().zip(computed);
            let agrees = pairs.map(|pair| match pair {
                (Some(published), Some(computed)) => published.is(computed.parameters),
                (Some(_), None) => false,
                (None, _) => true,
            });
            let agrees: Vec<bool> = agrees.collect();
            if agrees.contains(&false) == listed.remark.is_empty() {
                wrong.push((listed.title, agrees));
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn published_digits_are_compared_as_printed() {
        let published = |parameters| Published { parameters, error: "", source: "" };
        assert!(published("3.4").is(3_351_502) && !published("3.3").is(3_351_502));
        assert!(
            published("2.46").is(2_455_001)
                && published("5").is(5_365_486)
                && !published("2.46").is(2_465_001)
        );
    }
}
