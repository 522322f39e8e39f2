//! How a table is written: what separates its cells, and how its numbers mark decimals.

use serde::Serialize;

/// What separates cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Delimiter {
    Comma,
    Semicolon,
    Tab,
}

/// What stands before the decimals of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decimal {
    Point,
    Comma,
}

impl Delimiter {
    const ALL: [Self; 3] = [Self::Tab, Self::Semicolon, Self::Comma];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }

    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Comma => "commas",
            Self::Semicolon => "semicolons",
            Self::Tab => "tabs",
        }
    }

    /// The one that stands most often in a line of headings, outside quotes.
    pub(super) fn of_headings(line: &str) -> Self {
        let count = |delimiter: Self| {
            let mut is_quoted = false;
            let stands = |byte: &u8| {
                is_quoted ^= *byte == b'"';
                *byte == delimiter.byte() && !is_quoted
            };
            line.bytes().filter(stands).count()
        };
        // Of equals `max_by_key` takes the last, and a table of one column has commas.
        Self::ALL.into_iter().max_by_key(|&delimiter| count(delimiter)).unwrap_or(Self::Comma)
    }

    /// The delimiter that a first line `sep=;` states, as Excel writes and reads it.
    pub(super) fn stated(line: &str) -> Option<Self> {
        let stated = line.strip_prefix("sep=")?;
        Self::ALL.into_iter().find(|delimiter| stated.as_bytes() == [delimiter.byte()])
    }
}

/// Whether a cell can only be a number with a decimal comma.
pub(super) fn has_decimal_comma(cell: &str) -> bool {
    cell.matches(',').count() == 1
        && cell.bytes().all(|byte| byte.is_ascii_digit() || b",+-eE".contains(&byte))
        && cell.replace(',', ".").parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headings_say_what_separates_cells() {
        for (line, delimiter) in [
            ("arch,acc", Delimiter::Comma),
            ("arch;acc", Delimiter::Semicolon),
            ("arch\tacc", Delimiter::Tab),
            ("arch", Delimiter::Comma),
            ("\"acc; of 1; 2; 3\",acc", Delimiter::Comma),
            ("arch;\"acc, top 1, percent\"", Delimiter::Semicolon),
        ] {
            assert_eq!(Delimiter::of_headings(line), delimiter, "{line}");
        }
        assert_eq!(Delimiter::stated("sep=;"), Some(Delimiter::Semicolon));
        assert_eq!(Delimiter::stated("sep=;x"), None);
    }

    #[test]
    fn decimal_commas() {
        for cell in ["0,03", "-1,5e-3", ",5", "12,"] {
            assert!(has_decimal_comma(cell), "{cell}");
        }
        for cell in ["0.03", "1,234,567", "1,2.3", "a,b", "3", ",", "", "1, 2"] {
            assert!(!has_decimal_comma(cell), "{cell}");
        }
    }
}
