//! The grammar of genotype texts, and which of them a text holds. Nothing is evaluated; every mistake is an error with
//! its place.
//!
//! ```text
//! genotype   = NAME | "Genotype" "(" field "=" … ")" | "{" 'field' ":" … "}" | integers | dictionary (see `nasbench`)
//! field      = ("normal" | "reduce") cell | ("normal_concat" | "reduce_concat") concat
//! cell       = "[" node "," node "," node "," node "]" | "[" pair "," … eight pairs … "]"
//! node       = "[" { pair "," } "]"
//! pair       = "(" operation "," input ")"
//! concat     = "range" "(" "2" "," "6" ")" | "[" "2" "," "3" "," "4" "," "5" "]"
//! integers   = 28 integers from 0 to 7, in any brackets, with commas or spaces between them
//! ```
//! Lists and pairs may be written with `[]` or `()`, quotes may be single or double, a last comma may follow, and values
//! may stand in what libraries print around them (`np.int64(1)`).

use super::lexer::{Placed, Token};
use super::{Cell, EDGES, Edge, Genotype, INPUTS, NODES, Operation};
use crate::suggest;

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
pub(super) fn call(tokens: &[Placed<'_>]) -> Result<Genotype, Wrong> {
    let mut parser = Parser { tokens, next: 1 };
    parser.expect('(', "after `Genotype`")?;
    parser.fields(Form::Call)
}

/// Reads a dictionary with a genotype's fields. Other keys are not a genotype's business.
pub(super) fn dictionary(tokens: &[Placed<'_>]) -> Result<Genotype, Wrong> {
    Parser { tokens, next: 1 }.fields(Form::Dictionary)
}

/// Reads the 28 integers, of which each is an edge: first those of the normal cell, node by node and input by input.
pub(super) fn integers(tokens: &[Placed<'_>]) -> Result<Genotype, Wrong> {
    let mut parser = Parser { tokens, next: 0 };
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
}

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
    fn fields(&mut self, form: Form) -> Result<Genotype, Wrong> {
        let (is, close) = if form == Form::Call { ('=', ')') } else { (':', '}') };
        let (mut cells, mut seen) = ([None, None], [false; FIELDS.len()]);
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
                        self.concat()?;
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
        let [normal, reduce] = cells.map(Option::unwrap_or_default);
        Ok(Genotype { normal, reduce })
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

    fn cell(&mut self) -> Result<Cell, Wrong> {
        let close = self.open("`[`, the list of the cell's nodes or pairs")?;
        let is_flat =
            matches!(self.tokens.get(self.next + 1).map(|placed| placed.token), Some(Token::Text(_)));
        let mut cell = Cell::default();
        let slots = if is_flat { 2 * NODES } else { NODES };
        for slot in 0..slots {
            if is_flat {
                self.pair(&mut cell.nodes[slot / 2], slot / 2)?;
            } else {
                self.node(&mut cell.nodes[slot], slot)?;
            }
            let last = slot + 1 == slots;
            if last {
                self.take_mark(',');
                let whole = if is_flat { "eight pairs" } else { "four nodes" };
                self.expect(close, &format!("after a cell's {whole}"))?;
            } else {
                let item = if is_flat { "pair" } else { "node" };
                self.expect(',', &format!("and {item} {} of {slots}", slot + 2))?;
            }
        }
        Ok(cell)
    }

    fn node(&mut self, edges: &mut Vec<Edge>, node: usize) -> Result<(), Wrong> {
        let close = self.open("`[`, the list of a node's pairs")?;
        let mut more = !self.take_mark(close);
        while more {
            self.pair(edges, node)?;
            more = self.goes_on(close)?;
        }
        Ok(())
    }

    fn pair(&mut self, edges: &mut Vec<Edge>, node: usize) -> Result<(), Wrong> {
        let close = self.open("`('operation', input)`")?;
        let operation = operation(self.take())?;
        self.expect(',', "between operation and input")?;
        let input =
            self.integer(|input| input < INPUTS + node, || format!("an input below {}", INPUTS + node))?;
        if edges.iter().any(|edge| edge.input == input) {
            self.next -= 1;
            return Err(self.unexpected(&format!("an input that node {} does not read yet", INPUTS + node)));
        }
        edges.push(Edge { input, operation });
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

    fn concat(&mut self) -> Result<(), Wrong> {
        let outputs = INPUTS..INPUTS + NODES;
        if self.peek().token == Token::Name("range") {
            self.take();
            self.expect('(', "after `range`")?;
            self.integer(|value| value == outputs.start, || "2: a cell's output is all of its nodes".into())?;
            self.expect(',', "between the bounds of `range`")?;
            self.integer(|value| value == outputs.end, || "6: a cell's output is all of its nodes".into())?;
            return self.expect(')', "after the bounds of `range`");
        }
        let close = self.open("`range(2, 6)` or `[2, 3, 4, 5]`")?;
        for node in outputs.clone() {
            self.integer(|value| value == node, || format!("{node}: a cell's output is all of its nodes"))?;
            if node + 1 < outputs.end {
                self.expect(',', "between nodes")?;
            }
        }
        self.take_mark(',');
        self.expect(close, "after node 5")
    }

    fn separators(&mut self) {
        while matches!(self.peek().token, Token::Mark('[' | ']' | '(' | ')' | ',')) {
            self.take();
        }
    }
}

/// The operation that a quoted text names.
pub(super) fn operation(placed: Placed<'_>) -> Result<Operation, Wrong> {
    let names = || Operation::ALL.map(Operation::name);
    match placed.token {
        Token::Text(name) => Operation::from_name(name)
            .ok_or_else(|| wrong(placed, &format!("an operation; {}", suggest::hint(name, names())))),
        _ => Err(wrong(placed, &format!("a quoted operation, one of {}", names().join(", ")))),
    }
}
