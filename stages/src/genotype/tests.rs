//! Round trips through every text form, and texts that must be refused.

use super::*;
use crate::architecture::published;
use crate::random::Random;
use crate::sample;

mod around;

const NESTED: &str = "Genotype(normal=[[('avg_pool_3x3', 0), ('dil_conv_5x5', 1)], [('max_pool_3x3', 0), \
    ('avg_pool_3x3', 1)], [('max_pool_3x3', 0), ('avg_pool_3x3', 3)], [('sep_conv_5x5', 0), ('dil_conv_3x3', 1)]], \
    normal_concat=range(2, 6), reduce=[[('dil_conv_5x5', 1), ('dil_conv_3x3', 0)], [('dil_conv_3x3', 2), \
    ('max_pool_3x3', 0)], [('dil_conv_3x3', 3), ('sep_conv_3x3', 2)], [('dil_conv_3x3', 3), ('dil_conv_5x5', 1)]], \
    reduce_concat=range(2, 6))";

fn parse(text: &str) -> Genotype {
    text.parse().unwrap()
}

/// A genotype whose nodes have between no and all inputs, in any order, with any operation.
fn random_genotype(random: &mut Random) -> Genotype {
    let mut cell = || Cell {
        nodes: std::array::from_fn(|node| {
            let mut inputs: Vec<usize> = (0..INPUTS + node).collect();
            random.shuffle(&mut inputs);
            inputs.truncate(random.below(INPUTS as u64 + node as u64 + 1) as usize);
            let edge = |input| Edge { input, operation: Operation::ALL[random.below(8) as usize] };
            inputs.into_iter().map(edge).collect()
        }),
    };
    let normal = cell();
    Genotype { normal, reduce: cell() }
}

fn cell_edges(cell: &Cell) -> impl Iterator<Item = (usize, Edge)> {
    cell.nodes.iter().enumerate().flat_map(|(node, edges)| edges.iter().map(move |edge| (node, *edge)))
}

/// The flat text of a genotype with two edges a node.
fn flat(genotype: &Genotype) -> String {
    let cell = |cell: &Cell| {
        let pairs = cell_edges(cell).map(|(_, edge)| format!("(\"{}\", {})", edge.operation, edge.input));
        format!("[{}]", pairs.collect::<Vec<_>>().join(", "))
    };
    let (normal, reduce) = (cell(&genotype.normal), cell(&genotype.reduce));
    format!(
        "Genotype(normal={normal}, normal_concat=[2, 3, 4, 5], reduce={reduce}, reduce_concat=[2, 3, 4, 5])"
    )
}

/// The 28 integers of a genotype; edges that it does not have are `none`.
fn integers(genotype: &Genotype) -> Vec<usize> {
    let mut numbers = vec![7; 2 * EDGES];
    for (first, cell) in [(0, &genotype.normal), (EDGES, &genotype.reduce)] {
        for (node, edge) in cell_edges(cell) {
            // Node i has i + 2 edges, so i·(i + 3)/2 stand before its own.
            numbers[first + node * (node + 3) / 2 + edge.input] = edge.operation as usize;
        }
    }
    numbers
}

/// A NAS-Bench-301 dictionary, with settings around it as real files have them.
fn dictionary(genotype: &Genotype, quote: char) -> String {
    let mut entries = vec![format!("{quote}OptimizerSelector:sgd:momentum{quote}: 0.9")];
    for (name, cell) in [("normal", &genotype.normal), ("reduce", &genotype.reduce)] {
        for (node, edges) in cell.nodes.iter().enumerate() {
            let inputs: Vec<String> = edges.iter().map(|edge| edge.input.to_string()).collect();
            if node > 0 {
                let (number, inputs) = (node + 2, inputs.join("_"));
                let key = format!("NetworkSelectorDatasetInfo:darts:inputs_node_{name}_{number}");
                entries.push(format!("{quote}{key}{quote}: {quote}{inputs}{quote}"));
            }
            for edge in edges {
                let number = node * (node + 3) / 2 + edge.input;
                let key = format!("NetworkSelectorDatasetInfo:darts:edge_{name}_{number}");
                entries.push(format!("{quote}{key}{quote}: {quote}{}{quote}", edge.operation));
            }
        }
    }
    entries.push(format!("{quote}ImageAugmentation:cutout{quote}: True, {quote}eta_min{quote}: 1e-08"));
    format!("{{{}}}", entries.join(", "))
}

/// A genotype's fields as JSON or as a Python dictionary, flat or nested.
fn fields(genotype: &Genotype, quote: char, flat: bool) -> String {
    let cell = |cell: &Cell| {
        let pair = |edge: &Edge| format!("[{quote}{}{quote}, {}]", edge.operation, edge.input);
        let node = |edges: &Vec<Edge>| edges.iter().map(pair).collect::<Vec<_>>().join(", ");
        let nodes = cell.nodes.iter().map(node);
        let nodes =
            if flat { nodes.collect::<Vec<_>>() } else { nodes.map(|node| format!("[{node}]")).collect() };
        format!("[{}]", nodes.join(", "))
    };
    let (normal, reduce) = (cell(&genotype.normal), cell(&genotype.reduce));
    [
        ("reduce", reduce),
        ("normal", normal),
        ("normal_concat", "[2, 3, 4, 5]".into()),
        ("reduce_concat", "[2,3,4,5]".into()),
    ]
    .map(|(key, value)| format!("{quote}{key}{quote}: {value}"))
    .join(", ")
}

#[test]
fn nested_text_is_read_and_written_back() {
    let genotype = parse(NESTED);
    assert_eq!(genotype.to_string(), NESTED);
    assert_eq!(genotype.reduce.nodes[0][0], Edge { input: 1, operation: Operation::DilConv5x5 });
}

#[test]
fn any_genotype_survives_nested_text() {
    let mut random = Random::new(1, "genotypes", 0);
    for _ in 0..500 {
        let genotype = random_genotype(&mut random);
        assert_eq!(parse(&genotype.to_string()), genotype);
        let canonical = genotype.canonical();
        assert_eq!(canonical.canonical(), canonical);
        assert_eq!(parse(&canonical.to_string()), canonical);
    }
}

#[test]
fn all_text_forms_mean_the_same() {
    for genotype in sample::architectures(3, 200) {
        let canonical = genotype.canonical();
        assert_eq!(parse(&flat(&genotype)), genotype);
        assert_eq!(parse(&format!("{:?}", integers(&genotype))).canonical(), canonical);
        let with_both_inputs = |cell: &Cell| cell.nodes[0].iter().map(|edge| edge.input).sum::<usize>() == 1;
        assert!(with_both_inputs(&genotype.normal), "node 2 of a sample reads both inputs");
        // The dictionary has no order for node 2.
        assert_eq!(parse(&dictionary(&genotype, '"')).canonical(), canonical);
        assert_eq!(parse(&dictionary(&genotype, '\'')).canonical(), canonical);
    }
}

#[test]
fn integers_may_be_bracketed_and_separated_in_any_way() {
    let numbers = integers(&sample::architecture(0, 0));
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    let expected = parse(&words.join(" "));
    let halves = format!("[[{}], [{}]]", words[..14].join(", "), words[14..].join(", "));
    for text in [words.join(","), format!("({})", words.join(" , ")), halves, format!(" {numbers:?}\n")] {
        assert_eq!(parse(&text), expected, "{text}");
    }
    assert_eq!(integers(&expected), numbers);
    assert_eq!(
        expected.normal.nodes[3].len(),
        5,
        "`none` is an edge of this form until it is made canonical"
    );
}

#[test]
fn dictionaries_may_be_wrapped_and_nested() {
    let genotype = sample::architecture(0, 1);
    let inner = dictionary(&genotype, '\'');
    for text in [format!("Configuration(values={inner})"), format!("{{'config': {inner}, 'budget': [1, 2]}}")]
    {
        assert_eq!(parse(&text).canonical(), genotype.canonical(), "{text}");
    }
    let renamed =
        inner.replace("NetworkSelectorDatasetInfo:darts:", "NetworkSelectorDatasetInfo_COLON_darts_COLON_");
    assert_eq!(parse(&renamed).canonical(), genotype.canonical());
}

#[test]
fn white_space_quotes_brackets_and_last_commas_are_free() {
    let spaced = NESTED.replace(['(', '['], "\n( ").replace([')', ']'], " ,)\t").replace('\'', "\"");
    let spaced = spaced.replacen("\n( ", "(", 1).replace("range\n( 2, 6 ,)", "[2,3,4,5,]");
    assert_eq!(parse(&spaced), parse(NESTED));
    assert_eq!(parse(&NESTED.replace("range(2, 6)", "(2, 3, 4, 5)")), parse(NESTED));
}

#[test]
fn published_names_are_known() {
    assert_eq!(parse("darts_v2").normal.nodes[3][1], Edge { input: 2, operation: Operation::DilConv3x3 });
    for known in published::of_space("darts") {
        assert_eq!(parse(&known.name.to_lowercase().replace('_', "-")), parse(known.text), "{}", known.name);
    }
}

#[test]
fn canonical_form_sorts_edges_and_drops_none() {
    let mut genotype = Genotype::default();
    let edge = |input, operation| Edge { input, operation };
    genotype.normal.nodes[1] =
        vec![edge(2, Operation::SkipConnect), edge(1, Operation::None), edge(0, Operation::SepConv3x3)];
    let expected = [edge(0, Operation::SepConv3x3), edge(2, Operation::SkipConnect)];
    assert_eq!(genotype.canonical().normal.nodes[1], expected);
}

#[test]
fn mistakes_are_placed_and_explained() {
    let replaced = |from: &str, to: &str| NESTED.replacen(from, to, 1);
    for (text, message) in [
        (String::new(), "character 1: found the end of the text, expected `Genotype(…)`"),
        (
            "DARTS_V3".into(),
            "character 1: found the unknown name `DARTS_V3`, expected `Genotype(…)` or a published",
        ),
        (
            replaced("avg_pool_3x3", "avg_pol_3x3"),
            "character 20: found 'avg_pol_3x3', expected an operation; did you mean `avg_pool_3x3`?",
        ),
        (replaced("', 0)", "', 2)"), "character 36: found `2`, expected an input below 2"),
        (replaced("', 0)", "', -1)"), "found `-1`, expected an input below 2"),
        (
            replaced("'dil_conv_5x5', 1", "'dil_conv_5x5', 0"),
            "character 57: found `0`, expected an input that node 2 does not read yet",
        ),
        (
            replaced("normal_concat=range(2, 6)", "normal_concat=range(2, 7)"),
            "found `7`, expected 6: a cell's output is all of its nodes",
        ),
        (
            replaced("normal_concat=range(2, 6)", "normal_concat=[3, 4, 5]"),
            "found `3`, expected 2: a cell's output is all",
        ),
        (replaced(", normal_concat=range(2, 6)", ""), "expected `, normal_concat=…`"),
        (replaced("reduce=", "normal="), "found `normal`, expected one of the fields"),
        (replaced("reduce=", "reduced="), "found `reduced`, expected one of the fields"),
        (
            format!("{NESTED}._replace(normal=[])"),
            "found `._replace`, expected nothing that changes the genotype",
        ),
        (format!("{NESTED}[0]"), "found `[`, expected nothing that changes the genotype"),
        (replaced("), ('dil", ") ('dil"), "found `(`, expected `]` or `,`"),
        (replaced("'avg", "avg"), "character 20: found `avg_pool_3x3`, expected a quoted operation"),
        (
            replaced("3x3'", "3x3\n'"),
            "line 1, character 20: found a quote that is never closed, expected a closing ' on this line",
        ),
        ("[1, 2, 3]".into(), "character 10: found the end of the text, expected integer 4 of 28"),
        (
            format!("{:?}", [8; 28]),
            "character 2: found `8`, expected integer 1 of 28, from 0 (max_pool_3x3) to 7 (none)",
        ),
        (format!("{:?}", [0; 29]), "found `0`, expected nothing after the genotype"),
        ("Genotype(normal=%".into(), "character 17: found `%`, expected a name"),
        ("Genotype(normal=\u{1b}".into(), r"character 17: found `\u{1b}`, expected a name"),
        ("Genotype(normal=# none".into(), "character 23: found the end of the text, expected `[`"),
        ("Genotype()".into(), "character 10: found `)`, expected one of the fields normal, normal_concat"),
        (
            "class Genotype(NamedTuple):".into(),
            "character 16: found `NamedTuple`, expected one of the fields",
        ),
        (
            "{}".into(),
            "character 1: found a dictionary that is no genotype, expected the keys normal, normal_concat, reduce, \
             reduce_concat, or those of NAS-Bench-301",
        ),
        (
            "{'normal': [], 'normal': []}".into(),
            "character 13: found `]`, expected `[`, the list of a node's pairs",
        ),
        (
            "2026-11-03 13:25:46,379 accuracy 91.2".into(),
            "character 1: found `2026-11-03`, expected `Genotype(…)`",
        ),
        ("it's\n\n  Genotype(normal=(), ".into(), "line 3, character 20: found `)`, expected `[`"),
        ("{'a': [}".into(), "character 8: found `}`, expected `]`"),
        ("{'edge_normal_14': 'none'}".into(), "found 'edge_normal_14', expected an edge from 0 to 13"),
        ("{'inputs_node_reduce_6': '0_1'}".into(), "expected a node from 2 to 5"),
        ("{'edge_normal_0': 'none', 'edge_normal_0': 'none'}".into(), "expected each key once"),
    ] {
        let error = text.parse::<Genotype>().unwrap_err().to_string();
        assert!(
            error.starts_with("genotype, ") && error.contains(message),
            "{text}\n{error}\nshould say: {message}"
        );
    }
    let dictionary = dictionary(&sample::architecture(0, 0), '"');
    for (from, to, message) in [
        (
            "_node_normal_3\": \"",
            "_node_normal_3\": \"7_",
            "expected different inputs below 3, written like '0_1'",
        ),
        ("inputs_node_normal_4", "elsewhere", "expected the key inputs_node_normal_4"),
        ("edge_reduce_0\"", "elsewhere\"", "expected the key edge_reduce_0, the operation from 0 to 2"),
    ] {
        let error = dictionary.replacen(from, to, 1).parse::<Genotype>().unwrap_err().to_string();
        assert!(error.contains(message), "{error}\nshould say: {message}");
    }
}

#[test]
fn cut_and_mutated_texts_never_panic() {
    let genotype = sample::architecture(0, 2);
    let texts = [
        genotype.to_string(),
        flat(&genotype),
        format!("{:?}", integers(&genotype)),
        dictionary(&genotype, '"'),
        format!("{{{}}}", fields(&genotype, '"', false)),
        format!("3 % of 'it\n# x\nA = {genotype}")
            .replace("range", "list(range")
            .replace("6)", "np.int64(6)))"),
    ];
    let alphabet: Vec<char> = "()[]{},:='\"0719_-. eé∞\n#\\\u{feff}".chars().collect();
    let mut random = Random::new(2, "mutations", 0);
    for text in &texts {
        for (end, _) in text.char_indices() {
            // The integers need no bracket at their end; nothing else may be missing.
            let whole = text.starts_with('[') && text[end..] == *"]";
            assert_eq!(text[..end].parse::<Genotype>().is_ok(), whole, "{}", &text[..end]);
        }
        for _ in 0..3000 {
            let mut mutated: Vec<char> = text.chars().collect();
            for _ in 0..=random.below(3) {
                let place = random.below(mutated.len() as u64) as usize;
                let letter = alphabet[random.below(alphabet.len() as u64) as usize];
                match random.below(3) {
                    0 => mutated[place] = letter,
                    1 => mutated.insert(place, letter),
                    _ => drop(mutated.remove(place)),
                }
            }
            let mutated: String = mutated.into_iter().collect();
            if let Ok(read) = mutated.parse::<Genotype>() {
                assert_eq!(parse(&read.to_string()), read);
            }
        }
    }
    let nested = format!("{}{}", "{'normal':".repeat(50_000), "}".repeat(50_000));
    assert!(nested.parse::<Genotype>().is_err());
    for long in
        ["[(", "{", "{(", "Genotype(", "Genotype(normal=[", "'", "{'normal':", "1, ", "#", "tensor(", "é"]
    {
        let deep = long.repeat(100_000);
        assert!(deep.parse::<Genotype>().is_err());
        assert!(format!("{{'a': {deep}").parse::<Genotype>().is_err());
    }
}
