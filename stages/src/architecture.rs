//! What a training trains: cells of the DARTS space, cells of another space, or a network that is called by name.

pub mod catalogue;
mod cells;
mod given;
mod named;
mod primitive;
pub(crate) mod published;
mod space;

use std::fmt;

use cache::Fields;

use crate::echo::shown;
use crate::genotype::{self, Genotype};
use crate::{Error, suggest};

pub use cells::{CellEdge, CellGraph, Cells};
pub use given::{file_and_choice, given};
pub use named::NamedNetwork;
pub use primitive::Primitive;
pub(crate) use space::NODES_MAX;
pub use space::{CellSpace, ConcatRule};

/// An architecture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Two cells of the DARTS space, stacked: what searches find.
    Darts(Genotype),
    /// Two cells that are not of the DARTS space, stacked.
    Cells(Cells),
    /// A network that is not made of cells.
    Network(NamedNetwork),
}

impl Architecture {
    /// Reads an architecture: a name, or a genotype in the forms of `space` (the DARTS space where none is given) with
    /// whatever stands around it, of which `which` chooses one by its name or line.
    ///
    /// # Errors
    /// [`Error::Genotype`] with the place, what was found there and what is accepted.
    pub fn read(text: &str, which: Option<&str>, space: Option<&CellSpace>) -> Result<Self, Error> {
        let name = text.trim();
        if which.is_none() && !name.is_empty() && name.chars().all(is_of_name) {
            return match space {
                Some(space) => genotype::read_cells(name, None, space).map(Self::from),
                None => Self::called(name),
            };
        }
        match space {
            Some(space) => genotype::read_cells(text, which, space).map(Self::from),
            None => genotype::read(text, which).map(Self::Darts),
        }
    }

    /// The architecture of a name.
    fn called(name: &str) -> Result<Self, Error> {
        if let Some(network) = NamedNetwork::called(name) {
            return Ok(Self::Network(network));
        }
        if let Some(known) = published::PUBLISHED.iter().find(|known| known.is_called(name)) {
            return genotype::read_cells(known.text, None, &CellSpace::named(known.space)?).map(Self::from);
        }
        let names = published::PUBLISHED.iter().map(|known| known.name);
        let hint = suggest::hint(name, names.chain(NamedNetwork::ALL.map(NamedNetwork::name)));
        Err(Error::Genotype {
            place: "character 1".to_owned(),
            found: format!("the unknown name `{}`", shown(name)),
            expected: format!("`Genotype(…)` or a known architecture; {hint}"),
        })
    }

    /// The genotype, where it is of the DARTS space.
    pub fn genotype(&self) -> Option<&Genotype> {
        match self {
            Self::Darts(genotype) => Some(genotype),
            Self::Cells(_) | Self::Network(_) => None,
        }
    }

    /// The cells, where it is made of cells.
    pub fn cells(&self) -> Option<Cells> {
        match self {
            Self::Darts(genotype) => Some(genotype.into()),
            Self::Cells(cells) => Some(cells.clone()),
            Self::Network(_) => None,
        }
    }

    /// What identifies it in keys. Genotypes of the DARTS space have the field that they always had.
    ///
    /// # Errors
    /// None that the cache has for texts.
    pub fn fields(&self) -> Result<Fields, Error> {
        let fields = Fields::new();
        Ok(match self {
            Self::Darts(genotype) => fields.with("genotype", genotype.canonical().to_string())?,
            Self::Cells(cells) => {
                let cells = cells.canonical();
                match cells.genotype() {
                    // What kept them out of the DARTS space is an edge that computes nothing.
                    Some(genotype) => fields.with("genotype", genotype.canonical().to_string())?,
                    None => fields.with("architecture", cells.to_string())?,
                }
            }
            Self::Network(network) => fields.with("architecture", network.name())?,
        })
    }
}

/// Whether a letter may stand in a name.
fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_')
}

impl From<Genotype> for Architecture {
    fn from(genotype: Genotype) -> Self {
        Self::Darts(genotype)
    }
}

impl From<&Genotype> for Architecture {
    fn from(genotype: &Genotype) -> Self {
        Self::Darts(genotype.clone())
    }
}

impl From<Cells> for Architecture {
    /// Cells that are of the DARTS space are that, so that an architecture has one key.
    fn from(cells: Cells) -> Self {
        cells.genotype().map_or(Self::Cells(cells), Self::Darts)
    }
}

impl From<NamedNetwork> for Architecture {
    fn from(network: NamedNetwork) -> Self {
        Self::Network(network)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Darts(genotype) => genotype.fmt(f),
            Self::Cells(cells) => cells.fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
