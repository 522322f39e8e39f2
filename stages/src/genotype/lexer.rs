//! Tokens of the genotype grammar: names, numbers, quoted texts and punctuation, each with its place.
//!
//! Texts come with prose around them, so nothing is an error here: what begins no token is a token of its own, and
//! whoever meets it says what should stand there.

use crate::echo::shown;

/// A token's kind and text, borrowed from the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A bare word such as `Genotype`, `np.int64` or `DARTS_V2` (letters, digits, `_`, `-`, `+`, `.`).
    Name(&'a str),
    /// Starts with a digit, sign or dot; not yet checked to be a number.
    Number(&'a str),
    /// The inside of a single- or double-quoted text, which ends on its line.
    Text(&'a str),
    /// One of `()[]{},:=`.
    Mark(char),
    /// A quote that its line does not close.
    Unclosed(char),
    /// A character that begins no token.
    Stray(char),
    /// The end of the source.
    End,
}

impl Token<'_> {
    /// How messages name the token.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Name(text) | Self::Number(text) => format!("`{}`", shown(text)),
            Self::Text(text) => format!("'{}'", shown(text)),
            Self::Mark(mark) => format!("`{mark}`"),
            Self::Unclosed(_) => "a quote that is never closed".to_owned(),
            Self::Stray(stray) => format!("`{}`", shown(stray)),
            Self::End => "the end of the text".to_owned(),
        }
    }
}

/// A token and the byte of the source that it begins at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) token: Token<'a>,
    pub(super) start: usize,
}

/// Reads token after token. Spaces, byte order marks and comments (`#` to the end of its line) stand between tokens.
pub(super) struct Lexer<'a> {
    source: &'a str,
    /// The byte that is read next.
    pub(super) next: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str, start: usize) -> Self {
        Self { source, next: start }
    }

    /// The next token; after the last one always [`Token::End`].
    pub(super) fn token(&mut self) -> Placed<'a> {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.');
        loop {
            let rest = &self.source[self.next..];
            let start = self.next;
            let Some(first) = rest.chars().next() else { return Placed { token: Token::End, start } };
            let (token, bytes) = match first {
                space if space.is_whitespace() || space == '\u{feff}' => {
                    self.next += space.len_utf8();
                    continue;
                }
                '#' => {
                    self.next += rest.find('\n').unwrap_or(rest.len());
                    continue;
                }
                '(' | ')' | '[' | ']' | '{' | '}' | ',' | ':' | '=' => (Token::Mark(first), 1),
                quote @ ('\'' | '"') => match closing(&rest[1..], quote) {
                    Some(end) => (Token::Text(&rest[1..=end]), end + 2),
                    None => (Token::Unclosed(quote), 1),
                },
                word if is_word(word) => {
                    let bytes = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                    let text = &rest[..bytes];
                    let is_name = word.is_alphabetic() || word == '_';
                    (if is_name { Token::Name(text) } else { Token::Number(text) }, bytes)
                }
                other => (Token::Stray(other), other.len_utf8()),
            };
            self.next += bytes;
            return Placed { token, start };
        }
    }
}

/// The place of the closing quote in what follows an opening one: on the same line, and not behind a backslash.
fn closing(rest: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (place, letter) in rest.char_indices() {
        match letter {
            '\n' => return None,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            letter if letter == quote => return Some(place),
            _ => {}
        }
    }
    None
}

/// All tokens of `source`, ending with [`Token::End`].
pub(super) fn tokens(source: &str) -> Vec<Placed<'_>> {
    let mut lexer = Lexer::new(source, 0);
    let mut tokens = vec![lexer.token()];
    while tokens.last().is_some_and(|placed| placed.token != Token::End) {
        tokens.push(lexer.token());
    }
    tokens
}

/// What `NumPy` and `PyTorch` print around a number, a text or a list.
const WRAPPERS: [&str; 19] = [
    "Tensor", "array", "int", "int16", "int32", "int64", "int8", "int_", "intp", "list", "longlong", "str",
    "str_", "tensor", "tuple", "uint16", "uint32", "uint64", "uint8",
];

fn is_wrapper(name: &str) -> bool {
    let name =
        ["np.", "numpy.", "torch."].iter().find_map(|module| name.strip_prefix(module)).unwrap_or(name);
    WRAPPERS.contains(&name)
}

/// The tokens without what stands around values: `np.int64(1)` and `tensor(1, device='cuda:0')` are `1`, and
/// `list(range(2, 6))` is `range(2, 6)`.
pub(super) fn unwrapped<'a>(tokens: &[Placed<'a>]) -> Vec<Placed<'a>> {
    let mut kept = Vec::with_capacity(tokens.len());
    // For each open bracket whether it is a wrapper's.
    let mut open = Vec::new();
    // How many brackets were open where a wrapper's options began.
    let mut options = None;
    for (index, &placed) in tokens.iter().enumerate() {
        let follows = |other: usize| tokens.get(other).map(|placed| placed.token);
        let is_wrapper = |token| matches!(token, Some(Token::Name(name)) if is_wrapper(name));
        let mut keep = true;
        match placed.token {
            Token::Name(_) => {
                keep = !(is_wrapper(Some(placed.token)) && follows(index + 1) == Some(Token::Mark('(')));
            }
            Token::Mark(mark @ ('(' | '[' | '{')) => {
                keep = !(mark == '(' && index > 0 && is_wrapper(follows(index - 1)));
                open.push(!keep);
            }
            Token::Mark(mark @ (')' | ']' | '}')) => {
                keep = !(open.pop() == Some(true) && mark == ')');
                options = options.filter(|&depth| open.len() >= depth);
            }
            Token::Mark(',') if open.last() == Some(&true) => options = options.or(Some(open.len())),
            _ => {}
        }
        if keep && options.is_none() || placed.token == Token::End {
            kept.push(placed);
        }
    }
    kept
}
