//! Parses paths with `{variables}`, in the dialects that documents use.

/// A part of a segment.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece<'t> {
    /// Text as it is.
    Text(&'t str),
    /// A variable in braces.
    Variable(Variable<'t>),
}

/// A variable.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Variable<'t> {
    /// The text between the braces.
    pub(super) text: &'t str,
    /// Its name.
    pub(super) name: &'t str,
    /// What it stands for.
    pub(super) kind: Kind,
}

/// What a variable stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A segment, or a part of one: `{name}`, as OpenAPI has it.
    One,
    /// Something that an expression or a type describes, such as `{id:[0-9]+}` or `{id:int}`.
    Expression {
        /// Whether it may be more than one segment.
        may_have_slashes: bool,
    },
    /// An optional segment: `{name?}`.
    OrNothing,
    /// All segments that follow: `{proxy+}` (Amazon), `{*name}` (Spring, ASP.NET), `{name=**}` (Google).
    Rest {
        /// Whether there may be no segment.
        is_narrow: bool,
    },
}

/// The segments of a path up to its query or fragment, and whether it has one.
pub(super) fn segments(text: &str) -> Result<(Vec<Vec<Piece<'_>>>, bool), &'static str> {
    let absolute = text.strip_prefix('/').ok_or("does not begin with \"/\"")?;
    let (mut segments, mut pieces) = (Vec::new(), Vec::new());
    let mut rest = absolute;
    loop {
        let end = rest.find(['{', '}', '/', '?', '#']).unwrap_or(rest.len());
        let (before, after) = rest.split_at(end);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let mut chars = after.chars();
        match chars.next() {
            Some('{') => {
                let inner = balanced(chars.as_str()).ok_or("has a \"{\" without its \"}\"")?;
                // RFC 6570, section 3.2.8: a query that is written as a variable.
                if inner.starts_with(['?', '&', '#']) {
                    segments.push(pieces);
                    return Ok((segments, true));
                }
                pieces.push(Piece::Variable(Variable::parse(inner)?));
                rest = chars
                    .as_str()
                    .get(inner.len()..)
                    .and_then(|rest| rest.strip_prefix('}'))
                    .unwrap_or_default();
            }
            Some('}') => return Err("has a \"}\" without its \"{\""),
            Some('/') => {
                segments.push(std::mem::take(&mut pieces));
                rest = chars.as_str();
            }
            None | Some(_) => {
                segments.push(pieces);
                return Ok((segments, !after.is_empty()));
            }
        }
    }
}

/// The text before the closing brace. Expressions may contain braces.
fn balanced(text: &str) -> Option<&str> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth = depth.saturating_add(1),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return text.get(..at);
        }
    }
    None
}

impl<'t> Variable<'t> {
    fn parse(text: &'t str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("has a variable without a name");
        }
        let is_name =
            |name: &str| !name.is_empty() && !name.contains(SPECIAL) && !name.contains(char::is_control);
        let kinds = [
            (Some(text), Kind::One),
            (text.strip_suffix('+'), Kind::Rest { is_narrow: false }),
            (text.strip_prefix('+'), Kind::Rest { is_narrow: false }),
            (text.strip_prefix("**"), Kind::Rest { is_narrow: true }),
            (text.strip_prefix('*'), Kind::Rest { is_narrow: true }),
            (text.strip_suffix("=**"), Kind::Rest { is_narrow: true }),
            (text.strip_suffix('?'), Kind::OrNothing),
        ];
        let known =
            kinds.into_iter().find_map(|(name, kind)| Some((name.filter(|name| is_name(name))?, kind)));
        if let Some((name, kind)) = known {
            return Ok(Self { text, name, kind });
        }
        Ok(match text.split_once(':') {
            Some((name, expression)) if is_name(name) => {
                let kind = Kind::Expression { may_have_slashes: may_have_slashes(expression) };
                Self { text, name, kind }
            }
            _ => return Err("has a variable of a kind that is not known"),
        })
    }
}

/// Characters that a name cannot contain, because they say what the variable stands for.
const SPECIAL: [char; 17] =
    ['{', '}', ':', '*', '+', '?', '=', '/', '#', ',', ';', '&', '|', '!', '(', ')', '\\'];

/// Whether an expression may match a slash. `false` only if it certainly cannot.
fn may_have_slashes(expression: &str) -> bool {
    let rest = ["\\d", "\\w"].iter().fold(expression.to_owned(), |text, class| text.replace(class, "0"));
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let in_brackets = |set: &str| {
        // Ranges of letters or digits contain no slash. Others may.
        set.split_once(']')
            .is_some_and(|(set, _)| set.chars().all(|c| is_word(c) || c == '-') && !set.contains("--"))
    };
    let is_plain = rest.chars().all(|c| is_word(c) || "-[]{}()|+*?,:".contains(c))
        && rest.split('[').skip(1).all(in_brackets);
    matches!(rest.as_str(), "path" | "any") || rest.contains("*path") || !is_plain
}

/// A name as templates require it: a word that is not in `others`.
pub(super) fn word(name: &str, others: &[String]) -> String {
    let mut word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        word.insert(0, '_');
    }
    let is_taken = |word: &String| {
        others.iter().any(|other| {
            other == word || *word == format!("{other}_rest") || *other == format!("{word}_rest")
        })
    };
    while is_taken(&word) {
        word.push('_');
    }
    word
}
