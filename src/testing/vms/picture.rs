//! Draws a captcha's text as a PNG, plainly enough for a person at an example to read it.

/// Five columns by seven rows for each hexadecimal digit; the lowest bit of a row is its rightmost pixel.
const GLYPHS: [[u8; 7]; 16] = [
    [0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e],
    [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e],
    [0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f],
    [0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e],
    [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02],
    [0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e],
    [0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e],
    [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
    [0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e],
    [0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c],
    [0x00, 0x00, 0x0e, 0x01, 0x0f, 0x11, 0x0f],
    [0x10, 0x10, 0x16, 0x19, 0x11, 0x11, 0x1e],
    [0x00, 0x00, 0x0e, 0x10, 0x10, 0x11, 0x0e],
    [0x01, 0x01, 0x0d, 0x13, 0x11, 0x11, 0x0f],
    [0x00, 0x00, 0x0e, 0x11, 0x1f, 0x10, 0x0e],
    [0x06, 0x09, 0x08, 0x1c, 0x08, 0x08, 0x08],
];

/// Pixels per dot of a glyph.
const SCALE: usize = 4;
/// All in dots: a glyph with the space after it, a picture with its border, the border.
const ADVANCE: usize = 6;
const HEIGHT: usize = 11;
const BORDER: usize = 2;

/// The dots of a text: `true` is ink. What is no hexadecimal digit leaves a gap.
fn dots(text: &str) -> Vec<Vec<bool>> {
    let mut dots = vec![vec![false; 2 * BORDER + ADVANCE * text.len()]; HEIGHT];
    for (place, digit) in text.chars().enumerate() {
        let Some(glyph) = digit.to_digit(16).map(|digit| GLYPHS[digit as usize]) else { continue };
        for (row, bits) in glyph.iter().enumerate() {
            for column in 0..5 {
                dots[BORDER + row][BORDER + ADVANCE * place + column] = bits >> (4 - column) & 1 == 1;
            }
        }
    }
    dots
}

/// The text as a PNG, black on white, one bit per pixel and not compressed.
pub(super) fn png(text: &str) -> Vec<u8> {
    let dots = dots(text);
    let (width, height) = (dots[0].len() * SCALE, dots.len() * SCALE);
    let mut pixels = Vec::new();
    for row in &dots {
        let wide: Vec<bool> = row.iter().flat_map(|dot| [*dot; SCALE]).collect();
        let bytes = wide
            .chunks(8)
            .map(|eight| eight.iter().zip(0..).fold(0xff, |byte, (ink, bit)| byte & !(u8::from(*ink) << (7 - bit))));
        // Each line begins with the filter it uses: none.
        let line: Vec<u8> = [0].into_iter().chain(bytes).collect();
        (0..SCALE).for_each(|_| pixels.extend(&line));
    }
    let mut header = Vec::new();
    header.extend(be(width));
    header.extend(be(height));
    header.extend([1, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, body) in [(b"IHDR", header), (b"IDAT", zlib(&pixels)), (b"IEND", Vec::new())] {
        let named = [name.as_slice(), &body].concat();
        png.extend(be(body.len()));
        png.extend(&named);
        png.extend(crc32(&named).to_be_bytes());
    }
    png
}

fn be(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

/// One stored block of RFC 1951 within RFC 1950: nothing here is large enough to be worth compressing.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(&bytes[..usize::from(length)]);
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    stream.extend((high << 16 | low).to_be_bytes());
    stream
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn checksums_are_those_of_their_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(zlib(b"Wikipedia")[16..], 0x11e6_0398_u32.to_be_bytes());
    }

    #[apply(leak_checked!)]
    fn a_digit_is_drawn_as_a_person_would_read_it() {
        let seven: Vec<String> =
            dots("7").iter().map(|row| row.iter().map(|ink| if *ink { '#' } else { '.' }).collect()).collect();
        assert_eq!(
            seven[2..9],
            ["..#####...", "......#...", ".....#....", "....#.....", "...#......", "...#......", "...#......"]
        );
    }

    #[apply(leak_checked!)]
    fn five_digits_fit_into_one_block() {
        let png = png("0a9f7");
        assert!(png.starts_with(b"\x89PNG") && png.len() < 2000, "{} bytes", png.len());
        assert_eq!(png[16..24], [0, 0, 0, 136, 0, 0, 0, 44]);
    }
}
