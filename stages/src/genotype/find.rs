//! Which genotypes a text holds: a log, a Python file or a dump of settings has much around the one that is meant.
//!
//! What stands before and behind a genotype is skipped where the genotype is unmistakable. Of several different ones
//! none is taken: the choice is the person's, by name or by line.

use std::ops::Range;

use super::lexer::{Lexer, Placed, Token, tokens, unwrapped};
use super::parser::{FIELDS, Wrong, call, dictionary, integers, wrong};
use super::{EDGES, Operation, nasbench};
use crate::architecture::{CellSpace, Cells, published};
use crate::suggest;

/// Genotypes that a message lists before it only counts.
const LISTED: usize = 4;

/// A place in a text that can be read as a genotype, or not.
struct Candidate<'a> {
    start: usize,
    /// What the text calls it.
    name: Option<&'a str>,
    cells: Result<Cells, Wrong>,
    /// Whether it has a genotype's fields, and is no comment.
    is_clear: bool,
}

/// The genotypes of a text, in their order, each with where it begins: there is one at least.
pub(super) fn all(text: &str, space: &CellSpace) -> Result<Vec<(usize, Cells)>, Wrong> {
    let found = candidates(text, space);
    if found.is_empty() {
        return Ok(vec![(0, cells(text, None, space)?)]);
    }
    found.into_iter().map(|candidate| Ok((candidate.start, candidate.cells?))).collect()
}

/// The places of a text that can be read as genotypes, in their order.
fn candidates<'a>(text: &'a str, space: &CellSpace) -> Vec<Candidate<'a>> {
    let mut found = calls(text, space);
    found.extend(dictionaries(text, space).0);
    if found.is_empty() {
        found = integer_lists(text, space);
    }
    found.sort_by_key(|candidate| candidate.start);
    let comments = comments(text);
    for candidate in &mut found {
        let ended = comments.partition_point(|comment| comment.end <= candidate.start);
        candidate.is_clear &= comments.get(ended).is_none_or(|comment| candidate.start < comment.start);
    }
    if found.iter().any(|candidate| candidate.is_clear) {
        found.retain(|candidate| candidate.is_clear);
    }
    found
}

/// The cells of a text: the only ones, or those that `which` chooses by their name or by the line that they begin in.
pub(super) fn cells(text: &str, which: Option<&str>, space: &CellSpace) -> Result<Cells, Wrong> {
    let mut found = candidates(text, space);
    if let Some(which) = which {
        found = chosen(text, found, which)?;
    }
    let all = found.iter().map(|candidate| candidate.cells.as_ref().ok()).collect::<Option<Vec<_>>>();
    if let Some([first, others @ ..]) = all.as_deref()
        && others.iter().all(|other| other == first)
    {
        return Ok((*first).clone());
    }
    match found.len() {
        0 => named(text, dictionaries(text, space).1, space),
        1 => found.remove(0).cells,
        several => Err(Wrong {
            start: found[0].start,
            found: format!("{several} genotypes ({})", listed(text, &found)),
            expected: "one; give it alone, or say which one of a file: @FILE:NAME or @FILE:LINE".to_owned(),
        }),
    }
}

/// Those that a name or a line number means.
fn chosen<'a>(text: &str, found: Vec<Candidate<'a>>, which: &str) -> Result<Vec<Candidate<'a>>, Wrong> {
    let list = listed(text, &found);
    let is_meant = |candidate: &Candidate<'_>| match which.parse::<usize>() {
        Ok(number) => line(text, candidate.start) == number,
        Err(_) => candidate.name == Some(which),
    };
    let meant: Vec<Candidate<'_>> = found.into_iter().filter(is_meant).collect();
    if !meant.is_empty() {
        return Ok(meant);
    }
    let list = if list.is_empty() { "none at all".to_owned() } else { list };
    Err(Wrong {
        start: 0,
        found: format!("no genotype `{which}`"),
        expected: format!("the name or the line of one that is there: {list}"),
    })
}

/// `DARTS_V1 (line 3), line 12, …`.
fn listed(text: &str, found: &[Candidate<'_>]) -> String {
    let describe = |candidate: &Candidate<'_>| {
        let line = line(text, candidate.start);
        candidate.name.map_or_else(|| format!("line {line}"), |name| format!("{name} (line {line})"))
    };
    let mut parts: Vec<String> = found.iter().take(LISTED).map(describe).collect();
    if let Some(last) = found.last().filter(|_| found.len() > LISTED) {
        // Of a log it is mostly the last one that is meant.
        parts.push(format!("…, the last {}", describe(last)));
    }
    parts.join(", ")
}

/// The line, from 1, that a byte is in.
pub(super) fn line(text: &str, byte: usize) -> usize {
    1 + text[..byte].matches('\n').count()
}

/// The published architecture of this space that the text is the name of.
fn named(text: &str, broken: Option<Wrong>, space: &CellSpace) -> Result<Cells, Wrong> {
    let tokens = tokens(text);
    match tokens.as_slice() {
        [Placed { token: Token::Name(name), start }, end] if end.token == Token::End => {
            match published::of_space(&space.name).find(|known| known.is_called(name)) {
                Some(known) => cells(known.text, None, space),
                None => Err(Wrong {
                    start: *start,
                    found: format!("the unknown name {}", Token::Name(name).describe()),
                    expected: format!(
                        "`Genotype(…)` or a published architecture; {}",
                        suggest::hint(name, published::of_space(&space.name).map(|known| known.name))
                    ),
                }),
            }
        }
        [numbers @ .., _] if !numbers.is_empty() && numbers.iter().all(is_number_or_mark) => {
            integers(&tokens, space).map(|genotype| Cells::from(&genotype))
        }
        _ => Err(broken.unwrap_or_else(|| {
            wrong(
                tokens[0],
                "`Genotype(…)`, its fields as a dictionary, 28 integers, a NAS-Bench-301 dictionary, or the name of a \
                 published architecture",
            )
        })),
    }
}

/// Every `Genotype(`.
fn calls<'a>(text: &'a str, space: &CellSpace) -> Vec<Candidate<'a>> {
    let word = "Genotype";
    let is_call = |&start: &usize| {
        let part_of_a_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        !text[..start].ends_with(part_of_a_word) && text[start + word.len()..].trim_start().starts_with('(')
    };
    let starts: Vec<usize> = text.match_indices(word).map(|(start, _)| start).filter(is_call).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let candidate = |(&start, end): (&usize, usize)| {
        let (tokens, behind) = group(text, start, end);
        let has_field = matches!(tokens.get(2).map(|placed| placed.token), Some(Token::Name(name)) if FIELDS.contains(&name));
        let mut cells = call(&unwrapped(&tokens), space);
        // Something is done with it, so that the value is another one: `Genotype(…)._replace(…)`.
        let mut letters = text[behind..].chars();
        let (first, second) = (letters.next(), letters.next());
        if matches!(first, Some('[' | '('))
            || first == Some('.') && second.is_some_and(|c| c.is_alphabetic() || c == '_')
        {
            let next = Lexer::new(text, behind).token();
            cells = cells.and_then(|_| Err(wrong(next, "nothing that changes the genotype")));
        }
        Candidate { start, name: name_before(text, start), cells, is_clear: has_field }
    };
    starts.iter().zip(ends).map(candidate).collect()
}

/// The tokens from `start` until its first bracket is closed, and the byte behind them; [`Token::End`] where it is not
/// closed before `end`.
fn group(text: &str, start: usize, end: usize) -> (Vec<Placed<'_>>, usize) {
    let mut lexer = Lexer::new(text, start);
    let (mut tokens, mut depth) = (Vec::new(), 0_usize);
    loop {
        let placed = lexer.token();
        tokens.push(placed);
        match placed.token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') if depth <= 1 => break,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            Token::End => break,
            // The next candidate's word stays, so that a message names it.
            _ if lexer.next >= end => break,
            _ => {}
        }
    }
    tokens.push(Placed { token: Token::End, start: lexer.next });
    (tokens, lexer.next)
}

/// The lines that begin with `#`, as Python's comments do.
fn comments(text: &str) -> Vec<Range<usize>> {
    let mut comments = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('#') {
            comments.push(start..start + line.len());
        }
        start += line.len();
    }
    comments
}

/// What stands before `=` or `:` in front of a value, if that is a name.
fn name_before(text: &str, start: usize) -> Option<&str> {
    // The value may be a quoted text.
    let before = text[..start].trim_end_matches(['\'', '"']).trim_end();
    let before = before.strip_suffix(['=', ':'])?.trim_end();
    if let Some(quote) = before.chars().next_back().filter(|last| matches!(last, '\'' | '"')) {
        let inside = &before[..before.len() - 1];
        return inside.rfind(quote).map(|open| &inside[open + 1..]);
    }
    let is_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    let begin = before
        .rfind(|letter| !is_word(letter))
        .map_or(0, |place| place + before[place..].chars().next().map_or(1, char::len_utf8));
    match &before[begin..] {
        "" => None,
        // The annotation of `DARTS: Genotype = Genotype(…)`.
        "Genotype" => name_before(text, begin),
        name => Some(name),
    }
}

/// An open bracket.
struct Open {
    mark: char,
    /// Its place among the tokens.
    token: usize,
    keys: Keys,
    /// Whether a genotype stands inside, so that it is none itself.
    holds_one: bool,
}

/// What a dictionary's own keys say that it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Keys {
    Unknown,
    NasBench,
    Fields,
}

/// The dictionaries whose keys say that they are genotypes, and, for where there is none, what is wrong with the first
/// dictionary.
fn dictionaries<'a>(text: &'a str, space: &CellSpace) -> (Vec<Candidate<'a>>, Option<Wrong>) {
    let (mut found, mut broken) = (Vec::new(), None);
    let mut next = 0;
    while let Some(start) = text[next..].find('{').map(|place| next + place) {
        let mut lexer = Lexer::new(text, start);
        let mut tokens: Vec<Placed<'_>> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut problem = None;
        loop {
            let placed = lexer.token();
            match placed.token {
                Token::Mark(mark @ ('(' | '[' | '{')) => {
                    open.push(Open { mark, token: tokens.len(), keys: Keys::Unknown, holds_one: false });
                }
                Token::Mark(':') => {
                    if let (Some(Token::Text(key)), Some(dictionary)) = (
                        tokens.last().map(|placed| placed.token),
                        open.last_mut().filter(|open| open.mark == '{'),
                    ) {
                        dictionary.keys = dictionary.keys.max(keys(key));
                    }
                }
                _ => {}
            }
            tokens.push(placed);
            if let Token::Mark(')' | ']' | '}') | Token::End = placed.token {
                let Some(Open { mark, token, keys, holds_one }) = open.pop() else { break };
                let close = closing(mark);
                if placed.token != Token::Mark(close) {
                    problem = Some(wrong(placed, &format!("`{close}`")));
                    break;
                }
                let is_one = !holds_one && keys != Keys::Unknown;
                if is_one {
                    found.push(candidate(text, keys, &tokens[token..], space));
                }
                match open.last_mut() {
                    Some(outer) => outer.holds_one |= holds_one || is_one,
                    None => break,
                }
            }
        }
        next = lexer.next;
        broken = broken.or(problem).or_else(|| {
            Some(Wrong {
                start,
                found: "a dictionary that is no genotype".to_owned(),
                expected: format!(
                    "the keys {}, or those of NAS-Bench-301 (edge_normal_0 and so on)",
                    FIELDS.join(", ")
                ),
            })
        });
    }
    (found, broken)
}

fn keys(key: &str) -> Keys {
    match key {
        _ if FIELDS.contains(&key) => Keys::Fields,
        _ if nasbench::is_key(key) => Keys::NasBench,
        _ => Keys::Unknown,
    }
}

fn candidate<'a>(text: &'a str, keys: Keys, tokens: &[Placed<'a>], space: &CellSpace) -> Candidate<'a> {
    let start = tokens[0].start;
    let end = tokens.last().map_or(start, |placed| placed.start + 1);
    let mut tokens = unwrapped(tokens);
    tokens.push(Placed { token: Token::End, start: end });
    let cells = match keys {
        Keys::Fields => dictionary(&tokens, space),
        _ => nasbench::genotype(&tokens).map(|genotype| Cells::from(&genotype)),
    };
    Candidate { start, name: name_before(text, start), cells, is_clear: true }
}

fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// Lists of 28 integers in brackets.
fn integer_lists<'a>(text: &'a str, space: &CellSpace) -> Vec<Candidate<'a>> {
    let tokens = unwrapped(&tokens(text));
    let (mut found, mut depth, mut first) = (Vec::new(), 0_usize, 0);
    for (index, placed) in tokens.iter().enumerate() {
        match placed.token {
            Token::Mark('(' | '[') => {
                if depth == 0 {
                    first = index;
                }
                depth += 1;
            }
            Token::Mark(')' | ']') if depth == 1 => {
                depth = 0;
                if is_integers(&tokens[first..index]) {
                    let start = tokens[first].start;
                    let mut list = tokens[first..=index].to_vec();
                    list.push(Placed { token: Token::End, start: placed.start + 1 });
                    found.push(Candidate {
                        start,
                        name: name_before(text, start),
                        cells: integers(&list, space).map(|genotype| Cells::from(&genotype)),
                        is_clear: true,
                    });
                }
            }
            Token::Mark(')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

fn is_number_or_mark(placed: &Placed<'_>) -> bool {
    matches!(placed.token, Token::Number(_) | Token::Mark('(' | ')' | '[' | ']' | ','))
}

/// Whether a list holds nothing but the integers of a genotype.
fn is_integers(list: &[Placed<'_>]) -> bool {
    let numbers = list.iter().filter_map(|placed| match placed.token {
        Token::Number(digits) => Some(digits.parse::<usize>().is_ok_and(|n| n < Operation::ALL.len())),
        _ => None,
    });
    list.iter().all(is_number_or_mark)
        && numbers.clone().count() == 2 * EDGES
        && numbers.clone().all(|valid| valid)
}
