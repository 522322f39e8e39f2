//! What one cell says: a number, nothing, or something else; and what to write instead of an odd number.

use super::dialect::{Decimal, has_decimal_comma};

/// What stands for a missing number besides an empty cell, in capitals or not. The help texts list the same.
pub(crate) const MISSING: [&str; 6] = ["NaN", "-NaN", "NA", "<NA>", "null", "None"];

/// A cell, read as a number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Missing,
    /// Always finite.
    Number(f64),
    /// Meant as a number, but not written as one (`91.2%`), and what to do about it.
    Odd(String),
    /// No number at all.
    Text,
}

impl Cell {
    /// Reads a cell without white space around it.
    pub(super) fn read(cell: &str, decimal: Decimal) -> Self {
        if cell.is_empty() || MISSING.iter().any(|missing| missing.eq_ignore_ascii_case(cell)) {
            return Self::Missing;
        }
        let number = match decimal {
            Decimal::Point => cell.parse().ok(),
            Decimal::Comma if cell.contains('.') => None,
            Decimal::Comma => cell.replace(',', ".").parse().ok(),
        };
        match number {
            Some(number) if f64::is_finite(number) => Self::Number(number),
            Some(_) => Self::Odd("leave the cell empty where there is no finite number".to_owned()),
            None => advice(cell, decimal).map_or(Self::Text, Self::Odd),
        }
    }
}

/// What to do about a cell that was meant as a number; none for any other text.
fn advice(cell: &str, decimal: Decimal) -> Option<String> {
    if let Some(number) = cell.strip_suffix('%') {
        let is_odd = matches!(Cell::read(number.trim_end(), decimal), Cell::Number(_) | Cell::Odd(_));
        return is_odd.then(|| "write numbers without a percent sign".to_owned());
    }
    if decimal == Decimal::Point && has_decimal_comma(cell) {
        return Some("write a decimal point".to_owned());
    }
    // Marks of thousands, a typographic minus.
    let is_mark = |letter: char| matches!(letter, ',' | '.' | '\'' | '’' | '_') || letter.is_whitespace();
    let digits = cell.replace(is_mark, "").replace('\u{2212}', "-");
    let is_odd = digits.bytes().any(|byte| byte.is_ascii_digit()) && digits.parse::<f64>().is_ok();
    is_odd.then(|| match decimal {
        Decimal::Point => "write it like 1234.5, with a decimal point and no other marks".to_owned(),
        Decimal::Comma => {
            "write it like 1234,5, for other numbers of this table have decimal commas".to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_missing_ones() {
        for (cell, number) in [("91.2", 91.2), ("-1e-3", -0.001), ("+7", 7.0), (".5", 0.5)] {
            assert_eq!(Cell::read(cell, Decimal::Point), Cell::Number(number), "{cell}");
        }
        assert_eq!(Cell::read("0,03", Decimal::Comma), Cell::Number(0.03));
        assert_eq!(Cell::read("1e-3", Decimal::Comma), Cell::Number(0.001));
        for cell in ["", "NaN", "nan", "NA", "NULL", "none", "<NA>", "-nan"] {
            assert_eq!(Cell::read(cell, Decimal::Point), Cell::Missing, "{cell}");
        }
    }

    #[test]
    fn what_was_meant_as_a_number_is_told_from_texts() {
        for (cell, decimal, part) in [
            ("91.2%", Decimal::Point, "percent"),
            ("91 %", Decimal::Point, "percent"),
            ("0,03", Decimal::Point, "decimal point"),
            ("1,234.5", Decimal::Point, "1234.5"),
            ("1 234", Decimal::Point, "1234.5"),
            ("\u{2212}3", Decimal::Point, "1234.5"),
            ("1.234", Decimal::Comma, "decimal commas"),
            ("inf", Decimal::Point, "finite"),
            ("-Infinity", Decimal::Comma, "finite"),
            ("1e999", Decimal::Point, "finite"),
        ] {
            let Cell::Odd(advice) = Cell::read(cell, decimal) else { panic!("{cell}") };
            assert!(advice.contains(part), "{cell}: {advice}");
        }
        for cell in ["n/a", "x", "v100", "-", "?", "adam", "#N/A", "True", "%", ".", "48.1k"] {
            assert_eq!(Cell::read(cell, Decimal::Point), Cell::Text, "{cell}");
        }
    }
}
