//! Cell spaces as tables: how many nodes a cell has, what its edges may compute and under which names, and which nodes are
//! its output. Some are built in (`stages/spaces/`), and a TOML file is one.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

use super::Primitive;
use crate::echo::shown;
use crate::genotype::{INPUTS, NODES, Operation};
use crate::{Error, suggest};

/// Most nodes of a cell.
pub(crate) const NODES_MAX: usize = 12;

/// The spaces that are built in: name and TOML text. `darts` is one more, the table of [`Operation`].
static SPACES: [(&str, &str); 4] = [
    ("nasnet", include_str!("../../spaces/nasnet.toml")),
    ("amoebanet", include_str!("../../spaces/amoebanet.toml")),
    ("enas", include_str!("../../spaces/enas.toml")),
    ("any", include_str!("../../spaces/any.toml")),
];

/// Which nodes a cell's output concatenates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConcatRule {
    /// All of them.
    All,
    /// Those that no edge reads.
    LooseEnds,
    /// Those that the text names.
    Written,
}

/// A space of cells, and so of the texts of its architectures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellSpace {
    /// Its name.
    pub name: String,
    /// Nodes of a cell; none where a cell may have any number of them.
    pub nodes: Option<usize>,
    /// Edges into each node; none for any number.
    pub inputs: Option<usize>,
    /// Whether two edges of a node may read the same input.
    pub repeats: bool,
    /// Which nodes are the output.
    pub concat: ConcatRule,
    /// What edges may compute, by the names that texts use.
    pub operations: Vec<(String, Primitive)>,
}

/// A file of a space.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    nodes: Option<Spanned<usize>>,
    inputs: Option<Spanned<usize>>,
    #[serde(default)]
    repeats: bool,
    concat: ConcatRule,
    operations: Option<BTreeMap<String, Spanned<String>>>,
}

impl CellSpace {
    /// The DARTS space: four nodes, all of them the output, and eight operations.
    pub fn darts() -> Self {
        Self {
            name: "darts".to_owned(),
            nodes: Some(NODES),
            inputs: None,
            repeats: false,
            concat: ConcatRule::All,
            operations: Operation::ALL
                .map(|operation| (operation.name().to_owned(), operation.into()))
                .into(),
        }
    }

    /// Names of the built-in spaces.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ["darts"].into_iter().chain(SPACES.iter().map(|(name, _)| *name))
    }

    /// A built-in space.
    ///
    /// # Errors
    /// [`Error::Config`] with the nearest known name.
    pub fn named(name: &str) -> Result<Self, Error> {
        if name == "darts" {
            return Ok(Self::darts());
        }
        match SPACES.iter().find(|(known, _)| *known == name) {
            Some((known, text)) => Self::parse(known, text),
            None => Err(Error::Config {
                place: "cell space".to_owned(),
                problem: format!(
                    "unknown `{}`; {}; or give a file that defines one",
                    shown(name),
                    suggest::hint(name, Self::names())
                ),
            }),
        }
    }

    /// The space that the TOML `text` of the file `name` defines.
    ///
    /// # Errors
    /// [`Error::Config`] with file and line.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let wrong = |byte: Option<usize>, problem: String| {
            let line = byte.map(|byte| text.bytes().take(byte).filter(|&byte| byte == b'\n').count() + 1);
            let place = line.map_or_else(|| shown(name), |line| format!("{}, line {line}", shown(name)));
            Error::Config { place, problem }
        };
        let file: File = toml::from_str(text).map_err(|error| {
            wrong(error.span().map(|span| span.start), format!("not a cell space: {}", error.message()))
        })?;
        let within = |value: Option<Spanned<usize>>, what: &str, most: usize| {
            let Some(value) = value else { return Ok(None) };
            let count = *value.get_ref();
            if (1..=most).contains(&count) {
                return Ok(Some(count));
            }
            Err(wrong(Some(value.span().start), format!("{what} is {count}, must be from 1 to {most}")))
        };
        let nodes = within(file.nodes, "nodes", NODES_MAX)?;
        let inputs = within(file.inputs, "inputs", INPUTS + NODES_MAX)?;
        let operations = match file.operations {
            None => Primitive::all().map(|primitive| (primitive.to_string(), primitive)).collect(),
            Some(named) => {
                let primitive = |(name, means): (String, Spanned<String>)| {
                    let found = Primitive::from_name(means.get_ref());
                    let known = Primitive::all().map(|known| known.to_string()).collect::<Vec<_>>();
                    let refused = || {
                        let hint = suggest::hint(means.get_ref(), known.iter().map(String::as_str));
                        let what = format!("unknown operation `{}`; {hint}", shown(means.get_ref()));
                        wrong(Some(means.span().start), what)
                    };
                    Ok((name, found.ok_or_else(refused)?))
                };
                named.into_iter().map(primitive).collect::<Result<Vec<_>, Error>>()?
            }
        };
        if operations.is_empty() {
            return Err(wrong(None, "its table [operations] is empty, must name at least one".to_owned()));
        }
        let File { repeats, concat, .. } = file;
        Ok(Self { name: name.to_owned(), nodes, inputs, repeats, concat, operations })
    }

    /// The operation of a name.
    pub(crate) fn operation(&self, name: &str) -> Option<Primitive> {
        self.operations.iter().find(|(known, _)| known == name).map(|(_, primitive)| *primitive)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_space_is_one() {
        for name in CellSpace::names() {
            let space = CellSpace::named(name).unwrap();
            assert_eq!(space.name, name);
            assert_eq!(space.operation("skip_connect"), Some(Primitive::Skip), "{name}");
        }
        assert_eq!(CellSpace::named("nasnet").unwrap().nodes, Some(5));
        assert_eq!(CellSpace::named("any").unwrap().operations.len(), Primitive::all().count());
    }

    #[test]
    fn a_file_names_operations_as_its_texts_do() {
        let text = "nodes = 3\ninputs = 2\nconcat = \"all\"\n[operations]\nsep3 = \"sep_conv_3x3\"\nid = \"skip_connect\"\n";
        let space = CellSpace::parse("mine.toml", text).unwrap();
        assert_eq!(space.operation("sep3"), Some(Primitive::Separable(3)));
        assert_eq!(space.operation("sep_conv_3x3"), None);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, place, problem) in [
            ("nodes = 3", "mine.toml, line 1", "missing field `concat`"),
            ("nodes = 0\nconcat = \"all\"", "mine.toml, line 1", "nodes is 0, must be from 1 to 12"),
            ("nodes = 99\nconcat = \"all\"", "mine.toml, line 1", "must be from 1 to 12"),
            ("nodes = -1\nconcat = \"all\"", "mine.toml, line 1", "not a cell space"),
            ("concat = \"some\"", "mine.toml, line 1", "unknown variant"),
            ("concat = \"all\"\ninput = 2", "mine.toml, line 2", "unknown field `input`"),
            ("concat = \"all\"\ninputs = 0", "mine.toml, line 2", "inputs is 0"),
            ("concat = \"all\"\n[operations]\na = \"sep_conv_3x4\"", "mine.toml, line 3", "did you mean"),
            ("concat = \"all\"\n[operations]\na = 3", "mine.toml, line 3", "not a cell space"),
            ("concat = \"all\"\n[operations]\n", "mine.toml", "is empty"),
            ("concat = ", "mine.toml, line 1", "not a cell space"),
        ] {
            let error = CellSpace::parse("mine.toml", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{place}: ")) && error.contains(problem), "{text}: {error}");
        }
        assert!(CellSpace::named("nasnte").unwrap_err().to_string().contains("did you mean `nasnet`"));
    }
}
