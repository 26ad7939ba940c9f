//! Texts from outside in Markdown: shown, never obeyed.

use crate::words::one_line;

/// Follows a character that GitHub would take for the start of a mention or a reference, in whatever disguise.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// A text in running Markdown: no markup, no HTML, no table cell, no mention, no reference to an issue in it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => escaped.extend(['\\', c]),
            '@' | '#' => escaped.extend([c, ZERO_WIDTH_SPACE]),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A text as code in a table cell: the fence is longer than any run of backticks in the text.
pub(super) fn code(text: &str) -> String {
    let text = one_line(text).replace('|', "\\|");
    if text.is_empty() {
        return String::new();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let gap = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{gap}{text}{gap}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_mentions_and_cells_in_a_text_are_shown_as_they_are() {
        let text = "**bold** <img src=x> | cell @org #1 `code` [a](b)\nnext";
        let escaped = escape(text);
        assert_eq!(
            escaped,
            "\\*\\*bold\\*\\* &lt;img src=x&gt; \\| cell @\u{200b}org #\u{200b}1 \\`code\\` \\[a\\](b)\\\\nnext"
        );
    }

    #[test]
    fn code_cannot_be_ended_from_within() {
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`a|"), "`` `a\\| ``");
        assert_eq!(code(""), "");
    }
}
