//! Decompression of zlib data ([RFC 1950], [RFC 1951]) in base64url: within a bound, and without a copy of what is read.
//!
//! A code is looked up bit by bit, so that nothing has to be built for a block but the numbers of its codes: a stream of many
//! short blocks takes no more time than a long one.
//!
//! [RFC 1950]: https://www.rfc-editor.org/rfc/rfc1950
//! [RFC 1951]: https://www.rfc-editor.org/rfc/rfc1951

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why data cannot be decompressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InflateFault {
    /// It is not base64url without padding.
    Base64,
    /// It is longer than the bound.
    TooLong,
    /// It is not zlib data, ends too early or too late, or its checksum is another one.
    Zlib,
}

/// Decompresses text in base64url into at most `max` bytes.
#[inline(never)]
pub fn zlib(text: &str, max: usize) -> Result<Vec<u8>, InflateFault> {
    let mut inflater = Inflater { input: Input::new(text), hold: 0, held: 0, out: Vec::new(), max };
    inflater.header()?;
    while !inflater.block()? {}
    inflater.checksum()?;
    Ok(inflater.out)
}

/// Base64url, decoded part by part.
struct Input<'a> {
    rest: &'a [u8],
    decoded: [u8; DECODED],
    len: usize,
    at: usize,
}

/// How much is decoded at once: characters, and the bytes that come of them.
const PART: usize = 1024;
const DECODED: usize = 768;

impl<'a> Input<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), decoded: [0; DECODED], len: 0, at: 0 }
    }

    /// The next byte; `None`: all of them are read.
    fn next(&mut self) -> Result<Option<u8>, InflateFault> {
        if self.at >= self.len {
            let (part, rest) = self.rest.split_at(self.rest.len().min(PART));
            self.rest = rest;
            self.len =
                URL_SAFE_NO_PAD.decode_slice(part, &mut self.decoded).map_err(|_| InflateFault::Base64)?;
            self.at = 0;
        }
        let byte = self.decoded.get(..self.len).and_then(|all| all.get(self.at)).copied();
        self.at = self.at.saturating_add(1);
        Ok(byte)
    }
}

struct Inflater<'a> {
    input: Input<'a>,
    /// Bits that have been read and not used, the next one lowest.
    hold: u32,
    held: u32,
    out: Vec<u8>,
    max: usize,
}

type Inflate<T> = Result<T, InflateFault>;

impl Inflater<'_> {
    /// The two bytes of [RFC 1950 §2.2], without a dictionary.
    fn header(&mut self) -> Inflate<()> {
        let (method, flags) = (self.bits(8)?, self.bits(8)?);
        let is_good =
            method & 15 == 8 && method >> 4 <= 7 && flags & 32 == 0 && (method << 8 | flags) % 31 == 0;
        if is_good { Ok(()) } else { Err(InflateFault::Zlib) }
    }

    /// A block. Whether it is the last one.
    fn block(&mut self) -> Inflate<bool> {
        let is_last = self.bits(1)? == 1;
        match self.bits(2)? {
            0 => self.stored()?,
            1 => self.coded(&fixed_literals(), &Code::new(&[5; 30]))?,
            2 => {
                let (literals, distances) = self.codes()?;
                self.coded(&literals, &distances)?;
            }
            _ => return Err(InflateFault::Zlib),
        }
        Ok(is_last)
    }

    /// Bytes as they are.
    fn stored(&mut self) -> Inflate<()> {
        self.align();
        let (len, complement) = (self.bits(16)?, self.bits(16)?);
        if len ^ 0xffff != complement {
            return Err(InflateFault::Zlib);
        }
        for _ in 0..len {
            let byte = self.bits(8)?;
            self.put(u8::try_from(byte).unwrap_or_default())?;
        }
        Ok(())
    }

    /// The codes of a block with its own ([RFC 1951 §3.2.7]).
    fn codes(&mut self) -> Inflate<(Code, Code)> {
        let literals = self.size(5, 257)?;
        let distances = self.size(5, 1)?;
        let lengths = self.size(4, 4)?;
        if literals > 286 || distances > 30 {
            return Err(InflateFault::Zlib);
        }
        let mut of_lengths = [0; 19];
        for at in ORDER.into_iter().take(lengths) {
            let length = u8::try_from(self.bits(3)?).unwrap_or_default();
            put_at(&mut of_lengths, at.into(), length);
        }
        let code = Code::new(&of_lengths);
        if !code.is_complete() {
            return Err(InflateFault::Zlib);
        }
        let mut all = [0_u8; 286 + 30];
        let (mut at, mut last) = (0_usize, None);
        let end = literals.saturating_add(distances);
        while at < end {
            let (value, times) = match self.symbol(&code)? {
                length @ 0..=15 => (u8::try_from(length).unwrap_or_default(), 1),
                16 => (last.ok_or(InflateFault::Zlib)?, self.size(2, 3)?),
                17 => (0, self.size(3, 3)?),
                _ => (0, self.size(7, 11)?),
            };
            for _ in 0..times {
                if at >= end {
                    return Err(InflateFault::Zlib);
                }
                put_at(&mut all, at, value);
                at = at.saturating_add(1);
            }
            last = Some(value);
        }
        let of_literals = all.get(..literals).unwrap_or_default();
        let of_distances = all.get(literals..end).unwrap_or_default();
        let (literals, distances) = (Code::new(of_literals), Code::new(of_distances));
        // A block ends with 256. A single code may be incomplete.
        let ends = of_literals.get(256).is_some_and(|length| *length > 0);
        if ends && literals.is_usable() && distances.is_usable() {
            Ok((literals, distances))
        } else {
            Err(InflateFault::Zlib)
        }
    }

    /// Literals and copies up to the end of the block ([RFC 1951 §3.2.5]).
    fn coded(&mut self, literals: &Code, distances: &Code) -> Inflate<()> {
        loop {
            let symbol = self.symbol(literals)?;
            if let Ok(byte) = u8::try_from(symbol) {
                self.put(byte)?;
                continue;
            }
            let Some(symbol) = symbol.checked_sub(257) else { return Ok(()) };
            let (base, extra) = length(symbol).ok_or(InflateFault::Zlib)?;
            let len = self.size(extra, base)?;
            let (base, extra) = distance(self.symbol(distances)?).ok_or(InflateFault::Zlib)?;
            let back = self.size(extra, base)?;
            let mut from = self.out.len().checked_sub(back).ok_or(InflateFault::Zlib)?;
            for _ in 0..len {
                let byte = self.out.get(from).copied().unwrap_or_default();
                self.put(byte)?;
                from = from.wrapping_add(1);
            }
        }
    }

    /// The checksum of [RFC 1950 §9], and nothing behind it.
    fn checksum(&mut self) -> Inflate<()> {
        self.align();
        let mut found = 0_u32;
        for _ in 0..4 {
            found = found << 8 | self.bits(8)?;
        }
        if found == adler32(&self.out) && self.held == 0 && self.input.next()?.is_none() {
            Ok(())
        } else {
            Err(InflateFault::Zlib)
        }
    }

    /// Decodes a symbol: the codes of each length follow one another ([RFC 1951 §3.2.2]).
    fn symbol(&mut self, code: &Code) -> Inflate<u16> {
        let (mut found, mut first, mut index) = (0_u16, 0_u16, 0_u16);
        for count in code.counts.iter().skip(1) {
            found |= u16::try_from(self.bits(1)?).unwrap_or_default();
            let rank = found.wrapping_sub(first);
            if rank < *count {
                let at = usize::from(index.wrapping_add(rank));
                return code.symbols.get(at).copied().ok_or(InflateFault::Zlib);
            }
            index = index.wrapping_add(*count);
            first = first.wrapping_add(*count) << 1;
            found <<= 1;
        }
        Err(InflateFault::Zlib)
    }

    /// Up to sixteen bits, the first one lowest.
    #[inline(never)]
    fn bits(&mut self, n: u32) -> Inflate<u32> {
        while self.held < n {
            let byte = self.input.next()?.ok_or(InflateFault::Zlib)?;
            self.hold |= u32::from(byte) << self.held;
            self.held = self.held.wrapping_add(8);
        }
        let value = self.hold & (1_u32 << n).wrapping_sub(1);
        self.hold >>= n;
        self.held = self.held.wrapping_sub(n);
        Ok(value)
    }

    /// A number of so many bits, on top of `base`.
    fn size(&mut self, bits: u8, base: u16) -> Inflate<usize> {
        let extra = self.bits(bits.into())?;
        Ok(usize::from(base).saturating_add(usize::try_from(extra).unwrap_or_default()))
    }

    /// Leaves out what is left of a byte.
    fn align(&mut self) {
        self.hold >>= self.held & 7;
        self.held &= !7;
    }

    fn put(&mut self, byte: u8) -> Inflate<()> {
        if self.out.len() >= self.max {
            return Err(InflateFault::TooLong);
        }
        self.out.push(byte);
        Ok(())
    }
}

/// A Huffman code, by the lengths of its codes ([RFC 1951 §3.2.2]).
struct Code {
    /// How many symbols have a code of each length.
    counts: [u16; 16],
    /// The symbols, by the length of their codes.
    symbols: [u16; 288],
    /// How many codes are left over; below zero: there are too many.
    left: i32,
}

impl Code {
    #[inline(never)]
    fn new(lengths: &[u8]) -> Self {
        let mut code = Self { counts: [0; 16], symbols: [0; 288], left: 1 };
        for length in lengths {
            if let Some(count) = code.counts.get_mut(usize::from(*length)) {
                *count = count.wrapping_add(1);
            }
        }
        let (mut starts, mut start) = ([0_u16; 16], 0_u16);
        for (at, count) in code.counts.iter().enumerate().skip(1) {
            code.left = (code.left << 1).wrapping_sub(i32::from(*count));
            if code.left < 0 {
                return code;
            }
            if let Some(place) = starts.get_mut(at) {
                *place = start;
            }
            start = start.wrapping_add(*count);
        }
        for (symbol, length) in (0..).zip(lengths).filter(|(_, length)| **length > 0) {
            let Some(place) = starts.get_mut(usize::from(*length)) else { continue };
            if let Some(slot) = code.symbols.get_mut(usize::from(*place)) {
                *slot = symbol;
            }
            *place = place.wrapping_add(1);
        }
        code
    }

    /// Whether every sequence of bits is a code.
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Whether it is complete, or has a single code at most.
    fn is_usable(&self) -> bool {
        let used: u16 = self.counts.iter().skip(1).sum();
        self.left == 0 || self.left > 0 && used <= 1
    }
}

fn put_at(all: &mut [u8], at: usize, value: u8) {
    if let Some(place) = all.get_mut(at) {
        *place = value;
    }
}

/// The code of literals and lengths of a block that has none of its own ([RFC 1951 §3.2.6]).
fn fixed_literals() -> Code {
    let mut lengths = [8; 288];
    for (at, length) in lengths.iter_mut().enumerate() {
        *length = match at {
            144..=255 => 9,
            256..=279 => 7,
            _ => 8,
        };
    }
    Code::new(&lengths)
}

/// In which order the lengths of the code of lengths come ([RFC 1951 §3.2.7]).
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The length that a symbol stands for, and how many bits follow that add to it ([RFC 1951 §3.2.5]).
fn length(symbol: u16) -> Option<(u16, u8)> {
    const BASES: [u8; 29] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160,
        192, 224, 255,
    ];
    let base = u16::from(*BASES.get(usize::from(symbol))?).wrapping_add(3);
    let extra = if symbol == 28 { 0 } else { (symbol >> 2).saturating_sub(1) };
    Some((base, u8::try_from(extra).ok()?))
}

/// The same for a distance: two symbols for each number of bits.
fn distance(symbol: u16) -> Option<(u16, u8)> {
    if symbol > 29 {
        return None;
    }
    let extra = (symbol >> 1).saturating_sub(1);
    let base = if symbol < 2 { symbol } else { (2 | symbol & 1) << extra };
    Some((base.wrapping_add(1), u8::try_from(extra).ok()?))
}

/// The checksum of zlib ([RFC 1950 §8]).
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    // So many sums fit into 32 bits.
    for part in bytes.chunks(5552) {
        for byte in part {
            a = a.wrapping_add(u32::from(*byte));
            b = b.wrapping_add(a);
        }
        (a, b) = (a % 65_521, b % 65_521);
    }
    b << 16 | a
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::{InflateFault, zlib};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Of these bytes in hexadecimal digits.
    fn of_hex(hex: &str, max: usize) -> Result<Vec<u8>, InflateFault> {
        let digits: Vec<u8> =
            hex.bytes().filter_map(|digit| u8::try_from(char::from(digit).to_digit(16)?).ok()).collect();
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        zlib(&URL_SAFE_NO_PAD.encode(bytes), max)
    }

    #[test]
    fn one_of_each_kind_of_block() {
        // `zlib.compress` of Python, by levels and strategies.
        #[rustfmt::skip]
        let cases: [(&str, &str, &[u8]); 6] = [
            ("stored",         "7801 01 0300fcff 616263 024d0127",                 b"abc"),
            ("stored, empty",  "7801 01 0000ffff 00000001",                        b""),
            ("fixed, empty",   "789c 0300 00000001",                               b""),
            ("fixed",          "789c 4b4c4a0600 024d0127",                         b"abc"),
            ("the draft's",    "78da dbb918000217015d",                            &[0xb9, 0xa3]),
            ("a copy of itself", "78da 4b4cc404004fa60795", b"aaaaaaaaaaaaaaaaaaaa"),
        ];
        for (name, hex, want) in cases {
            assert_eq!(of_hex(hex, 100).as_deref(), Ok(want), "{name}");
        }
    }

    #[test]
    fn what_is_not_valid_is_not_read() {
        use InflateFault::{TooLong, Zlib};
        #[rustfmt::skip]
        let cases = [
            ("nothing",                          "",                                 Zlib),
            ("half a head",                      "78",                               Zlib),
            ("another method",                   "7901 01 0300fcff 616263 024d0127", Zlib),
            ("too large a window",               "8801 01 0300fcff 616263 024d0127", Zlib),
            ("another check of the head",        "7802 01 0300fcff 616263 024d0127", Zlib),
            ("a dictionary",                     "78bb 00000001 0300 00000001",      Zlib),
            ("a kind of block that is not there", "7801 07",                         Zlib),
            ("lengths that differ",              "7801 01 0300fdff 616263 024d0127", Zlib),
            ("another checksum",                 "7801 01 0300fcff 616263 024d0128", Zlib),
            ("half a checksum",                  "7801 01 0300fcff 616263 024d",     Zlib),
            ("no last block",                    "7801 00 0300fcff 616263",          Zlib),
            ("more behind it",                   "7801 01 0300fcff 616263 024d0127 00", Zlib),
            ("a copy of what is before the beginning", "789c 4b040200 00000001",     Zlib),
            ("longer than the bound",            "7801 01 6500 9aff 00",             Zlib),
        ];
        for (name, hex, want) in cases {
            assert_eq!(of_hex(hex, 100), Err(want), "{name}");
        }
        assert_eq!(of_hex("7801 01 0300fcff 616263 024d0127", 3).as_deref(), Ok(&b"abc"[..]));
        assert_eq!(of_hex("7801 01 0300fcff 616263 024d0127", 2), Err(TooLong));
        assert_eq!(of_hex("7801 01 0300fcff 616263 024d0127", 0), Err(TooLong));
        for text in ["eA=", "eA==", "e", "eAF+", "eB", "é"] {
            assert_eq!(zlib(text, 100), Err(InflateFault::Base64), "{text}");
        }
    }

    #[cfg(not(target_family = "wasm"))]
    mod second {
        //! Compared with `miniz_oxide`.

        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
        use miniz_oxide::deflate::{compress_to_vec_zlib, stream};
        use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
        use miniz_oxide::{MZFlush, StreamResult};
        use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
        use proptest::{collection, sample};

        use super::super::{InflateFault, zlib};

        const MAX: usize = 1 << 20;

        /// Bytes as lists have them: few values, and long runs of one.
        fn bytes() -> impl Strategy<Value = Vec<u8>> {
            let run = (sample::select(vec![0, 0, 0, 1, 0x80, 0xff]), 0..40_000_usize);
            let runs = collection::vec((run, collection::vec(any::<u8>(), 0..200)), 0..6);
            runs.prop_map(|runs| {
                runs.into_iter()
                    .flat_map(|((byte, times), more)| [vec![byte; times], more].concat())
                    .collect()
            })
        }

        /// With each level, and each strategy: codes of its own, the fixed one, runs, bytes as they are.
        fn compressed(bytes: &[u8], level: u8, strategy: i32) -> Vec<u8> {
            let flags = create_comp_flags_from_zip_params(level.into(), 15, strategy);
            let mut compressor = CompressorOxide::new(flags);
            let mut out = vec![0; bytes.len() * 2 + 1000];
            let StreamResult { bytes_written, status, .. } =
                stream::deflate(&mut compressor, bytes, &mut out, MZFlush::Finish);
            assert!(status.is_ok());
            out.truncate(bytes_written);
            out
        }

        proptest! {
            #[test]
            fn what_is_compressed_comes_back(bytes in bytes(), level in 0..=10_u8, strategy in 0..=4_i32) {
                let data = compressed(&bytes, level, strategy);
                let text = URL_SAFE_NO_PAD.encode(&data);
                let back = zlib(&text, bytes.len());
                prop_assert_eq!(back.as_deref(), Ok(&bytes[..]));
                if let Some(less) = bytes.len().checked_sub(1) {
                    prop_assert_eq!(zlib(&text, less), Err(InflateFault::TooLong));
                }
            }

            #[test]
            fn nobody_reads_what_the_other_refuses(
                bytes in bytes(), level in 0..=10_u8, changes in collection::vec((any::<sample::Index>(), any::<u8>()), 0..3),
            ) {
                let mut data = compress_to_vec_zlib(&bytes, level);
                for (at, byte) in changes {
                    let at = at.index(data.len());
                    data[at] = byte;
                }
                let theirs = decompress_to_vec_zlib_with_limit(&data, MAX);
                let ours = zlib(&URL_SAFE_NO_PAD.encode(&data), MAX);
                prop_assert_eq!(ours.ok(), theirs.ok());
            }

            #[test]
            fn any_bytes_are_read_or_refused(bytes in collection::vec(any::<u8>(), 0..300)) {
                let data = [&[0x78, 0x9c][..], &bytes].concat();
                let theirs = decompress_to_vec_zlib_with_limit(&data, 10_000);
                prop_assert_eq!(zlib(&URL_SAFE_NO_PAD.encode(&data), 10_000).ok(), theirs.ok());
            }
        }
    }
}
