//! Reading: one function for each kind of value, and nothing that a type has to be told.

use super::{JsonError, MAX_DEPTH, Map, Number, Problem, Value};

/// Reads one document, with white space around it and nothing else.
pub(super) fn document(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { text, at: 0 };
    reader.whole().map_err(|problem| JsonError::new(problem, text.as_bytes(), reader.at))
}

struct Reader<'a> {
    text: &'a str,
    /// How many bytes have been read.
    at: usize,
}

type Read<T> = Result<T, Problem>;

impl<'a> Reader<'a> {
    fn whole(&mut self) -> Read<Value> {
        let value = self.value(0)?;
        self.space();
        if self.peek().is_some() { Err(Problem::Invalid) } else { Ok(value) }
    }

    /// A value that is inside of so many arrays and objects.
    fn value(&mut self, depth: usize) -> Read<Value> {
        self.space();
        match self.peek().ok_or(Problem::EndsEarly)? {
            b'{' => self.object(inner(depth)?),
            b'[' => self.array(inner(depth)?),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => Err(Problem::Invalid),
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value> {
        let mut members = Map::new();
        self.skip();
        if self.is_next(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            match self.peek() {
                Some(b'"') => {}
                other => return Err(unexpected(other)),
            }
            let name = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth)?;
            if members.insert(name, value).is_some() {
                return Err(Problem::Duplicate);
            }
            if !self.goes_on(b'}')? {
                return Ok(Value::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Read<Value> {
        let mut items = Vec::new();
        self.skip();
        if self.is_next(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if !self.goes_on(b']')? {
                // It may be kept for long, and most have one or two.
                items.shrink_to_fit();
                return Ok(Value::Array(items));
            }
        }
    }

    /// Whether a comma follows and not the end.
    fn goes_on(&mut self, end: u8) -> Read<bool> {
        if self.is_next(end) {
            return Ok(false);
        }
        self.expect(b',').map(|()| true)
    }

    /// A string from its opening quotation mark on ([RFC 8259 §7]).
    ///
    /// [RFC 8259 §7]: https://www.rfc-editor.org/rfc/rfc8259#section-7
    fn string(&mut self) -> Read<String> {
        self.skip();
        let start = self.at;
        self.plain();
        let mut text = self.since(start).to_owned();
        loop {
            match self.next().ok_or(Problem::EndsEarly)? {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escaped()?),
                _ => return Err(self.back()),
            }
            let start = self.at;
            self.plain();
            text.push_str(self.since(start));
        }
    }

    /// Goes on to what ends a string, escapes, or must not be in one.
    fn plain(&mut self) {
        let rest = self.rest();
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        self.forward(rest.iter().position(ends).unwrap_or(rest.len()));
    }

    /// What an escape stands for.
    fn escaped(&mut self) -> Read<char> {
        Ok(match self.next().ok_or(Problem::EndsEarly)? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(self.back()),
        })
    }

    /// Four hexadecimal digits, or twice four with an escape between them: a surrogate alone is no character.
    fn code_point(&mut self) -> Read<char> {
        let first = self.hex()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        for expected in *b"\\u" {
            match self.peek() {
                Some(found) if found == expected => self.skip(),
                other => return Err(unexpected(other)),
            }
        }
        let both = [first, self.hex()?].map(|unit| u16::try_from(unit).unwrap_or_default());
        match char::decode_utf16(both).next() {
            Some(Ok(character)) => Ok(character),
            _ => Err(Problem::Invalid),
        }
    }

    fn hex(&mut self) -> Read<u32> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().ok_or(Problem::EndsEarly)?;
            value = value << 4 | char::from(digit).to_digit(16).ok_or(Problem::Invalid)?;
            self.skip();
        }
        Ok(value)
    }

    /// A number ([RFC 8259 §6]): an integer of up to 64 bits, or the double beside it.
    ///
    /// [RFC 8259 §6]: https://www.rfc-editor.org/rfc/rfc8259#section-6
    fn number(&mut self) -> Read<Number> {
        let start = self.at;
        let is_negative = self.is(b'-');
        if !self.is(b'0') {
            self.digits()?;
        }
        let is_integer = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        if self.is(b'.') {
            self.digits()?;
        }
        if self.is(b'e') || self.is(b'E') {
            let _ = self.is(b'+') || self.is(b'-');
            self.digits()?;
        }
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(Problem::Invalid);
        }
        let text = self.since(start);
        let integer = match (is_integer, is_negative) {
            (false, _) => None,
            (true, false) => text.parse().ok().map(|value: u64| value.into()),
            // JSON's -0 is a double: no integer has a sign and no value.
            (true, true) => text.parse().ok().filter(|value: &i64| *value != 0).map(Into::into),
        };
        // `None`: beyond every double.
        integer.or_else(|| Number::from_f64(double(text)?)).ok_or(Problem::Invalid)
    }

    /// At least one digit.
    fn digits(&mut self) -> Read<()> {
        match self.peek() {
            Some(b'0'..=b'9') => {}
            other => return Err(unexpected(other)),
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.skip();
        }
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value) -> Read<Value> {
        for expected in word.bytes() {
            match self.peek() {
                Some(found) if found == expected => self.skip(),
                other => return Err(unexpected(other)),
            }
        }
        Ok(value)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.skip();
        }
    }

    /// Behind white space, this and nothing else.
    fn expect(&mut self, expected: u8) -> Read<()> {
        if self.is_next(expected) { Ok(()) } else { Err(unexpected(self.peek())) }
    }

    /// Whether this is next, behind white space; if so, it is read.
    fn is_next(&mut self, expected: u8) -> bool {
        self.space();
        self.is(expected)
    }

    /// Whether this is next; if so, it is read.
    fn is(&mut self, expected: u8) -> bool {
        let is = self.peek() == Some(expected);
        self.forward(usize::from(is));
        is
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.skip();
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self) {
        self.forward(1);
    }

    fn forward(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// The error at the byte that was read last.
    fn back(&mut self) -> Problem {
        self.at = self.at.saturating_sub(1);
        Problem::Invalid
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// What was read from there on. Both ends are beside ASCII.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }
}

fn inner(depth: usize) -> Read<usize> {
    if depth < MAX_DEPTH { Ok(depth.saturating_add(1)) } else { Err(Problem::TooDeep) }
}

fn unexpected(byte: Option<u8>) -> Problem {
    if byte.is_some() { Problem::Invalid } else { Problem::EndsEarly }
}

/// The double beside a number of JSON's grammar, give or take its last bits; `None`: there is no such double.
fn double(text: &str) -> Option<f64> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, bounded(exponent)),
        None => (text, 0),
    };
    let (mut significand, mut shift, mut is_fraction) = (0_u64, exponent, false);
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' => {
                let next = significand.checked_mul(10).and_then(|all| all.checked_add(u64::from(byte & 15)));
                match next {
                    Some(next) => {
                        significand = next;
                        shift = shift.saturating_sub(i32::from(is_fraction));
                    }
                    // 64 bits are more than a double has.
                    None => shift = shift.saturating_add(i32::from(!is_fraction)),
                }
            }
            b'.' => is_fraction = true,
            _ => {}
        }
    }
    let double = scaled(significand, shift)?;
    Some(if text.starts_with('-') { -double } else { double })
}

/// An exponent. Beyond these bounds every one means the same.
fn bounded(text: &str) -> i32 {
    const FAR: i32 = 1_000_000;
    let far = if text.starts_with('-') { FAR.saturating_neg() } else { FAR };
    text.parse().unwrap_or(far).clamp(FAR.saturating_neg(), FAR)
}

/// `significand` times ten to the `shift`.
#[expect(clippy::cast_precision_loss, reason = "a double has 53 bits")]
fn scaled(significand: u64, shift: i32) -> Option<f64> {
    let mut double = significand as f64;
    if significand == 0 {
        return Some(double);
    }
    let mut left = shift.unsigned_abs();
    while left > 0 && double != 0.0 && double.is_finite() {
        let step = left.min(22);
        // Powers of ten up to 22 are exact.
        let power = (0..step).fold(1.0_f64, |power, _| power * 10.0);
        double = if shift > 0 { double * power } else { double / power };
        left = left.saturating_sub(step);
    }
    Some(double).filter(|double| double.is_finite())
}
