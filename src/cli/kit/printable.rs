//! Text of peers for a terminal.

/// Text of a peer without control characters and line breaks, with at most 300 characters (DCR-07).
pub(crate) fn printable(text: &str) -> String {
    let harmless = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut kept: String = text
        .chars()
        .map(|c| if c == '\n' || c == '\t' { ' ' } else { c })
        .filter(|c| harmless(*c))
        .take(301)
        .collect();
    if kept.chars().count() > 300 {
        kept.pop();
        kept.push('…');
    }
    kept
}
