//! Templates with placeholders. Their comments become part of the generated files.

/// What takes labels out of the names of metrics.
pub(crate) const STATS_TAGS: &str = include_str!("templates/stats-tags.yaml");

/// The members of the access log, one JSON object for each request.
pub(crate) const ACCESS_LOG: &str = include_str!("templates/access-log.yaml");

/// Fills the placeholders of a template. A placeholder is `@name@`. Alone on its line, it takes text of several
/// lines, with its own indentation. Without text, the line is removed.
pub(crate) fn fill(template: &str, gaps: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for line in template.lines() {
        let alone = gaps.iter().find(|(name, _)| line.trim() == format!("@{name}@"));
        if let Some((name, content)) = alone {
            let indent = line.strip_suffix(&format!("@{name}@")).unwrap_or_default();
            for part in content.lines() {
                text.extend([if part.is_empty() { "" } else { indent }, part, "\n"]);
            }
            continue;
        }
        let filled = gaps.iter().fold(line.to_owned(), |line, (name, content)| {
            if line.contains('@') { line.replace(&format!("@{name}@"), content) } else { line }
        });
        text.extend([filled.trim_end(), "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn gaps_are_filled_with_their_indentation() {
        let got = fill("a: @x@\nb:\n  @y@\n  @z@\nc\n", &[("x", "1"), ("y", "d\ne"), ("z", "")]);
        assert_eq!(got, "a: 1\nb:\n  d\n  e\nc\n");
    }
}
