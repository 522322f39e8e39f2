//! Architectures as texts: of every space, by name, and where texts are wrong.

use super::*;
use crate::random::Random;

const NASNET: &str = "Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), ('sep_conv_3x3', 0), \
    ('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0), ('sep_conv_3x3', 1), \
    ('skip_connect', 1)], normal_concat=[2, 3, 4, 5, 6], reduce=[('sep_conv_5x5', 1), ('sep_conv_7x7', 0), \
    ('max_pool_3x3', 1), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3), \
    ('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)], reduce_concat=[4, 5, 6])";

fn space(name: &str) -> CellSpace {
    CellSpace::named(name).unwrap()
}

fn read(text: &str, name: &str) -> Result<Architecture, String> {
    Architecture::read(text, None, Some(&space(name))).map_err(|error| error.to_string())
}

#[test]
fn every_published_text_is_read_and_written_back() {
    for known in &published::PUBLISHED {
        let architecture = Architecture::read(known.name, None, None).unwrap();
        assert_eq!(read(known.text, known.space).unwrap(), architecture, "{}", known.name);
        assert_eq!(architecture.genotype().is_some(), known.space == "darts", "{}", known.name);
        // The names of operations are theirs in every space, so that what is written is read by the space of all.
        assert_eq!(read(&architecture.to_string(), "any").unwrap(), architecture, "{}", known.name);
        let canonical = architecture.cells().unwrap().canonical();
        assert_eq!(canonical.canonical(), canonical);
    }
    assert_eq!(Architecture::read("nasnet-a", None, None).unwrap().to_string(), NASNET);
}

#[test]
fn names_mean_cells_and_networks() {
    for network in NamedNetwork::ALL {
        let architecture = Architecture::read(network.name(), None, None).unwrap();
        assert_eq!(architecture, Architecture::Network(network));
        assert_eq!(Architecture::read(&network.name().to_lowercase(), None, None).unwrap(), architecture);
    }
    let error = Architecture::read("NASNETA_B", None, None).unwrap_err().to_string();
    assert!(error.contains("did you mean `NASNET_A`?") && error.contains("DenseNet-BC"), "{error}");
}

#[test]
fn cells_of_the_darts_space_are_that_in_whichever_form() {
    let darts: Genotype = "DARTS_V2".parse().unwrap();
    let text = darts.to_string();
    assert_eq!(read(&text, "any").unwrap(), Architecture::Darts(darts.clone()));
    assert_eq!(Architecture::read(&text, None, None).unwrap(), Architecture::Darts(darts));
    let mut random = Random::new(0, "cells", 0);
    for genotype in crate::sample::architectures(random.below(1000), 20) {
        let cells = Cells::from(&genotype);
        assert_eq!(cells.genotype(), Some(genotype.clone()));
        assert_eq!(read(&cells.to_string(), "any").unwrap(), Architecture::Darts(genotype));
    }
}

#[test]
fn lists_of_nodes_are_read_as_pairs_are() {
    let nested = "Genotype(normal=[[('skip_connect', 0)], [('conv_3x3', 2), ('conv_3x1_1x3', 1), ('none', 0)]], \
                  normal_concat=[3], reduce=[[('max_pool_2x2', 0), ('max_pool_5x5', 0)]], reduce_concat=range(2, 3))";
    let Architecture::Cells(cells) = read(nested, "any").unwrap() else { unreachable!() };
    assert_eq!((cells.normal.nodes.len(), cells.reduce.nodes.len()), (2, 1));
    assert_eq!((&cells.normal.concat, &cells.reduce.concat), (&vec![3], &vec![2]));
    assert_eq!(cells.canonical().normal.nodes[1].len(), 2);
}

#[test]
fn of_a_text_with_several_one_is_chosen_in_any_space() {
    let text = format!("A = {NASNET}\nB = {}\n", NASNET.replacen("sep_conv_5x5", "conv_3x3", 1));
    let chosen = |which| Architecture::read(&text, which, Some(&space("nasnet")));
    assert!(chosen(None).unwrap_err().to_string().contains("2 genotypes"));
    assert_eq!(chosen(Some("A")).unwrap().to_string(), NASNET);
    assert_ne!(chosen(Some("2")).unwrap().to_string(), NASNET);
}

#[test]
fn mistakes_are_placed_and_explained() {
    let replaced = |from: &str, to: &str| NASNET.replacen(from, to, 1);
    for (text, name, message) in [
        (replaced("('avg_pool_3x3', 1), ", ""), "nasnet", "found `]`, expected `,` and pair 10 of 10"),
        (replaced("[4, 5, 6]", "[2, 4, 5, 6]"), "nasnet", "expected [4, 5, 6], the nodes that nothing reads"),
        (replaced("[4, 5, 6]", "[4, 5, 7]"), "nasnet", "found `7`, expected a node from 2 to 6"),
        (
            replaced("[4, 5, 6]", "[4, 4, 6]"),
            "nasnet",
            "found `4`, expected a node from 2 to 6, in ascending order",
        ),
        (replaced("[4, 5, 6]", "range(4, 8)"), "nasnet", "found `8`, expected an end above 4 and up to 7"),
        (replaced("[4, 5, 6]", "[]"), "nasnet", "found `]`, expected a node from 2 to 6"),
        (replaced("sep_conv_7x7", "sep_conv_9x9"), "nasnet", "an operation; did you mean"),
        (replaced("sep_conv_7x7', 0", "sep_conv_7x7', 2"), "nasnet", "found `2`, expected an input below 2"),
        (NASNET.to_owned(), "darts", "expected an input that node 3 does not read yet"),
        (NASNET.to_owned(), "enas", "found 'sep_conv_7x7', expected an operation"),
        (
            "Genotype(normal=[], normal_concat=[2], reduce=[], reduce_concat=[2])".to_owned(),
            "any",
            "expected `[`",
        ),
        (format!("Genotype(normal=[{}]", "[],".repeat(20)), "any", "expected at most 12 nodes"),
        (format!("Genotype(normal=[[{}]]", "('none', 0),".repeat(70)), "any", "expected at most 64 pairs"),
        (
            "Genotype(normal=[('none', 0)], ".to_owned(),
            "any",
            "expected pairs in groups of 2, one for each node",
        ),
        (
            "Genotype(normal=[[('none', 0)]], normal_concat=[5], reduce=[[]], reduce_concat=[2])".to_owned(),
            "any",
            "found `[`, expected [2], nodes of the cell",
        ),
        ("DARTS_V2".to_owned(), "nasnet", "known: NASNET_A"),
    ] {
        let error = read(&text, name).unwrap_err();
        assert!(error.contains(message), "{text}\n{error}\nshould say: {message}");
    }
}

#[test]
fn cut_and_mutated_texts_never_panic() {
    let mut random = Random::new(0, "mutated cells", 0);
    let letters: Vec<char> = NASNET.chars().collect();
    for _ in 0..2000 {
        let mut text = letters.clone();
        for _ in 0..=random.below(3) {
            let (place, other) =
                (random.below(text.len() as u64) as usize, random.below(letters.len() as u64) as usize);
            match random.below(3) {
                0 => text[place] = letters[other],
                1 => text.truncate(place.max(1)),
                _ => drop(text.remove(place.min(text.len() - 1))),
            }
            if text.is_empty() {
                break;
            }
        }
        let text: String = text.into_iter().collect();
        for name in CellSpace::names() {
            if let Ok(architecture) = read(&text, name) {
                assert_eq!(read(&architecture.to_string(), "any").as_ref(), Ok(&architecture), "{text}");
            }
        }
    }
}
