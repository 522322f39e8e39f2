//! The grammar of genotype texts, and which of them a text holds. Nothing is evaluated; every mistake is an error with
//! its place.
//!
//! ```text
//! genotype   = NAME | "Genotype" "(" field "=" … ")" | "{" 'field' ":" … "}" | integers | dictionary (see `nasbench`)
//! field      = ("normal" | "reduce") cell | ("normal_concat" | "reduce_concat") concat
//! cell       = "[" node "," … "]" | "[" pair "," … "]"
//! node       = "[" { pair "," } "]"
//! pair       = "(" operation "," input ")"
//! concat     = "range" "(" first "," end ")" | "[" node's number "," … "]"
//! integers   = 28 integers from 0 to 7, in any brackets, with commas or spaces between them
//! ```
//! How many nodes and pairs there are, and what may be concatenated, is the space's business: the DARTS space has four
//! nodes, or eight pairs, and all nodes in its output. Integers and dictionaries are of that space only.
//!
//! Lists and pairs may be written with `[]` or `()`, quotes may be single or double, a last comma may follow, and values
//! may stand in what libraries print around them (`np.int64(1)`).

use super::lexer::{Placed, Token};
use super::{EDGES, Edge, Genotype, INPUTS, NODES, Operation};
use crate::architecture::{CellEdge, CellGraph, CellSpace, Cells, ConcatRule, NODES_MAX};
use crate::suggest;

/// Most edges into one node, where a space has no number for them.
const EDGES_MAX: usize = 64;

/// A mistake in a text.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// The byte of the text at which it was found.
    pub(super) start: usize,
    pub(super) found: String,
    pub(super) expected: String,
}

/// The error for a token that the grammar does not accept.
pub(super) fn wrong(placed: Placed<'_>, expected: &str) -> Wrong {
    let expected = match placed.token {
        Token::Unclosed(quote) => format!("a closing {quote} on this line"),
        Token::Stray(_) => "a name, a number, a quoted text or one of ()[]{},:=".to_owned(),
        _ => expected.to_owned(),
    };
    Wrong { start: placed.start, found: placed.token.describe(), expected }
}

/// A genotype's fields, in the order that they are written in. Cells are at even places.
pub(super) const FIELDS: [&str; 4] = ["normal", "normal_concat", "reduce", "reduce_concat"];

/// How fields are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `Genotype(normal=…)`.
    Call,
    /// `{'normal': …}`.
    Dictionary,
}

/// Reads `Genotype(…)`.
pub(super) fn call(tokens: &[Placed<'_>], space: &CellSpace) -> Result<Cells, Wrong> {
    let mut parser = Parser { tokens, next: 1, space };
    parser.expect('(', "after `Genotype`")?;
    parser.fields(Form::Call)
}

/// Reads a dictionary with a genotype's fields. Other keys are not a genotype's business.
pub(super) fn dictionary(tokens: &[Placed<'_>], space: &CellSpace) -> Result<Cells, Wrong> {
    Parser { tokens, next: 1, space }.fields(Form::Dictionary)
}

/// Reads the 28 integers, of which each is an edge: first those of the normal cell, node by node and input by input.
pub(super) fn integers(tokens: &[Placed<'_>], space: &CellSpace) -> Result<Genotype, Wrong> {
    let mut parser = Parser { tokens, next: 0, space };
    let mut genotype = Genotype::default();
    let edges = (0..NODES).flat_map(|node| (0..INPUTS + node).map(move |input| (node, input)));
    let slots = [false, true].into_iter().flat_map(|reduce| edges.clone().map(move |edge| (reduce, edge)));
    for (index, (reduce, (node, input))) in slots.enumerate() {
        parser.separators();
        let number = parser.integer(
            |value| value < Operation::ALL.len(),
            || format!("integer {} of {}, from 0 (max_pool_3x3) to 7 (none)", index + 1, 2 * EDGES),
        )?;
        let cell = if reduce { &mut genotype.reduce } else { &mut genotype.normal };
        cell.nodes[node].push(Edge { input, operation: Operation::ALL[number] });
    }
    parser.separators();
    match parser.peek().token {
        Token::End => Ok(genotype),
        _ => Err(parser.unexpected("nothing after the genotype")),
    }
}

struct Parser<'t, 'a> {
    /// Ends with [`Token::End`].
    tokens: &'t [Placed<'a>],
    next: usize,
    space: &'t CellSpace,
}

/// Nodes of an output, and where their list begins.
type Concat<'a> = (Vec<usize>, Placed<'a>);

impl<'a> Parser<'_, 'a> {
    /// The next token. The last one, [`Token::End`], is never passed.
    fn peek(&self) -> Placed<'a> {
        self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Placed<'a> {
        let placed = self.peek();
        self.next += 1;
        placed
    }

    fn unexpected(&self, expected: &str) -> Wrong {
        wrong(self.peek(), expected)
    }

    fn take_mark(&mut self, mark: char) -> bool {
        let found = self.peek().token == Token::Mark(mark);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char, context: &str) -> Result<(), Wrong> {
        if self.take_mark(mark) { Ok(()) } else { Err(self.unexpected(&format!("`{mark}` {context}"))) }
    }

    /// An opening bracket; returns the one that closes it.
    fn open(&mut self, expected: &str) -> Result<char, Wrong> {
        for (open, close) in [('[', ']'), ('(', ')')] {
            if self.take_mark(open) {
                return Ok(close);
            }
        }
        Err(self.unexpected(expected))
    }

    /// After an item of a list: whether the list goes on. A comma before the closing bracket is allowed.
    fn goes_on(&mut self, close: char) -> Result<bool, Wrong> {
        if self.take_mark(',') {
            return Ok(!self.take_mark(close));
        }
        self.expect(close, "or `,`").map(|()| false)
    }

    /// The fields and what closes them.
    fn fields(&mut self, form: Form) -> Result<Cells, Wrong> {
        let (is, close) = if form == Form::Call { ('=', ')') } else { (':', '}') };
        let (mut cells, mut concats, mut seen) = ([None, None], [None, None], [false; FIELDS.len()]);
        let mut more = true;
        while more {
            let key = match (form, self.peek().token) {
                (Form::Call, Token::Name(name)) | (Form::Dictionary, Token::Text(name)) => Some(name),
                _ => None,
            };
            let field = key.and_then(|key| FIELDS.iter().position(|known| *known == key));
            match field {
                Some(field) if !seen[field] => {
                    seen[field] = true;
                    self.take();
                    self.expect(is, "after the field's name")?;
                    if field % 2 == 0 {
                        cells[field / 2] = Some(self.cell()?);
                    } else {
                        concats[field / 2] = Some(self.concat()?);
                    }
                }
                None if form == Form::Dictionary => self.skip_entry(),
                _ => {
                    let expected = format!("one of the fields {}, each once", FIELDS.join(", "));
                    return Err(self.unexpected(&expected));
                }
            }
            let missing = seen.iter().position(|seen| !seen).map(|field| FIELDS[field]);
            if let Some(missing) = missing.filter(|_| self.peek().token != Token::Mark(',')) {
                let field =
                    if form == Form::Call { format!("{missing}=…") } else { format!("'{missing}': …") };
                return Err(self.unexpected(&format!("`, {field}`")));
            }
            more = self.goes_on(close)?;
        }
        let mut whole = |cell: usize| match (cells[cell].take(), concats[cell].take()) {
            (Some(nodes), Some(concat)) => self.with_output(nodes, concat),
            _ => Err(self.unexpected("all of a genotype's fields")),
        };
        Ok(Cells { normal: whole(0)?, reduce: whole(1)? })
    }

    /// A cell whose output is what its space says.
    fn with_output(&self, nodes: Vec<Vec<CellEdge>>, (concat, at): Concat<'a>) -> Result<CellGraph, Wrong> {
        let count = nodes.len();
        let cell = CellGraph { nodes, concat };
        let all = || (INPUTS..INPUTS + count).collect::<Vec<_>>();
        let (asked, why) = match self.space.concat {
            ConcatRule::All => (all(), "all nodes"),
            ConcatRule::LooseEnds => (cell.loose_ends(), "the nodes that nothing reads"),
            ConcatRule::Written => {
                let known = all();
                (
                    cell.concat.iter().copied().filter(|node| known.contains(node)).collect(),
                    "nodes of the cell",
                )
            }
        };
        if asked == cell.concat && !asked.is_empty() {
            return Ok(cell);
        }
        Err(wrong(at, &format!("{:?}, {why}", if asked.is_empty() { all() } else { asked })))
    }

    /// Passes an entry of a dictionary, whatever it holds.
    fn skip_entry(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek().token {
                Token::End => return,
                Token::Mark(',' | '}') if depth == 0 => return,
                Token::Mark('(' | '[' | '{') => depth += 1,
                Token::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.take();
        }
    }

    fn cell(&mut self) -> Result<Vec<Vec<CellEdge>>, Wrong> {
        let close = self.open("`[`, the list of the cell's nodes or pairs")?;
        let is_flat =
            matches!(self.tokens.get(self.next + 1).map(|placed| placed.token), Some(Token::Text(_)));
        let (item, per_node) =
            if is_flat { ("pair", self.space.inputs.unwrap_or(INPUTS)) } else { ("node", 1) };
        let slots = self.space.nodes.map(|nodes| nodes * per_node);
        let mut nodes: Vec<Vec<CellEdge>> = Vec::new();
        for slot in 0.. {
            if slot % per_node == 0 {
                if nodes.len() == NODES_MAX {
                    return Err(self.unexpected(&format!("at most {NODES_MAX} nodes")));
                }
                nodes.push(Vec::new());
            }
            let node = nodes.len() - 1;
            let edges = &mut nodes[node];
            if is_flat {
                self.pair(edges, node)?;
            } else {
                self.node(edges, node)?;
            }
            let done = slot + 1;
            match slots {
                Some(slots) if done == slots => {
                    self.take_mark(',');
                    self.expect(close, &format!("after a cell's {} {item}s", counted(slots)))?;
                    break;
                }
                Some(slots) => self.expect(',', &format!("and {item} {} of {slots}", done + 1))?,
                None if self.goes_on(close)? => {}
                None if done % per_node == 0 => break,
                None => {
                    return Err(self.unexpected(&format!("pairs in groups of {per_node}, one for each node")));
                }
            }
        }
        Ok(nodes)
    }

    fn node(&mut self, edges: &mut Vec<CellEdge>, node: usize) -> Result<(), Wrong> {
        let close = self.open("`[`, the list of a node's pairs")?;
        let mut more = !self.take_mark(close);
        while more {
            self.pair(edges, node)?;
            more = self.goes_on(close)?;
        }
        match self.space.inputs {
            Some(count) if edges.len() != count => {
                self.next -= 1;
                Err(self.unexpected(&format!("{} pairs in each node", counted(count))))
            }
            _ => Ok(()),
        }
    }

    fn pair(&mut self, edges: &mut Vec<CellEdge>, node: usize) -> Result<(), Wrong> {
        if edges.len() == EDGES_MAX {
            return Err(self.unexpected(&format!("at most {EDGES_MAX} pairs in a node")));
        }
        let close = self.open("`('operation', input)`")?;
        let primitive = named(
            self.take(),
            |name| self.space.operation(name),
            || self.space.operations.iter().map(|(name, _)| name.as_str()).collect(),
        )?;
        self.expect(',', "between operation and input")?;
        let input =
            self.integer(|input| input < INPUTS + node, || format!("an input below {}", INPUTS + node))?;
        if !self.space.repeats && edges.iter().any(|edge| edge.input == input) {
            self.next -= 1;
            return Err(self.unexpected(&format!("an input that node {} does not read yet", INPUTS + node)));
        }
        edges.push(CellEdge { input, primitive });
        self.take_mark(',');
        self.expect(close, "after the input")
    }

    fn integer(
        &mut self,
        valid: impl Fn(usize) -> bool,
        expected: impl Fn() -> String,
    ) -> Result<usize, Wrong> {
        let placed = self.take();
        let value = match placed.token {
            Token::Number(digits) => digits.parse().ok().filter(|&value| valid(value)),
            _ => None,
        };
        value.ok_or_else(|| wrong(placed, &expected()))
    }

    /// The nodes of an output. Where they are all that the space has, a wrong one is told at its place.
    fn concat(&mut self) -> Result<Concat<'a>, Wrong> {
        let at = self.peek();
        let all = self.space.nodes.filter(|_| self.space.concat == ConcatRule::All);
        let bound = INPUTS + self.space.nodes.unwrap_or(NODES_MAX);
        let must_be = |node: usize| move || format!("{node}: a cell's output is all of its nodes");
        if at.token == Token::Name("range") {
            self.take();
            self.expect('(', "after `range`")?;
            let (first, end) = if all.is_some() {
                let first = self.integer(|value| value == INPUTS, must_be(INPUTS))?;
                self.expect(',', "between the bounds of `range`")?;
                (first, self.integer(|value| value == bound, must_be(bound))?)
            } else {
                let first = self.integer(|value| value >= INPUTS && value < bound, || in_cell(bound))?;
                self.expect(',', "between the bounds of `range`")?;
                let end = |value: usize| value > first && value <= bound;
                (first, self.integer(end, || format!("an end above {first} and up to {bound}"))?)
            };
            self.expect(')', "after the bounds of `range`")?;
            return Ok(((first..end).collect(), at));
        }
        let nodes: Vec<String> = (INPUTS..bound).map(|node| node.to_string()).collect();
        let close = self.open(&format!("`range({INPUTS}, {bound})` or `[{}]`", nodes.join(", ")))?;
        if all.is_some() {
            for node in INPUTS..bound {
                self.integer(|value| value == node, must_be(node))?;
                if node + 1 < bound {
                    self.expect(',', "between nodes")?;
                }
            }
            self.take_mark(',');
            self.expect(close, &format!("after node {}", bound - 1))?;
            return Ok(((INPUTS..bound).collect(), at));
        }
        let mut concat: Vec<usize> = Vec::new();
        loop {
            let least = concat.last().map_or(INPUTS, |last| last + 1);
            concat.push(self.integer(
                |value| value >= least && value < bound,
                || format!("{}, in ascending order", in_cell(bound)),
            )?);
            if !self.goes_on(close)? {
                return Ok((concat, at));
            }
        }
    }

    fn separators(&mut self) {
        while matches!(self.peek().token, Token::Mark('[' | ']' | '(' | ')' | ',')) {
            self.take();
        }
    }
}

/// The operation of the DARTS space that a quoted text names.
pub(super) fn operation(placed: Placed<'_>) -> Result<Operation, Wrong> {
    named(placed, Operation::from_name, || Operation::ALL.map(Operation::name).into())
}

/// What a quoted text names.
fn named<'n, T>(
    placed: Placed<'_>,
    find: impl Fn(&str) -> Option<T>,
    known: impl Fn() -> Vec<&'n str>,
) -> Result<T, Wrong> {
    match placed.token {
        Token::Text(name) => find(name)
            .ok_or_else(|| wrong(placed, &format!("an operation; {}", suggest::hint(name, known())))),
        _ => Err(wrong(placed, &format!("a quoted operation, one of {}", known().join(", ")))),
    }
}

fn in_cell(bound: usize) -> String {
    format!("a node from {INPUTS} to {}", bound - 1)
}

/// A small number as a word.
fn counted(count: usize) -> String {
    const WORDS: [&str; 11] =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}
