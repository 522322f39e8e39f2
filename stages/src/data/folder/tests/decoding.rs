//! Pictures of every kind, and what is no picture.

use std::path::Path;

use super::super::decode::{check_header, decode};

fn made(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("data/pictures").join(name)).unwrap()
}

/// Greatest difference from Pillow in the mean of a quarter: coded colours are interpolated and rounded in different ways.
fn tolerance(name: &str) -> f64 {
    match name {
        "subsampled.jpg" | "lossy.webp" => 6.0,
        name if name.ends_with("jpg") || name.ends_with("JPEG") => 1.0,
        _ => 0.6,
    }
}

#[test]
fn pictures_of_every_kind_are_what_pillow_sees() {
    let mut table = csv::Reader::from_path("data/pictures/expected.csv").unwrap();
    let mut count = 0;
    for row in table.records() {
        let row = row.unwrap();
        let (name, numbers) = (&row[0], row.iter().skip(1).map(|cell| cell.parse::<f64>().unwrap()));
        let numbers: Vec<f64> = numbers.collect();
        let bytes = made(name);
        check_header(&bytes).unwrap();
        let picture = decode(&bytes).unwrap();
        let (width, height) = (picture.width, picture.height);
        assert_eq!([width as f64, height as f64], numbers[..2], "{name}");
        let (part_width, part_height) = (width.div_ceil(2), height.div_ceil(2));
        for (index, &expected) in numbers[2..].iter().enumerate() {
            let (quarter, channel) = (index / 3, index % 3);
            let (top, left) = (quarter / 2 * (height / 2), quarter % 2 * (width / 2));
            let values = (top..top + part_height)
                .flat_map(|y| (left..left + part_width).map(move |x| 3 * (y * width + x) + channel))
                .map(|place| f64::from(picture.rgb[place]));
            let mean = values.sum::<f64>() / (part_width * part_height) as f64;
            assert!(
                (mean - expected).abs() <= tolerance(name),
                "{name}, quarter {quarter}, channel {channel}: {mean}, Pillow {expected}"
            );
        }
        count += 1;
    }
    assert_eq!(count, 20);
}

/// A PNG file that says it has so many pixels, with no more to it than that.
fn claims(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = made("plain.png");
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    bytes
}

#[test]
fn what_is_no_picture_or_too_large_is_refused_by_what_begins_it() {
    for (bytes, message) in [
        (Vec::new(), "it is empty"),
        (b"not a picture at all".to_vec(), "it is no JPEG, PNG, GIF, WebP, BMP, TIFF or PNM file"),
        (claims(100_000, 100_000), "it has 100000 × 100000 pixels, more than 67 million"),
        (claims(12_000, 9_000), "it has 12000 × 9000 pixels, more than 67 million"),
        (made("plain.jpg")[..20].to_vec(), "it cannot be decoded"),
        (made("plain.jpg")[..700].to_vec(), "it is cut"),
        (made("progressive.JPEG")[..500].to_vec(), "it is cut"),
    ] {
        let error = check_header(&bytes).unwrap_err();
        assert!(error.contains(message), "{error}\nshould say: {message}");
        assert_eq!(decode(&bytes).err().unwrap(), error);
    }
}

#[test]
fn what_is_cut_is_no_picture_wherever_it_is_cut() {
    for name in
        ["plain.jpg", "turned.jpg", "plain.png", "deep-grey.png", "plain.bmp", "plain.ppm", "lossy.webp"]
    {
        let bytes = made(name);
        // The last bytes of a PNG file only end it.
        for end in [bytes.len() / 4, bytes.len() / 2, bytes.len() * 3 / 4] {
            assert!(decode(&bytes[..end]).is_err(), "{name}, {end} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn no_flipped_byte_brings_the_decoder_down() {
    for name in ["plain.jpg", "progressive.JPEG", "turned.jpg", "palette.png", "animated.gif", "lossy.webp"] {
        let good = made(name);
        for place in 0..good.len() {
            let mut bytes = good.clone();
            bytes[place] ^= 0xff;
            if let Ok(picture) = decode(&bytes) {
                assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height);
            }
        }
    }
}

/// A JPEG file of a picture whose header holds a thumbnail, a whole JPEG file, as cameras write it, and where that
/// ends.
fn with_thumbnail(thumbnail: &[u8]) -> (Vec<u8>, usize) {
    let picture = made("plain.jpg");
    // Behind what begins the image: an Exif segment, whose length counts itself.
    let content = [&b"Exif\0\0"[..], thumbnail].concat();
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    let header = [&picture[..2], &[0xff, 0xe1], &length, &content].concat();
    let end = header.len();
    ([&header, &picture[2..]].concat(), end)
}

#[test]
fn what_follows_the_end_of_a_jpeg_file_is_nobody_s_matter() {
    // A film as phones append it: boxes of random bytes, in which every marker occurs.
    let film: Vec<u8> = (0..=0xff_u8).flat_map(|marker| [0xff, marker, 0, 0]).collect();
    let film = [&b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"[..], &film].concat();
    let another = made("plain.jpg");
    let garbage = b"garbage \xff\xda\xff\xc4 garbage";
    let tails = [&[0; 4096][..], &garbage[..], &film[..], &[0xff; 7][..], &another[..300]];
    for name in ["plain.jpg", "progressive.JPEG", "turned.jpg", "subsampled.jpg"] {
        let whole = made(name);
        let pixels = decode(&whole).unwrap().rgb;
        for tail in tails {
            let bytes = [&whole[..], tail].concat();
            check_header(&bytes).unwrap();
            assert!(decode(&bytes).unwrap().rgb == pixels, "{name} with {} bytes behind it", tail.len());
        }
        // Nor does it end a picture that is cut.
        let cut = &whole[..whole.len() - 9];
        for tail in [&[0; 4096][..], &garbage[..], &another[..300]] {
            assert!(check_header(&[cut, tail].concat()).unwrap_err().contains("it is cut"), "{name}");
        }
    }
}

#[test]
fn the_end_of_a_thumbnail_is_not_that_of_its_picture() {
    let (whole, end) = with_thumbnail(&made("plain.jpg"));
    check_header(&whole).unwrap();
    assert!(decode(&whole).unwrap().rgb == decode(&made("plain.jpg")).unwrap().rgb);
    // Right behind the thumbnail there is nothing to decode; behind that the header is whole, and the pixels are not.
    assert!(check_header(&whole[..end]).is_err());
    for cut in [end + 700, end + 720, whole.len() - 2] {
        let error = check_header(&whole[..cut]).unwrap_err();
        assert!(error.contains("it is cut"), "{cut} of {} bytes: {error}", whole.len());
        assert_eq!(decode(&whole[..cut]).err().unwrap(), error);
    }
}
