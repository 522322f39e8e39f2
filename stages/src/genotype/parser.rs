//! The grammar of genotype texts. Nothing is evaluated; every mistake is an error with its place.
//!
//! ```text
//! genotype = NAME | "Genotype" "(" field { "," field } ")" | integers | dictionary (see `nasbench`)
//! field    = ("normal" | "reduce") "=" cell | ("normal_concat" | "reduce_concat") "=" concat
//! cell     = "[" node "," node "," node "," node "]" | "[" pair "," … eight pairs … "]"
//! node     = "[" { pair "," } "]"
//! pair     = "(" operation "," input ")"
//! concat   = "range" "(" "2" "," "6" ")" | "[" "2" "," "3" "," "4" "," "5" "]"
//! integers = 28 integers from 0 to 7, in any brackets, with commas or spaces between them
//! ```
//! Lists and pairs may be written with `[]` or `()`, quotes may be single or double, a last comma may follow.

use super::lexer::{Placed, Token, tokens};
use super::{Cell, EDGES, Edge, Genotype, INPUTS, NAMED, NODES, Operation, nasbench};
use crate::{Error, suggest};

/// Reads any text form of a genotype.
pub(super) fn genotype(text: &str) -> Result<Genotype, Error> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, next: 0 };
    match (tokens[0].token, tokens.get(1).map(|placed| placed.token)) {
        (Token::Name("Genotype"), _) => parser.fields(),
        (Token::Mark('{'), _) | (Token::Name("Configuration"), Some(Token::Mark('('))) => {
            nasbench::genotype(&tokens)
        }
        (Token::Mark('(' | '[') | Token::Number(_), _) => parser.integers(),
        (Token::Name(name), Some(Token::End)) => named(name),
        _ => Err(parser.unexpected(
            "`Genotype(…)`, 28 integers, a NAS-Bench-301 dictionary, or the name of a published architecture",
        )),
    }
}

fn named(name: &str) -> Result<Genotype, Error> {
    match NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, text)) => genotype(text),
        None => Err(Error::Genotype {
            position: 1,
            found: format!("the unknown name `{name}`"),
            expected: format!(
                "`Genotype(…)` or a published architecture; {}",
                suggest::hint(name, NAMED.iter().map(|(known, _)| *known))
            ),
        }),
    }
}

struct Parser<'t, 'a> {
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

    fn unexpected(&self, expected: &str) -> Error {
        wrong(self.peek(), expected)
    }

    fn take_mark(&mut self, mark: char) -> bool {
        let found = self.peek().token == Token::Mark(mark);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char, context: &str) -> Result<(), Error> {
        if self.take_mark(mark) { Ok(()) } else { Err(self.unexpected(&format!("`{mark}` {context}"))) }
    }

    /// An opening bracket; returns the one that closes it.
    fn open(&mut self, expected: &str) -> Result<char, Error> {
        for (open, close) in [('[', ']'), ('(', ')')] {
            if self.take_mark(open) {
                return Ok(close);
            }
        }
        Err(self.unexpected(expected))
    }

    /// After an item of a list: whether the list goes on. A comma before the closing bracket is allowed.
    fn goes_on(&mut self, close: char) -> Result<bool, Error> {
        if self.take_mark(',') {
            return Ok(!self.take_mark(close));
        }
        self.expect(close, "or `,`").map(|()| false)
    }

    fn fields(&mut self) -> Result<Genotype, Error> {
        self.take();
        self.expect('(', "after `Genotype`")?;
        let names = ["normal", "normal_concat", "reduce", "reduce_concat"];
        let (mut cells, mut seen) = ([None, None], [false; 4]);
        let mut more = true;
        while more {
            let expected = format!("one of the fields {}, each once", names.join(", "));
            let field = match self.peek().token {
                Token::Name(name) => names.iter().position(|known| *known == name),
                _ => None,
            };
            let Some(field) = field.filter(|&field| !seen[field]) else {
                return Err(self.unexpected(&expected));
            };
            seen[field] = true;
            self.take();
            self.expect('=', "after the field's name")?;
            if field % 2 == 0 {
                cells[field / 2] = Some(self.cell()?);
            } else {
                self.concat()?;
            }
            if seen == [true; 4] || self.peek().token != Token::Mark(',') {
                more = false;
            } else {
                self.take();
            }
        }
        if let Some(missing) = seen.iter().position(|seen| !seen) {
            return Err(self.unexpected(&format!("`, {}=…`", names[missing])));
        }
        self.take_mark(',');
        self.expect(')', "after the last field")?;
        self.end()?;
        let [normal, reduce] = cells.map(Option::unwrap_or_default);
        Ok(Genotype { normal, reduce })
    }

    fn end(&self) -> Result<(), Error> {
        if self.peek().token == Token::End {
            Ok(())
        } else {
            Err(self.unexpected("nothing after the genotype"))
        }
    }

    fn cell(&mut self) -> Result<Cell, Error> {
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

    fn node(&mut self, edges: &mut Vec<Edge>, node: usize) -> Result<(), Error> {
        let close = self.open("`[`, the list of a node's pairs")?;
        let mut more = !self.take_mark(close);
        while more {
            self.pair(edges, node)?;
            more = self.goes_on(close)?;
        }
        Ok(())
    }

    fn pair(&mut self, edges: &mut Vec<Edge>, node: usize) -> Result<(), Error> {
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
    ) -> Result<usize, Error> {
        let placed = self.take();
        let value = match placed.token {
            Token::Number(digits) => digits.parse().ok().filter(|&value| valid(value)),
            _ => None,
        };
        value.ok_or_else(|| wrong(placed, &expected()))
    }

    fn concat(&mut self) -> Result<(), Error> {
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

    fn integers(&mut self) -> Result<Genotype, Error> {
        let mut genotype = Genotype::default();
        let edges = (0..NODES).flat_map(|node| (0..INPUTS + node).map(move |input| (node, input)));
        let slots =
            [false, true].into_iter().flat_map(|reduce| edges.clone().map(move |edge| (reduce, edge)));
        for (index, (reduce, (node, input))) in slots.enumerate() {
            self.separators();
            let number = self.integer(
                |value| value < Operation::ALL.len(),
                || format!("integer {} of {}, from 0 (max_pool_3x3) to 7 (none)", index + 1, 2 * EDGES),
            )?;
            let cell = if reduce { &mut genotype.reduce } else { &mut genotype.normal };
            cell.nodes[node].push(Edge { input, operation: Operation::ALL[number] });
        }
        self.separators();
        self.end()?;
        Ok(genotype)
    }

    fn separators(&mut self) {
        while matches!(self.peek().token, Token::Mark('[' | ']' | '(' | ')' | ',')) {
            self.take();
        }
    }
}

/// The operation that a quoted text names.
pub(super) fn operation(placed: Placed<'_>) -> Result<Operation, Error> {
    let names = || Operation::ALL.map(Operation::name);
    match placed.token {
        Token::Text(name) => Operation::from_name(name)
            .ok_or_else(|| wrong(placed, &format!("an operation; {}", suggest::hint(name, names())))),
        _ => Err(wrong(placed, &format!("a quoted operation, one of {}", names().join(", ")))),
    }
}

/// The error for a token that the grammar does not accept.
pub(super) fn wrong(placed: Placed<'_>, expected: &str) -> Error {
    let Placed { token, position } = placed;
    Error::Genotype { position, found: token.describe(), expected: expected.to_owned() }
}
