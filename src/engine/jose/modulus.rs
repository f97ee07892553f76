//! Arithmetic modulo an odd number, by Montgomery's multiplication: as much as RSA and the points of curves need.
//!
//! How long it takes depends on how long the numbers are, not on what they are. The exponent of
//! [`Modulus::public_power`] alone may be seen.

/// An odd number that others are taken modulo of.
pub(super) struct Modulus {
    /// The number, the least digit first.
    digits: Vec<u32>,
    /// The negative inverse of its least digit, modulo 2³².
    inverse: u32,
    /// R², with which a number becomes one in Montgomery's form. R is the least power of 2³² above the modulus.
    square: Number,
}

/// A number below a modulus, and R times as large, modulo it: Montgomery's form. It may be secret, so only tests can
/// print it.
#[derive(Clone, Eq, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Number(Vec<u32>);

impl Modulus {
    /// A modulus in big endian. `None` if it is even, or less than 3.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut digits = digits(bytes);
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let (first, last) = (*digits.first()?, *digits.last()?);
        if first % 2 == 0 || digits == [1] {
            return None;
        }
        // Newton's iteration: each step doubles the bits that are right, and of an odd number three are.
        let inverse = (0..4)
            .fold(first, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(first.wrapping_mul(inverse))));
        let length = digits.len();
        // The greatest power of two below the modulus.
        let mut power = vec![0; length];
        *power.last_mut()? = 1 << (31_u32.saturating_sub(last.leading_zeros()));
        let mut modulus = Self { digits, inverse: inverse.wrapping_neg(), square: Number(power) };
        // It becomes R, and then 2 to the number of digits, in Montgomery's form.
        let doublings = usize::try_from(last.leading_zeros()).ok()?.saturating_add(1).saturating_add(length);
        for _ in 0..doublings {
            modulus.square = modulus.sum(&modulus.square, &modulus.square);
        }
        // Squared five times, 2 to 32 times that.
        for _ in 0..5 {
            modulus.square = modulus.product(&modulus.square, &modulus.square);
        }
        Some(modulus)
    }

    /// How many bits it has.
    pub(super) fn bits(&self) -> usize {
        let zeros = self.digits.last().map_or(0, |last| last.leading_zeros());
        let bits = self.digits.len().saturating_mul(32);
        bits.saturating_sub(usize::try_from(zeros).unwrap_or_default())
    }

    /// A number in big endian; `None` unless it is below the modulus.
    pub(super) fn number(&self, bytes: &[u8]) -> Option<Number> {
        let mut number = digits(bytes);
        let more = number.len().saturating_sub(self.digits.len());
        if number.iter().rev().take(more).any(|digit| *digit != 0) {
            return None;
        }
        number.resize(self.digits.len(), 0);
        let is_below = subtract(&mut number.clone(), &self.digits, u32::MAX) == 1;
        is_below.then(|| self.product(&Number(number), &self.square))
    }

    /// A number in big endian, of any length, modulo this one.
    pub(super) fn reduced(&self, bytes: &[u8]) -> Number {
        let mut reduced = Number(vec![0; self.digits.len()]);
        for part in digits(bytes).chunks(self.digits.len()).rev() {
            // What is before this part is R times as much.
            reduced = self.product(&reduced, &self.square);
            let mut part = part.to_vec();
            part.resize(self.digits.len(), 0);
            reduced = self.sum(&reduced, &self.product(&Number(part), &self.square));
        }
        reduced
    }

    /// A number in big endian, as long as the digits of the modulus.
    pub(super) fn bytes(&self, number: &Number) -> Vec<u8> {
        let mut one = vec![0; self.digits.len()];
        if let Some(first) = one.first_mut() {
            *first = 1;
        }
        let number = self.product(number, &Number(one));
        number.0.iter().rev().flat_map(|digit| digit.to_be_bytes()).collect()
    }

    /// a + b.
    #[inline(never)]
    pub(super) fn sum(&self, a: &Number, b: &Number) -> Number {
        let (mut sum, mut carry) = (Vec::with_capacity(self.digits.len()), 0);
        for (a, b) in a.0.iter().zip(&b.0) {
            let (digit, more) = split(u64::from(*a).wrapping_add(u64::from(*b)).wrapping_add(carry));
            sum.push(digit);
            carry = u64::from(more);
        }
        self.below(&mut sum, split(carry).0);
        Number(sum)
    }

    /// a − b.
    pub(super) fn difference(&self, a: &Number, b: &Number) -> Number {
        let mut difference = a.0.clone();
        let borrow = subtract(&mut difference, &b.0, u32::MAX);
        // Too little is made up for by the modulus; its negative is subtracted.
        let mut carry = 0;
        for (digit, more) in difference.iter_mut().zip(&self.digits) {
            let more = more & borrow.wrapping_neg();
            let (sum, rest) = split(u64::from(*digit).wrapping_add(u64::from(more)).wrapping_add(carry));
            *digit = sum;
            carry = u64::from(rest);
        }
        Number(difference)
    }

    /// a · b.
    #[inline(never)]
    pub(super) fn product(&self, a: &Number, b: &Number) -> Number {
        let length = self.digits.len();
        let mut product = vec![0; length.saturating_mul(2)];
        for (at, digit) in a.0.iter().enumerate() {
            if let Some(row) = product.get_mut(at..) {
                add_multiple(row, &b.0, *digit, 0);
            }
        }
        // A multiple of the modulus makes the lower half zero.
        let mut carry = 0;
        for at in 0..length {
            let Some(row) = product.get_mut(at..) else { break };
            let digit = row.first().map_or(0, |first| first.wrapping_mul(self.inverse));
            carry = add_multiple(row, &self.digits, digit, carry);
        }
        product.drain(..length);
        self.below(&mut product, carry);
        Number(product)
    }

    /// A power whose exponent everybody may know: 1 or more.
    pub(super) fn public_power(&self, base: &Number, exponent: u32) -> Number {
        let bits = (0..32_u32.saturating_sub(exponent.leading_zeros())).rev().skip(1);
        bits.fold(base.clone(), |power, bit| {
            let square = self.product(&power, &power);
            if exponent >> bit & 1 == 1 { self.product(&square, base) } else { square }
        })
    }

    /// A power whose exponent, in big endian, nobody may know: by each four bits of it, in the same time for all.
    pub(super) fn power(&self, base: &Number, exponent: &[u8]) -> Number {
        let mut one = vec![0; self.digits.len()];
        if let Some(first) = one.first_mut() {
            *first = 1;
        }
        let one = self.product(&Number(one), &self.square);
        let mut powers = vec![one.clone()];
        for _ in 1..16 {
            let next = powers.last().map(|last| self.product(last, base));
            powers.extend(next);
        }
        let parts = exponent.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        parts.fold(one, |mut power, part| {
            for _ in 0..4 {
                power = self.product(&power, &power);
            }
            self.product(&power, &one_of(&powers, part))
        })
    }

    /// Takes the modulus away from a number that is less than twice as much; `carry` is the digit above it.
    fn below(&self, number: &mut [u32], carry: u32) {
        let borrow = subtract(&mut number.to_vec(), &self.digits, u32::MAX);
        // Not if it was less before.
        let is_less = borrow & !carry.wrapping_neg();
        subtract(number, &self.digits, std::hint::black_box(is_less.wrapping_sub(1)));
    }
}

/// The one of that number: all are read, so that nothing tells which.
fn one_of(all: &[Number], wanted: u8) -> Number {
    let mut found = vec![0; all.first().map_or(0, |first| first.0.len())];
    for (at, one) in (0_u32..).zip(all) {
        let other = at ^ u32::from(wanted);
        // All bits if they are equal; both are less than 16.
        let mask = std::hint::black_box((other.wrapping_sub(1) >> 31).wrapping_neg());
        found.iter_mut().zip(&one.0).for_each(|(to, from)| *to |= from & mask);
    }
    Number(found)
}

/// Adds a multiple of a number to the least digits of `row`, and `carry` to the digit above; gives the digit above
/// that. It has as many digits and one more, or the sum fits.
fn add_multiple(row: &mut [u32], number: &[u32], by: u32, carry: u32) -> u32 {
    let Some((row, above)) = row.split_at_mut_checked(number.len()) else { return 0 };
    let mut more = 0;
    for (to, digit) in row.iter_mut().zip(number) {
        let product = u64::from(*digit).wrapping_mul(u64::from(by));
        let (low, high) = split(product.wrapping_add(u64::from(*to)).wrapping_add(u64::from(more)));
        *to = low;
        more = high;
    }
    let Some(above) = above.first_mut() else { return more };
    let (low, high) = split(u64::from(*above).wrapping_add(u64::from(more)).wrapping_add(u64::from(carry)));
    *above = low;
    high
}

/// Subtracts the bits of a number that are in `mask`; 1 if there was less.
fn subtract(from: &mut [u32], number: &[u32], mask: u32) -> u32 {
    let mut borrow = 0;
    for (to, digit) in from.iter_mut().zip(number) {
        let less = u64::from(*to).wrapping_sub(u64::from(digit & mask)).wrapping_sub(u64::from(borrow));
        let (low, high) = split(less);
        *to = low;
        borrow = high & 1;
    }
    borrow
}

/// The lower and the upper half.
fn split(number: u64) -> (u32, u32) {
    let half = |number: u64| u32::try_from(number & 0xffff_ffff).unwrap_or_default();
    (half(number), half(number >> 32))
}

/// The digits of a number in big endian.
fn digits(bytes: &[u8]) -> Vec<u32> {
    bytes.rchunks(4).map(|chunk| chunk.iter().fold(0, |digit, byte| digit << 8 | u32::from(*byte))).collect()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::Modulus;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// 64 bits at a time: numbers of two digits, against the machine's own.
    #[test]
    fn small_numbers_are_as_the_machine_has_them() {
        let moduli =
            [3, 5, 0xffff_ffff, 0x1_0000_0001, 0xffff_ffff_0000_0001, u64::MAX, 0x8000_0000_0000_0001];
        let numbers = [0, 1, 2, 3, 0xffff_fffe, 0xffff_ffff, 0x1_0000_0000, u64::MAX - 1, u64::MAX];
        for n in moduli {
            let modulus = Modulus::new(&n.to_be_bytes()).unwrap();
            assert_eq!(modulus.bits(), usize::try_from(u64::BITS - n.leading_zeros()).unwrap());
            for (a, b) in numbers.iter().flat_map(|a| numbers.map(|b| (*a, b))) {
                assert_eq!(modulus.number(&a.to_be_bytes()).is_some(), a < n, "{a} below {n}");
                let [x, y] = [a, b].map(|number| modulus.reduced(&number.to_be_bytes()));
                let (wide, mod_a, mod_b) = (u128::from(n), u128::from(a % n), u128::from(b % n));
                #[rustfmt::skip]
                let cases = [
                    ("a",      x.clone(),                        mod_a),
                    ("a + b",  modulus.sum(&x, &y),              (mod_a + mod_b) % wide),
                    ("a - b",  modulus.difference(&x, &y),       (wide + mod_a - mod_b) % wide),
                    ("a * b",  modulus.product(&x, &y),          mod_a * mod_b % wide),
                    ("a ^ 5",  modulus.public_power(&x, 5),      (0..4).fold(mod_a, |power, _| power * mod_a % wide)),
                    ("a ^ 65", modulus.power(&x, &[0, 65]),      (0..64).fold(mod_a, |power, _| power * mod_a % wide)),
                    ("a ^ 0",  modulus.power(&x, &[0]),          1),
                ];
                for (name, number, want) in cases {
                    let bytes = modulus.bytes(&number);
                    let found = bytes.iter().fold(0, |all, byte| all << 8 | u128::from(*byte));
                    assert_eq!(found, want, "{name} mod {n}: {a}, {b}");
                }
            }
        }
    }

    #[test]
    fn numbers_of_any_length_are_reduced() {
        for n in [3, 0xffff_ffff, 0x1_0000_0001, u64::MAX] {
            let modulus = Modulus::new(&n.to_be_bytes()).unwrap();
            for length in 0..40 {
                let bytes: Vec<u8> = (0..length).map(|at| 251 - 6 * at).collect();
                let want = bytes.iter().fold(0, |all, byte| (all << 8 | u128::from(*byte)) % u128::from(n));
                let found = modulus.bytes(&modulus.reduced(&bytes));
                let found = found.iter().fold(0, |all, byte| all << 8 | u128::from(*byte));
                assert_eq!(found, want, "{length} bytes mod {n}");
            }
        }
    }

    #[test]
    fn what_is_no_modulus() {
        for bytes in [&[][..], &[0], &[1], &[0, 1], &[2], &[0, 0, 0, 0, 0, 4], &[1, 0, 0, 0, 0, 0]] {
            assert!(Modulus::new(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn long_numbers_obey_fermat() {
        // 2^255 - 19 and 2^521 - 1 are primes: a^(p-1) = 1, and the two ways to a power agree.
        let mut p25519 = [0xff; 32];
        (p25519[0], p25519[31]) = (0x7f, 0xed);
        let mut p521 = [0xff; 66];
        p521[0] = 1;
        for prime in [&p25519[..], &p521] {
            let modulus = Modulus::new(prime).unwrap();
            let mut exponent = prime.to_vec();
            *exponent.last_mut().unwrap() -= 1;
            let one = modulus.number(&[1]).unwrap();
            for seed in 2..40 {
                let base = modulus.reduced(&[seed; 99]);
                assert_eq!(modulus.power(&base, &exponent), one, "{seed}");
                let public = modulus.public_power(&base, 65_537);
                assert_eq!(modulus.power(&base, &[1, 0, 1]), public, "{seed}");
            }
            assert_eq!(modulus.number(prime), None);
            assert!(modulus.number(&exponent).is_some());
            assert_eq!(modulus.sum(&modulus.number(&exponent).unwrap(), &one), modulus.reduced(&[]));
        }
    }
}
