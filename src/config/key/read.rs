//! What the values of keys are read as.

use std::time::Duration;

use serde_json::Value;

use crate::key::{Either, Later, Map};
use crate::keys::words::{
    AssertionTyp, AudienceCheck, CertificateFrom, Dialect, EscapedSlashes, HostPort, MethodOverride, Nonce,
    ResourceProfile, ScopeArray, Underscores,
};
use crate::schema;
use tollgate_engine::base::named::Named;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::policy::log::LogField;
use tollgate_engine::policy::requirement::SenderConstraint;
use tollgate_engine::policy::rule::Access;
use tollgate_engine::policy::{CorsPreflight, Mode, OnExpiry};
use tollgate_engine::proof::certificate::encoding::Encoding;
use tollgate_engine::provider::client_auth::{BasicEncoding, Method};
use tollgate_engine::provider::preset::Preset;
use tollgate_engine::provider::{TokenIn, Typ, Validate};
use tollgate_engine::request::matching::Reading;
use tollgate_engine::request::tls::TlsSource;
use tollgate_engine::response::{Format, Profile};

/// What can be found under a key.
pub(crate) trait Form {
    /// What is there if the key is set.
    type At;
}

/// What can be read at once.
pub(crate) trait Read: Sized {
    /// What `value` says. What is absent or of the wrong form reads as empty, or as the first of some words: a
    /// document of the wrong shape is rejected anyway.
    fn read(value: Option<&Value>) -> Self;
}

/// A type of whole numbers.
pub(crate) trait Whole: TryFrom<u64> + Default {}

impl Whole for usize {}
impl Whole for u32 {}
impl Whole for u16 {}

macro_rules! forms {
    ($($form:ty),+ $(,)?) => {
        $(impl Form for $form {
            type At = Self;
        })+
    };
}

forms! { bool, usize, u32, u16, Duration, String, Value, Later }

/// The types whose values are words.
macro_rules! words {
    ($($word:ty),+ $(,)?) => {
        $(impl Form for $word {
            type At = Self;
        }

        impl Read for $word {
            #[inline(always)]
            fn read(value: Option<&Value>) -> Self {
                word(value)
            }
        }

        impl Read for Vec<$word> {
            fn read(value: Option<&Value>) -> Self {
                let items = value.and_then(Value::as_array).into_iter().flatten();
                items.filter_map(|item| known_word(Some(item))).collect()
            }
        })+
    };
}

words! {
    Access, Algorithm, AssertionTyp, AudienceCheck, BasicEncoding, CertificateFrom, CorsPreflight, Dialect, Encoding,
    EscapedSlashes, Format, HostPort, LogField, Method, MethodOverride, Mode, OnExpiry, Nonce, Preset, Profile, Reading, ResourceProfile,
    ScopeArray, SenderConstraint, TlsSource, TokenIn, Typ, Underscores, Validate,
}

impl<T> Form for Vec<T> {
    type At = Self;
}

impl<T> Form for Map<T> {
    type At = Self;
}

impl<T, O> Form for Either<T, O> {
    type At = Self;
}

impl<T> Form for Option<T> {
    type At = T;
}

// One function for each form, however many types are read with it: the module has to stay small.

impl Read for bool {
    fn read(value: Option<&Value>) -> Self {
        value.and_then(Value::as_bool).unwrap_or_default()
    }
}

impl Read for usize {
    #[inline(always)]
    fn read(value: Option<&Value>) -> Self {
        Self::try_from(number(value)).unwrap_or(Self::MAX)
    }
}

impl Read for u32 {
    #[inline(always)]
    fn read(value: Option<&Value>) -> Self {
        Self::try_from(number(value)).unwrap_or_default()
    }
}

impl Read for u16 {
    #[inline(always)]
    fn read(value: Option<&Value>) -> Self {
        Self::try_from(number(value)).unwrap_or_default()
    }
}

impl Read for Duration {
    #[inline(never)]
    fn read(value: Option<&Value>) -> Self {
        schema::duration(text_of(value)).unwrap_or_default()
    }
}

impl Read for String {
    #[inline(never)]
    fn read(value: Option<&Value>) -> Self {
        text_of(value).to_owned()
    }
}

impl Read for Value {
    #[inline(never)]
    fn read(value: Option<&Value>) -> Self {
        value.cloned().unwrap_or_default()
    }
}

impl Read for Vec<String> {
    #[inline(never)]
    fn read(value: Option<&Value>) -> Self {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

impl<T: Read> Read for Option<T> {
    #[inline(always)]
    fn read(value: Option<&Value>) -> Self {
        value.map(|value| T::read(Some(value)))
    }
}

/// The text, or an empty one.
#[inline(never)]
fn text_of(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

#[inline(never)]
fn number(value: Option<&Value>) -> u64 {
    value.and_then(schema::integer).unwrap_or_default()
}

/// What the word stands for; the first of them if it is no word.
#[inline(always)]
fn word<T: Named>(value: Option<&Value>) -> T {
    T::ALL.get(word_at(value, T::NAMES)).copied().unwrap_or(T::FIRST)
}

/// What the word stands for.
#[inline(always)]
fn known_word<T: Named>(value: Option<&Value>) -> Option<T> {
    T::ALL.get(word_at(value, T::NAMES)).copied()
}

/// Which of the words it is; beyond them if it is no such word.
#[inline(never)]
pub(crate) fn word_at(value: Option<&Value>, words: &[&str]) -> usize {
    let text = text_of(value);
    words.iter().position(|word| *word == text).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::Read;
    use serde_json::{Value, json};
    use std::time::Duration;
    use tollgate_engine::policy::Mode;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read<T: Read>(value: &Value) -> T {
        T::read(Some(value))
    }

    #[test]
    fn what_has_another_form_reads_as_empty() {
        let others = [json!(null), json!(-1), json!(0.5), json!("maybe"), json!([1]), json!({"a": true})];
        for other in &others {
            assert!(!read::<bool>(other), "{other}");
            assert_eq!(read::<usize>(other), 0, "{other}");
            assert_eq!(read::<Duration>(other), Duration::ZERO, "{other}");
            assert_eq!(read::<Vec<String>>(other), Vec::<String>::new(), "{other}");
            assert_eq!(read::<Mode>(other), Mode::Enforce, "{other}");
        }
        assert_eq!(<Option<bool>>::read(None), None);
    }

    #[test]
    fn what_has_the_form_is_read() {
        assert_eq!(read::<Option<bool>>(&json!(false)), Some(false));
        assert_eq!((read::<usize>(&json!(3)), read::<u32>(&json!(3.0))), (3, 3));
        assert_eq!(read::<Duration>(&json!("1m")), Duration::from_secs(60));
        assert_eq!(read::<Vec<String>>(&json!(["a", 1, "b"])), ["a", "b"]);
        assert_eq!(read::<Mode>(&json!("shadow")), Mode::Shadow);
        assert_eq!(read::<Vec<Mode>>(&json!(["shadow", "maybe", "enforce"])), [Mode::Shadow, Mode::Enforce]);
    }
}
