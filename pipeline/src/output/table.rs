//! Plain tables: columns as wide as they need to be, numbers to the right.

use stages::echo::one_line;

/// Where a column's texts stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table that grows by rows.
pub(crate) struct Table {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// A table with a row of headings, indented by so many columns.
    pub(crate) fn new(headings: &[(&str, Align)], indent: usize) -> Self {
        let align = headings.iter().map(|(_, align)| *align).collect();
        let headings = headings.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        Self { align, rows: vec![headings], indent }
    }

    /// Adds a row; it must be as long as the row of headings.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.align.len());
        // Some of them are texts of people's tables, and a line break would end the row.
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.align.len()).map(width).collect();
        for row in &self.rows {
            let mut line = " ".repeat(self.indent);
            for ((cell, align), width) in row.iter().zip(&self.align).zip(&widths) {
                let gap = " ".repeat(width - cell.chars().count());
                match align {
                    Align::Left => line.extend([cell.as_str(), &gap]),
                    Align::Right => line.extend([gap.as_str(), cell]),
                }
                line.push_str("  ");
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_in_text() {
        let mut table = Table::new(&[("node", Align::Left), ("trainings", Align::Right)], 2);
        table.row(vec!["rank@1".into(), "0".into()]);
        table.row(vec!["train@full".into(), "12".into()]);
        assert_eq!(
            table.to_string(),
            "  node        trainings\n  rank@1              0\n  train@full         12\n"
        );
    }
}
