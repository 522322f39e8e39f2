//! Genotypes as people have them: in logs, in Python files, in dumps of settings, and several at once.

use super::*;

#[test]
fn values_may_stand_in_what_libraries_print_around_them() {
    let genotype = sample::architecture(0, 3);
    let replaced = |text: &str, number: &dyn Fn(usize) -> String| {
        (0..6).fold(text.to_owned(), |text, n| {
            text.replace(&format!(", {n})]"), &format!(", {})]", number(n)))
                .replace(&format!(", {n}),"), &format!(", {}),", number(n)))
        })
    };
    let text = genotype.to_string();
    for text in [
        replaced(&text, &|n| format!("np.int64({n})")),
        replaced(&text, &|n| format!("tensor({n})")),
        replaced(&text, &|n| format!("tensor({n}, device='cuda:0', dtype=torch.int32)")),
        replaced(&flat(&genotype), &|n| format!("numpy.int32( {n} )")),
        replaced(&text, &|n| format!("array({n})")).replace("range(2, 6)", "list(range(2, 6))"),
        text.replace("('", "(np.str_('").replace("', ", "'), "),
        text.replace("range(2, 6)", "list(range(np.int64(2), 6))"),
        text.replace("range(2, 6)", "tuple([2, 3, 4, 5])"),
        text.replace("[[(", "list([[(").replace(")]], ", ")]]), "),
    ] {
        assert_eq!(parse(&text), genotype, "{text}");
    }
    let numbers = integers(&genotype);
    for text in [
        format!("tensor({numbers:?}, device='cuda:0')"),
        format!("arch = np.array({numbers:?})"),
        format!("array({})", format!("{numbers:?}").replace(", ", " ")),
    ] {
        assert_eq!(parse(&text).canonical(), genotype.canonical(), "{text}");
    }
    for (wrong, message) in [
        (text.replacen(", 1)", ", foo(1))", 1), "found `foo`, expected an input below 2"),
        (text.replacen(", 1)", ", np.int64(1])", 1), "found `]`, expected"),
        (text.replacen(", 1)", ", np.int64)", 1), "found `np.int64`, expected an input"),
        (text.replacen(", 1)", ", np.float64(1.0))", 1), "found `np.float64`, expected an input"),
    ] {
        let error = wrong.parse::<Genotype>().unwrap_err().to_string();
        assert!(error.contains(message), "{error}\nshould say: {message}");
    }
}

#[test]
fn fields_may_be_those_of_a_dictionary() {
    let genotype = sample::architecture(0, 4);
    for (quote, flat) in [('"', false), ('"', true), ('\'', false), ('\'', true)] {
        let fields = fields(&genotype, quote, flat);
        for text in [
            format!("{{{fields}}}"),
            format!("{{{fields},}}"),
            format!(
                "{{{quote}epoch{quote}: 3, {fields}, {quote}history{quote}: [{{{quote}a{quote}: (1, [2])}}, 'é\\\'}}']}}"
            ),
            format!("{{{quote}genotype{quote}: {{{fields}}}, {quote}accuracy{quote}: 97.43}}\n"),
            format!("2026-11-03 INFO it's {{x}} best = {{{fields}}} after 3 h"),
            format!("dict(genotype=OrderedDict({{{fields}}}))"),
        ] {
            assert_eq!(parse(&text), genotype, "{text}");
        }
        for (text, message) in [
            (format!("{{{fields}"), "found the end of the text, expected `}`"),
            (format!("{{{}}}", fields.replace("_concat", "_conct")), "expected `, 'normal_concat': …`"),
            (format!("{{{fields}, {quote}normal{quote}: []}}"), "expected one of the fields normal"),
            (
                format!("{{{}}}", fields.replace("[2, 3", "[3")),
                "expected 2: a cell's output is all of its nodes",
            ),
            (format!("{{{quote}genotype{quote}: 3}}"), "found a dictionary that is no genotype"),
        ] {
            let error = text.parse::<Genotype>().unwrap_err().to_string();
            assert!(error.contains(message), "{text}\n{error}\nshould say: {message}");
        }
    }
}

#[test]
fn what_stands_around_a_genotype_is_skipped() {
    let genotype = sample::architecture(0, 5);
    let (text, list) = (genotype.to_string(), format!("{:?}", integers(&genotype)));
    for (before, after) in [
        ("2026-11-03 13:25:46,379 genotype = ", "\n"),
        ("\u{feff}", "\r\n"),
        ("# found with seed 2, it's 97.43 %\nPC_DARTS_cifar = ", "\n# (the best)\n"),
        (
            "from collections import namedtuple\nGenotype = namedtuple('Genotype', 'normal normal_concat')\n\nA = ",
            "\n\nB = A\n",
        ),
        ("class Genotype(NamedTuple):\n    normal: list\n\nA: Genotype = ", ""),
        ("INFO [epoch 3] <(°_°)> \"best\": \"", "\", it isn't over"),
        ("| 3 | `", "` | 97.43 |"),
        ("genotypes.", "."),
        ("don't use: ", " # but's fine"),
    ] {
        assert_eq!(parse(&format!("{before}{text}{after}")), genotype, "{before}…{after}");
    }
    let in_lines = text.replace(", ", ",\r\n    # next, it's\r\n  ");
    assert_eq!(parse(&format!("A = {in_lines}")), genotype);
    assert_eq!(parse(&format!("#{text}")), genotype, "there is no other");
    assert_eq!(parse(&format!("# {NESTED}\nA = {text}\n")), genotype, "a comment is no choice");
    assert_eq!(parse(&format!("A = {text}\nB = {text}\n")), genotype, "there is nothing to choose");
    for text in
        [format!("2026-11-03 13:25:46,379 [INFO] arch: {list}, 91.2"), format!("a = {list} # (it's)\n")]
    {
        assert_eq!(parse(&text).canonical(), genotype.canonical(), "{text}");
    }
    assert_eq!(parse("# the second order\nDARTS_V2\n"), parse("DARTS_V2"));
    // Around a NAS-Bench-301 dictionary too.
    let sampled = format!("[2026] sampled {} (try 3)", dictionary(&genotype, '\''));
    assert_eq!(parse(&sampled).canonical(), genotype.canonical());
}

#[test]
fn of_several_genotypes_none_is_taken_unasked() {
    let genotypes = sample::architectures(6, 7);
    let [first, second, last] = [0, 1, 6].map(|place: usize| &genotypes[place]);
    let file = format!(
        "Genotype = namedtuple('Genotype', 'normal reduce')\n\nONE = {first}\n\nTWO = {second}\n\
         WIDE = Genotype(normal=[('sep_conv_7x7', 1)], normal_concat=[4])\n"
    );
    let error = |text: &str, which| read(text, which).unwrap_err().to_string();
    let message = error(&file, None);
    assert!(
        message
            .contains("line 3, character 7: found 3 genotypes (ONE (line 3), TWO (line 5), WIDE (line 6))"),
        "{message}"
    );
    assert!(message.contains("@FILE:NAME or @FILE:LINE"), "{message}");
    for (which, expected) in [("ONE", first), ("TWO", second), ("3", first), ("5", second)] {
        assert_eq!(read(&file, Some(which)).as_ref().unwrap(), expected, "{which}");
    }
    assert!(error(&file, Some("WIDE")).contains("found 'sep_conv_7x7'"));
    for which in ["THREE", "4", "", "0", "one"] {
        let message = error(&file, Some(which));
        assert!(
            message.contains(&format!("found no genotype `{which}`")) && message.contains("ONE (line 3)"),
            "{message}"
        );
    }
    // A log repeats names, so that lines tell them apart.
    let log: String = genotypes
        .iter()
        .map(|genotype| format!("epoch\n13:25 genotype = {genotype}\n"))
        .collect::<Vec<_>>()
        .concat();
    let message = error(&log, None);
    assert!(
        message.contains("found 7 genotypes (genotype (line 2), ")
            && message.contains("the last genotype (line 14))"),
        "{message}"
    );
    assert!(error(&log, Some("genotype")).contains("found 7 genotypes"));
    assert_eq!(read(&log, Some("14")).as_ref().unwrap(), last);
    // Dictionaries and lists are choices too.
    let json =
        format!("{{\"a\": {{{}}},\n\"b\": {{{}}}}}", fields(first, '"', false), fields(last, '"', false));
    assert!(error(&json, None).contains("found 2 genotypes (a (line 1), b (line 2))"));
    assert_eq!(read(&json, Some("b")).as_ref().unwrap(), last);
    assert!(error(&format!("{json} {second}"), None).contains("found 3 genotypes"));
    let lists = format!("{:?}\n{:?}", integers(first), integers(last));
    assert!(error(&lists, None).contains("found 2 genotypes (line 1, line 2)"));
    assert_eq!(read(&lists, Some("2")).unwrap().canonical(), last.canonical());
    let nasbench = format!("{}\n{}", dictionary(first, '"'), dictionary(last, '"'));
    assert!(error(&nasbench, None).contains("found 2 genotypes"));
    assert_eq!(read(&nasbench, Some("2")).unwrap().canonical(), last.canonical());
    // All of them are another question, and then each counts once.
    for text in [&log, &json, &lists, &nasbench] {
        let all = read_all(text).unwrap();
        let ends = [all.first().unwrap(), all.last().unwrap()].map(Genotype::canonical);
        assert_eq!(ends, [first.canonical(), last.canonical()]);
    }
    assert_eq!(read_all(&log).unwrap().len(), 7);
    assert_eq!(read_all("DARTS_V2").unwrap().len(), 1);
    let twice = read_all(&format!("{log}{first}")).unwrap_err().to_string();
    assert!(twice.contains("line 15") && twice.contains("of line 2, ") && twice.contains("once"), "{twice}");
    assert!(read_all(&file).unwrap_err().to_string().contains("found 'sep_conv_7x7'"));
    assert!(read_all("no genotype").is_err() && read_all("").is_err());
}
