//! Tokens of the genotype grammar: names, numbers, quoted texts and punctuation, each with its place.

use crate::Error;

/// A token's kind and text, borrowed from the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A bare word such as `Genotype`, `True` or `DARTS_V2` (letters, digits, `_`, `-`).
    Name(&'a str),
    /// Starts with a digit, sign or dot; not yet checked to be a number.
    Number(&'a str),
    /// The inside of a single- or double-quoted text.
    Text(&'a str),
    /// One of `()[]{},:=`.
    Mark(char),
    /// The end of the source.
    End,
}

impl Token<'_> {
    /// How messages name the token. Long texts are cut.
    pub(super) fn describe(self) -> String {
        let cut = |text: &str| match text.char_indices().nth(40) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        match self {
            Self::Name(text) | Self::Number(text) => format!("`{}`", cut(text)),
            Self::Text(text) => format!("'{}'", cut(text)),
            Self::Mark(mark) => format!("`{mark}`"),
            Self::End => "the end of the text".to_owned(),
        }
    }
}

/// A token and its place, in characters from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) token: Token<'a>,
    pub(super) position: usize,
}

/// All tokens of `source`, ending with [`Token::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Placed<'_>>, Error> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut position = 1;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.');
        let (token, bytes) = match first {
            space if space.is_whitespace() => {
                rest = &rest[space.len_utf8()..];
                position += 1;
                continue;
            }
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | ':' | '=' => (Token::Mark(first), 1),
            quote @ ('\'' | '"') => {
                let Some(end) = rest[1..].find(quote) else {
                    let found = "a quote that is never closed".to_owned();
                    return Err(Error::Genotype { position, found, expected: format!("a closing {quote}") });
                };
                (Token::Text(&rest[1..=end]), end + 2)
            }
            word if is_word(word) => {
                let bytes = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let text = &rest[..bytes];
                let is_name = word.is_alphabetic() || word == '_';
                (if is_name { Token::Name(text) } else { Token::Number(text) }, bytes)
            }
            other => {
                let found = format!("`{}`", other.escape_default());
                let expected = "a name, a number, a quoted text or one of ()[]{},:=".to_owned();
                return Err(Error::Genotype { position, found, expected });
            }
        };
        tokens.push(Placed { token, position });
        position += rest[..bytes].chars().count();
        rest = &rest[bytes..];
    }
    tokens.push(Placed { token: Token::End, position });
    Ok(tokens)
}
