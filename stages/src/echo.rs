//! How messages repeat what a person gave: a text of theirs may be long, and a terminal must not obey it.

use std::fmt::Display;

/// Most characters of a text that is repeated, and of a line that is written.
const TEXT_LONGEST: usize = 200;
const LINE_LONGEST: usize = 2000;

/// A text in one line, its control characters as escapes.
pub fn one_line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_command(letter) {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// What a message shows of a text or path of a person's, in one line: control characters as escapes, and the middle of
/// a long text left out.
pub fn shown(text: impl Display) -> String {
    shown_within(text, TEXT_LONGEST)
}

/// The same in at most so many characters, for one of many texts in a line.
pub fn shown_within(text: impl Display, longest: usize) -> String {
    cut(one_line(&text.to_string()), longest)
}

/// A whole message without control characters but those that end its lines, and without lines that nobody reads.
pub fn printable(message: &str) -> String {
    message.split('\n').map(|line| cut(one_line(line), LINE_LONGEST)).collect::<Vec<_>>().join("\n")
}

/// Whether a terminal takes a character for something to do: controls, and marks that turn the direction of text.
fn is_command(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Keeps both ends of a text that is too long: the end is what tells paths apart, and says what to do.
fn cut(text: String, longest: usize) -> String {
    let length = text.chars().count();
    if length <= longest {
        return text;
    }
    let end = longest / 3;
    let head: String = text.chars().take(longest - end - 1).collect();
    let tail: String = text.chars().skip(length - end).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_told_nothing() {
        assert_eq!(shown("a\u{1b}[2Jb\r\nc\u{7}\u{9b}"), r"a\u{1b}[2Jb\r\nc\u{7}\u{9b}");
        assert_eq!(shown("gpj.exe\u{202e}"), r"gpj.exe\u{202e}");
        assert_eq!(shown("größe=3, 'ø', C:\\x\t"), "größe=3, 'ø', C:\\x\\t");
        assert_eq!(printable("one\u{1b}\ntwo\r"), "one\\u{1b}\ntwo\\r");
    }

    #[test]
    fn long_texts_keep_both_ends() {
        let text = format!("begin{}end", "ä".repeat(100_000));
        let cut = shown(&text);
        assert_eq!(cut.chars().count(), TEXT_LONGEST);
        assert!(cut.starts_with("beginä") && cut.ends_with("äend") && cut.contains('…'), "{cut}");
        assert_eq!(shown_within("0123456789", 7), "0123…89");
        let whole = "x".repeat(TEXT_LONGEST);
        assert_eq!(shown(&whole), whole);
        let lines = printable(&format!("{text}\nshort"));
        assert_eq!(lines.lines().map(|line| line.chars().count()).collect::<Vec<_>>(), [LINE_LONGEST, 5]);
    }
}
