//! Enums whose variants have names outside the code, with one list of names for each.

/// An enum whose variants have names; [`named!`] makes one.
pub trait Named: Copy + 'static {
    /// The first of them.
    const FIRST: Self;
    /// All of them.
    const ALL: &'static [Self];
    /// The names of all of them.
    const NAMES: &'static [&'static str];

    /// Its name.
    fn word(self) -> &'static str;
}

/// Gives an enum without data `ALL`, `NAMES`, `name` and `named`, from one list. A variant that is not in the list
/// does not compile.
#[macro_export]
macro_rules! named {
    ($type:ident: $($variant:ident = $name:literal),+ $(,)?) => {
        impl $type {
            /// All of them.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];
            /// The names of all of them.
            pub const NAMES: [&'static str; [$($name),+].len()] = [$($name),+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    // Is a variant missing here? Add it to the `named!` list of its type.
                    $(Self::$variant => $name,)+
                }
            }

            /// The one of that name, case and all.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.name() == name)
            }
        }

        impl $crate::base::named::Named for $type {
            const FIRST: Self = {
                let [first, ..] = Self::ALL;
                first
            };
            const ALL: &'static [Self] = &Self::ALL;
            const NAMES: &'static [&'static str] = &Self::NAMES;

            fn word(self) -> &'static str {
                self.name()
            }
        }
    };
}

pub use named;
