//! Cells that were published, by name and in their published texts: facts of others' papers and code, as
//! [`catalogue`](super::catalogue) says where each is from.

/// Published cells.
pub(crate) struct PublishedCells {
    /// The name that they are called by.
    pub(crate) name: &'static str,
    /// The built-in space that they are of.
    pub(crate) space: &'static str,
    /// Their text.
    pub(crate) text: &'static str,
}

impl PublishedCells {
    /// Whether a name means them. Case does not matter, nor what stands between words.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        same_name(self.name, name)
    }
}

/// Whether two names are one but for case and for what stands between words.
pub(super) fn same_name(left: &str, right: &str) -> bool {
    let letters = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    letters(left) == letters(right)
}

/// Those of a built-in space.
pub(crate) fn of_space(space: &str) -> impl Iterator<Item = &'static PublishedCells> {
    PUBLISHED.iter().filter(move |published| published.space == space)
}

const fn darts(name: &'static str, text: &'static str) -> PublishedCells {
    PublishedCells { name, space: "darts", text }
}

/// All of them.
pub(crate) static PUBLISHED: [PublishedCells; 19] = [
    darts(
        "DARTS_V1",
        "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), ('sep_conv_3x3', 1), \
         ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), \
         ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "DARTS_V2",
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
         ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), \
         ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "GDAS",
        "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1), ('skip_connect', 0), ('sep_conv_5x5', 2), \
         ('sep_conv_3x3', 3), ('skip_connect', 0), ('sep_conv_5x5', 4), ('sep_conv_3x3', 3)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('sep_conv_5x5', 2), ('sep_conv_5x5', 1), \
         ('dil_conv_5x5', 2), ('sep_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_5x5', 1)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "SNAS",
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_3x3', 1), \
         ('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 0), ('sep_conv_3x3', 1)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 1), ('skip_connect', 2), \
         ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('dil_conv_5x5', 2)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "P_DARTS",
        "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), \
         ('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 0), ('dil_conv_5x5', 4)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('avg_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('dil_conv_5x5', 2), \
         ('max_pool_3x3', 0), ('dil_conv_3x3', 1), ('dil_conv_3x3', 1), ('dil_conv_5x5', 3)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "PC_DARTS",
        "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), ('dil_conv_3x3', 1), \
         ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), ('dil_conv_3x3', 1)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('sep_conv_5x5', 1), ('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2), \
         ('sep_conv_3x3', 0), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "DRNAS",
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2), \
         ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2), ('dil_conv_5x5', 3)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('dil_conv_5x5', 2), ('sep_conv_5x5', 1), \
         ('sep_conv_5x5', 1), ('dil_conv_5x5', 3), ('skip_connect', 4), ('sep_conv_5x5', 1)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "RL_BPE1",
        "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('sep_conv_3x3', 1), ('avg_pool_3x3', 2), \
         ('sep_conv_3x3', 0), ('max_pool_3x3', 3), ('sep_conv_5x5', 0), ('avg_pool_3x3', 3)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('dil_conv_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 0), ('max_pool_3x3', 1), \
         ('dil_conv_3x3', 2), ('sep_conv_5x5', 3), ('avg_pool_3x3', 0), ('sep_conv_3x3', 4)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "RL_BPE2",
        "Genotype(normal=[('skip_connect', 0), ('avg_pool_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
         ('sep_conv_5x5', 0), ('skip_connect', 1), ('avg_pool_3x3', 0), ('avg_pool_3x3', 2)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('sep_conv_5x5', 0), ('skip_connect', 1), ('avg_pool_3x3', 1), ('sep_conv_3x3', 2), \
         ('dil_conv_5x5', 1), ('sep_conv_3x3', 3), ('avg_pool_3x3', 1), ('max_pool_3x3', 4)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "EA_BPE1",
        "Genotype(normal=[('avg_pool_3x3', 0), ('skip_connect', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), \
         ('sep_conv_5x5', 0), ('dil_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_5x5', 2), \
         ('sep_conv_3x3', 0), ('skip_connect', 2), ('max_pool_3x3', 1), ('skip_connect', 2)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "EA_BPE2",
        "Genotype(normal=[('skip_connect', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), \
         ('dil_conv_3x3', 1), ('avg_pool_3x3', 2), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('avg_pool_3x3', 0), ('dil_conv_3x3', 1), ('dil_conv_5x5', 0), ('sep_conv_5x5', 2), \
         ('sep_conv_3x3', 0), ('sep_conv_5x5', 1), ('skip_connect', 1), ('sep_conv_3x3', 4)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "DARTS_BPE1",
        "Genotype(normal=[('sep_conv_3x3', 0), ('dil_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
         ('sep_conv_5x5', 0), ('sep_conv_5x5', 2), ('sep_conv_3x3', 4), ('sep_conv_5x5', 3)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('dil_conv_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 1), ('sep_conv_5x5', 0), \
         ('sep_conv_5x5', 3), ('dil_conv_5x5', 2), ('dil_conv_5x5', 4), ('sep_conv_5x5', 3)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "DARTS_BPE2",
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 2), \
         ('sep_conv_3x3', 0), ('sep_conv_5x5', 3), ('sep_conv_3x3', 4), ('sep_conv_3x3', 0)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('dil_conv_5x5', 1), ('sep_conv_5x5', 0), ('avg_pool_3x3', 0), ('sep_conv_5x5', 1), \
         ('dil_conv_5x5', 3), ('sep_conv_5x5', 2), ('sep_conv_3x3', 2), ('sep_conv_3x3', 1)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "RS_BPE1",
        "Genotype(normal=[('sep_conv_5x5', 0), ('dil_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_3x3', 1), \
         ('skip_connect', 3), ('sep_conv_5x5', 0), ('sep_conv_3x3', 2), ('skip_connect', 0)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('dil_conv_5x5', 1), ('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), \
         ('dil_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 2), ('sep_conv_3x3', 0)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    darts(
        "RS_BPE2",
        "Genotype(normal=[('skip_connect', 1), ('sep_conv_3x3', 0), ('avg_pool_3x3', 2), ('skip_connect', 0), \
         ('sep_conv_3x3', 1), ('avg_pool_3x3', 3), ('avg_pool_3x3', 0), ('dil_conv_3x3', 2)], \
         normal_concat=[2, 3, 4, 5], \
         reduce=[('skip_connect', 1), ('dil_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), \
         ('dil_conv_5x5', 3), ('max_pool_3x3', 0), ('skip_connect', 3), ('dil_conv_3x3', 2)], \
         reduce_concat=[2, 3, 4, 5])",
    ),
    PublishedCells {
        name: "NASNET_A",
        space: "nasnet",
        text: "Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), ('sep_conv_3x3', 0), \
               ('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0), \
               ('sep_conv_3x3', 1), ('skip_connect', 1)], normal_concat=[2, 3, 4, 5, 6], \
               reduce=[('sep_conv_5x5', 1), ('sep_conv_7x7', 0), ('max_pool_3x3', 1), ('sep_conv_7x7', 0), \
               ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3), ('avg_pool_3x3', 2), \
               ('sep_conv_3x3', 2), ('max_pool_3x3', 1)], reduce_concat=[4, 5, 6])",
    },
    PublishedCells {
        name: "AMOEBANET_A",
        space: "amoebanet",
        text: "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2), \
               ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), ('skip_connect', 1), \
               ('skip_connect', 0), ('avg_pool_3x3', 1)], normal_concat=[4, 5, 6], \
               reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_7x7', 2), \
               ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1), \
               ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])",
    },
    PublishedCells {
        name: "AMOEBANET_B",
        space: "amoebanet",
        text: "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('max_pool_3x3', 1), ('nor_conv_1x1', 1), \
               ('sep_conv_3x3', 0), ('nor_conv_1x1', 1), ('skip_connect', 3), ('nor_conv_1x1', 3), \
               ('avg_pool_3x3', 1), ('nor_conv_1x1', 5)], normal_concat=[2, 4, 6], \
               reduce=[('max_pool_2x2', 0), ('max_pool_3x3', 0), ('dil_conv_5x5', 2), ('max_pool_3x3', 2), \
               ('skip_connect', 2), ('nor_conv_3x3', 1), ('avg_pool_3x3', 3), ('nor_conv_1x1', 4), \
               ('skip_connect', 4), ('sep_conv_3x3', 1)], reduce_concat=[5, 6])",
    },
    PublishedCells {
        name: "ENAS",
        space: "enas",
        text: "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 1), ('sep_conv_5x5', 1), ('skip_connect', 0), \
               ('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('avg_pool_3x3', 1), \
               ('sep_conv_5x5', 1), ('avg_pool_3x3', 0)], normal_concat=[2, 3, 4, 5, 6], \
               reduce=[('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('avg_pool_3x3', 1), \
               ('sep_conv_3x3', 1), ('avg_pool_3x3', 1), ('avg_pool_3x3', 1), ('sep_conv_5x5', 4), \
               ('sep_conv_3x3', 5), ('sep_conv_5x5', 0)], reduce_concat=[2, 3, 4, 5, 6])",
    },
];
