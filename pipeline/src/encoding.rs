//! From a file's bytes to its text. What is no UTF-8 is named by what it most likely is.

/// What stands at the start of files that are no text, and what to do about each.
const OTHERS: [(&[u8], &str); 5] = [
    (b"PK\x03\x04", "an Excel workbook or another zip archive; save the table as CSV UTF-8"),
    (b"\x1f\x8b", "compressed by gzip; unpack it first"),
    (b"PAR1", "Parquet; save the table as CSV"),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
];
const UTF_16: &str = "UTF-16 text, as Excel's `Unicode Text` is; save it as UTF-8";
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a file, without a byte order mark.
///
/// # Errors
/// What the file is instead, and what to do about it.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, String> {
    if let Some((_, what)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Err(format!("this is {what}"));
    }
    // Without a mark, UTF-16 shows in the zeros beside its letters.
    let start = &bytes[..bytes.len().min(64)];
    if start.len() > 1 && start.split(|&byte| byte == 0).count() > 1 + start.len() / 4 {
        return Err(format!("this is {UTF_16}"));
    }
    let line = |until: &[u8]| 1 + breaks(until);
    if let Some(place) = bytes.iter().position(|&byte| byte == 0) {
        return Err(format!("line {}: a zero byte, which no text has", line(&bytes[..place])));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let until = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        format!(
            "line {}: not UTF-8 but most likely Latin-1 or a Windows code page; save it as UTF-8",
            line(until)
        )
    })?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok(text)
}

/// How many lines end in a part of a text, as CR LF, LF or CR.
pub(crate) fn breaks(part: &[u8]) -> usize {
    let ends =
        |place: &usize| part[*place] == b'\n' || part[*place] == b'\r' && part.get(place + 1) != Some(&b'\n');
    (0..part.len()).filter(ends).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(decode(b"\xef\xbb\xbf\"arch\",acc\n".to_vec()).unwrap(), "\"arch\",acc\n");
    }

    #[test]
    fn what_is_no_utf_8_is_named() {
        let utf_16 = |mark: &[u8], text: &str| {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            mark.iter().copied().chain(units).collect::<Vec<u8>>()
        };
        for (bytes, part) in [
            (utf_16(b"\xff\xfe", "arch,acc\n0,1\n"), "UTF-16"),
            (utf_16(b"", "arch,acc\n0,1\n"), "UTF-16"),
            (utf_16(b"", "x"), "UTF-16"),
            (b"\0".to_vec(), "line 1: a zero byte"),
            (b"PK\x03\x04\x14\x00".to_vec(), "Excel workbook"),
            (b"\x1f\x8b\x08\x00".to_vec(), "gzip"),
            (b"arch,acc\ncaf\xe9,1\n".to_vec(), "line 2: not UTF-8"),
            ([&[b'a'; 100][..], b"\n\0"].concat(), "line 2: a zero byte"),
        ] {
            let message = decode(bytes).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
