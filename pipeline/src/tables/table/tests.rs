//! Texts as people's programs write them, and texts that are no tables.

use super::*;

fn table(text: impl AsRef<[u8]>) -> InputTable {
    InputTable::parse(Path::new("t.csv"), text.as_ref().to_vec()).unwrap()
}

fn problem(text: impl AsRef<[u8]>) -> String {
    InputTable::parse(Path::new("t.csv"), text.as_ref().to_vec()).unwrap_err()
}

#[test]
fn lines_are_the_editors_whatever_ends_them() {
    for end in ["\n", "\r\n", "\r"] {
        let lines = ["arch,acc", "0,1.5", "", "1,2.5", "", "\"a", "b\",3.5", "2,4.5"];
        for last in [end, ""] {
            let table = table(lines.join(end) + last);
            let found: Vec<usize> = table.rows().map(|row| table.line(row, 0)).collect();
            assert_eq!(found, [2, 4, 6, 8], "{end:?}");
            assert_eq!(table.line(2, 1), 7, "{end:?}: a cell behind one of two lines");
            assert_eq!(table.cell(3, 1), "4.5");
        }
    }
    let stated = table("\u{feff}sep=;\r\narch;acc\r\n0;1\r\n");
    assert_eq!((stated.line(0, 0), stated.headings()), (3, &["arch".to_owned(), "acc".to_owned()][..]));
}

#[test]
fn headings_and_cells_lose_what_is_only_layout() {
    let table = table("\u{feff}\"arch\" ,\"test\nacc\",\n 0 , 1.5 ,\n,,\n , ,\n");
    assert_eq!(table.headings(), ["arch", "test acc", ""]);
    assert_eq!((table.cell(0, 0), table.cell(0, 1), table.rows()), ("0", "1.5", 0..1));
}

#[test]
fn semicolons_tabs_and_decimal_commas() {
    let german = table("lr;r_s\n0,03;0,5\n0,1;NA\n");
    assert_eq!((german.delimiter, german.decimal), (Delimiter::Semicolon, Decimal::Comma));
    assert_eq!(german.numbers(0, &[0, 1]).unwrap(), [Some(0.03), Some(0.1)]);
    assert_eq!(german.numbers(1, &[1, 0]).unwrap(), [None, Some(0.5)]);
    assert_eq!(german.source().dialect().unwrap(), "semicolons between cells and decimal commas");
    let tabs = table("lr\tr_s\n0.03\t0.5\n");
    assert_eq!((tabs.delimiter, tabs.decimal), (Delimiter::Tab, Decimal::Point));
    assert_eq!(tabs.numbers(0, &[0]).unwrap(), [Some(0.03)]);
    // 1.234 is most likely 1234 in a table that writes 0,5: never read as 1.234.
    let old_mac = table("lr;r_s\r0,03;0,5\r");
    assert_eq!(
        (old_mac.delimiter, old_mac.numbers(0, &[0]).unwrap()),
        (Delimiter::Semicolon, vec![Some(0.03)])
    );
    let mixed = table("params;r_s\n999;0,5\n1.234;0,6\n");
    let message = mixed.numbers(0, &[0, 1]).unwrap_err().to_string();
    assert!(message.contains("line 3, column params: \"1.234\""), "{message}");
}

#[test]
fn a_bad_cell_is_refused_where_it_is_read_and_only_there() {
    let table = table("a,b,c\n1,x,\n2,y,\n91.2%,z,\n");
    let message = table.numbers(0, &[0, 1, 2]).unwrap_err().to_string();
    assert_eq!(
        message,
        "t.csv: line 4, column a: \"91.2%\" is not a number; write numbers without a percent sign"
    );
    assert_eq!(table.numbers(0, &[0, 1]).unwrap(), [Some(1.0), Some(2.0)]);
    assert_eq!(table.values(2, &[0, 1, 2]).unwrap(), None);
    let texts = Values::Texts(vec![Some("x"), Some("z")]);
    assert_eq!(table.values(1, &[0, 2]).unwrap(), Some(texts));
}

#[test]
fn one_text_among_numbers_makes_no_column_of_texts() {
    let table = table("a,b\n1,none\n12O,flip\n3,\n");
    let message = table.values(0, &[0, 1, 2]).unwrap_err().to_string();
    assert!(message.contains("line 3, column a: \"12O\""), "{message}");
    let texts = Values::Texts(vec![Some("none"), Some("flip"), None]);
    assert_eq!(table.values(1, &[0, 1, 2]).unwrap(), Some(texts));
}

#[test]
fn what_is_no_table_says_why() {
    for (text, part) in [
        ("", "empty"),
        (" \n\n", "empty"),
        ("arch,acc\n", "no rows"),
        ("arch,acc\n,\n , \n", "no rows"),
        ("sep=;\n", "no headings"),
        ("arch,acc,acc\n0,1,2\n", "line 1: columns 2 and 3 are both called acc"),
        ("arch,\"test\nacc\",test acc\n0,1,2\n", "columns 2 and 3 are both called test acc"),
        ("0,61.2\n1,63.5\n", "line 1 has no headings but numbers"),
        ("arch,acc\n0,1\n1,2,3\n", "line 3: 3 cells, but 2 headings; quote cells that contain commas"),
        ("arch,acc,n\na, \"1,5\",2\n", "line 2: 4 cells, but 3 headings; let no space stand before a quote"),
        ("arch;acc\n0\n", "line 2: 1 cell, but 2 headings; leave a cell empty"),
        ("arch;acc\n0;1;2\n", "line 2: 3 cells, but 2 headings; quote cells that contain semicolons"),
        ("arch  acc\n a    1\n b    2\n", "spaces stand between cells"),
        ("arch | acc\n--- | ---\na | 1\n", "bars stand between cells"),
        ("arch,acc\n0,1\n1,\"2\n2,3\n3,4\n", "line 3: a quote is opened and never closed"),
        ("arch,acc\n0,1\n\"1,2\n2,3\n", "line 3: a quote is opened and never closed"),
        ("\"arch,acc\n0,1\n", "line 1: a quote is opened and never closed"),
        ("acc\n1\n\n2\n", "line 3: empty; in a table of one column"),
    ] {
        let message = problem(text);
        assert!(message.contains(part), "{text:?}: {message}");
    }
    // What a library writes for a missing value in a table of one column.
    assert_eq!(table("acc\n1\n\"\"\n2\n").numbers(0, &[0, 1, 2]).unwrap(), [Some(1.0), None, Some(2.0)]);
}

#[test]
fn columns_are_found_by_heading_and_listed_when_not() {
    let few = table(",arch,acc\n0,1,2\n");
    assert_eq!(few.find("acc").unwrap(), 2);
    let message = few.find("Acc").unwrap_err().to_string();
    assert!(message.contains("no column \"Acc\"; the columns are arch, acc"), "{message}");
    assert!(few.find("").is_err());
    let headings: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
    let many = table(format!("{}\n{}\n", headings.join(","), ["1"; 50].join(",")));
    assert!(many.find("x").unwrap_err().to_string().ends_with("c29 and 20 more"));
    let one = table("test acc\n1\n");
    assert!(one.find("acc").unwrap_err().to_string().contains("cells end at commas"), "one column");
}

#[test]
fn cut_and_mutated_bytes_never_panic() {
    let text = "\u{feff}sep=;\r\narch;\"test\nacc\";n\r\n\"g;0\";0,5;1.5\r\n\r\ng1;;x%\r\n".as_bytes();
    for place in 0..text.len() {
        let _ = InputTable::parse(Path::new("t.csv"), text[..place].to_vec());
        for byte in [b'"', b'\r', b'\n', b';', b',', 0, 0xff] {
            let mut mutated = text.to_vec();
            mutated[place] = byte;
            if let Ok(table) = InputTable::parse(Path::new("t.csv"), mutated) {
                let rows: Vec<usize> = table.rows().collect();
                for column in 0..table.headings().len() {
                    let _ = table.values(column, &rows);
                }
            }
        }
    }
}
