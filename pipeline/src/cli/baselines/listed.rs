//! The architectures of a file, and what they are called there.

use std::path::Path;

use stages::Genotype;

use crate::cli::given::read_text;
use crate::error::Error;
use crate::tables::{InputTable, is_key};

/// Architectures, and columns with their names.
pub(super) struct Listed {
    pub(super) genotypes: Vec<Genotype>,
    /// Heading and cells of each column that names them.
    pub(super) names: Vec<(String, Vec<String>)>,
}

impl Listed {
    /// Reads a table with a column of genotypes, whose columns with names are kept; or else all genotypes of a text, which are
    /// numbered from 0.
    ///
    /// # Errors
    /// When the file cannot be read or has no genotype, or a row of the table has none.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let table = InputTable::read(path).ok();
        let with_column = table.as_ref().and_then(|table| Some((table, genotypes(table)?)));
        match with_column {
            Some((table, column)) => Self::of_table(table, column),
            None => Self::of_text(path),
        }
    }

    fn of_table(table: &InputTable, column: usize) -> Result<Self, Error> {
        let genotype = |row| {
            let read = table.cell(row, column).parse::<Genotype>();
            read.map_err(|error| table.refuse(row, column, &format!("is no genotype: {error}")))
        };
        let genotypes = table.rows().map(genotype).collect::<Result<_, _>>()?;
        let cells = |column| table.rows().map(|row| table.cell(row, column).to_owned()).collect();
        let headings = table.headings().iter().enumerate();
        let names = headings.filter(|(place, heading)| *place == column || is_key(heading));
        Ok(Self { genotypes, names: names.map(|(place, heading)| (heading.clone(), cells(place))).collect() })
    }

    fn of_text(path: &Path) -> Result<Self, Error> {
        let genotypes = stages::genotype::read_all(&read_text(path)?)
            .map_err(|problem| Error::File { path: path.to_path_buf(), problem: problem.to_string() })?;
        let numbers = (0..genotypes.len()).map(|number| number.to_string()).collect();
        let texts = genotypes.iter().map(ToString::to_string).collect();
        Ok(Self { genotypes, names: vec![("arch".to_owned(), numbers), ("genotype".to_owned(), texts)] })
    }
}

/// The first column whose first cell is a genotype.
fn genotypes(table: &InputTable) -> Option<usize> {
    (0..table.headings().len()).find(|&column| table.cell(0, column).parse::<Genotype>().is_ok())
}
