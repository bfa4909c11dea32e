//! Short forms of long texts: previews, and the titles of branches and sessions.
//!
//! The work grows with what is shown, not with the text.

use std::borrow::Cow;

use super::graph::{Branch, Ix};
use super::{SessionGraph, TurnRole};

/// Longest title that is derived from a text, in chars.
pub const TITLE_CHARS_MAX: usize = 60;

/// The title where there is no text to derive one from.
pub const TITLE_UNTITLED: &str = "Untitled";

/// The beginning of `text` on one line: white space and control characters collapsed to one
/// space, at most `max_chars` chars, of which the last is `…` where something was left out.
/// Borrowed where the text can stay as it is.
///
/// It is cut between Unicode scalar values, and never before a combining mark, a variation
/// selector, a skin tone or next to a zero-width joiner, so accents and most emoji stay whole.
/// That is less than grapheme clusters: flags, and syllables of Hangul and of Indic scripts that
/// are written in several letters may be cut inside.
pub fn preview(text: &str, max_chars: usize) -> Cow<'_, str> {
    let is_gap = |c: char| c.is_whitespace() || c.is_control();
    let text = text.trim_start_matches(is_gap);
    let mut short = String::new();
    // Up to here the text is its own preview; beyond, `short` is written.
    let mut same = 0;
    let mut chars = 0;
    let mut gap = false;
    for (at, c) in text.char_indices() {
        if is_gap(c) {
            gap = true;
            continue;
        }
        if chars + usize::from(gap) >= max_chars {
            return cut(
                if short.is_empty() {
                    &text[..same]
                } else {
                    &short
                },
                max_chars,
            );
        }
        let as_written = !gap || text[same..at] == *" ";
        if short.is_empty() && as_written {
            same = at + c.len_utf8();
        } else {
            if short.is_empty() {
                short.push_str(&text[..same]);
            }
            if gap {
                short.push(' ');
            }
            short.push(c);
        }
        chars += 1 + usize::from(gap);
        gap = false;
    }
    match short.is_empty() {
        true => Cow::Borrowed(&text[..same]),
        false => Cow::Owned(short),
    }
}

/// `line` is the beginning of something longer; makes room for the ellipsis.
fn cut(line: &str, max_chars: usize) -> Cow<'static, str> {
    let Some(room) = max_chars.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let mut end = line
        .char_indices()
        .nth(room)
        .map_or(line.len(), |(at, _)| at);
    while let Some(c) = line[..end].chars().next_back() {
        let next = line[end..].chars().next();
        if !next.is_some_and(joins) && c != ZERO_WIDTH_JOINER {
            break;
        }
        end -= c.len_utf8();
    }
    Cow::Owned(format!("{}…", line[..end].trim_end()))
}

const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Whether the char belongs to the one before it.
fn joins(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}'
        | ZERO_WIDTH_JOINER)
}

/// A title made of the beginning of `text`: its first line that is not blank, without the marks
/// that begin a heading, a quotation or a list item; never empty, see [`TITLE_UNTITLED`].
pub fn title(text: &str) -> Cow<'_, str> {
    let mark = |c: char| c.is_whitespace() || c.is_control() || "#>*-+`".contains(c);
    let start = text.trim_start_matches(mark);
    let line = start.split(['\n', '\r']).next().unwrap_or(start);
    match preview(line, TITLE_CHARS_MAX) {
        short if short.is_empty() => Cow::Borrowed(TITLE_UNTITLED),
        short => short,
    }
}

/// The turn whose text gives the branch its title: the first human turn below the fork, since it
/// says what the branch is about; where no human turn follows the fork, the answer that differs;
/// for a branch that never forks, the first human turn from the root.
pub fn title_turn(graph: &SessionGraph, branch: &Branch) -> Ix {
    let path = graph.path_to(branch.leaf);
    let from = branch.fork_point.map_or(0, |fork| graph.depth(fork) + 1);
    let below = path.get(from..).unwrap_or_default();
    let human = below
        .iter()
        .find(|&&ix| graph.turn(ix).role == TurnRole::Human);
    human.or(below.first()).copied().unwrap_or(branch.leaf)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Timestamp, TurnRow, Uid};

    #[test]
    fn white_space_is_collapsed_and_long_text_ends_in_an_ellipsis() {
        for (text, max, short) in [
            ("", 5, ""),
            (" \n\t ", 5, ""),
            ("short", 5, "short"),
            ("short  ", 5, "short"),
            ("longer", 5, "long…"),
            ("one two", 4, "one…"),
            ("one two", 5, "one…"),
            ("one two", 6, "one t…"),
            ("ab c", 3, "ab…"),
            ("  a \r\n\n b\u{0}c  ", 9, "a b c"),
            ("a  b  c", 3, "a…"),
            ("ab", 1, "…"),
            ("a", 1, "a"),
            ("a", 0, ""),
            ("日本語です", 4, "日本語…"),
            // The accent stays with its letter, the family with all its members.
            ("caf\u{65}\u{301} noir", 5, "caf…"),
            ("ab\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}!", 5, "ab…"),
        ] {
            assert_eq!(preview(text, max), short, "{text:?} {max}");
        }
    }

    #[test]
    fn text_that_is_its_own_preview_is_borrowed() {
        assert!(matches!(
            preview("  as it is ", 20),
            Cow::Borrowed("as it is")
        ));
        assert!(matches!(preview("as  it is", 20), Cow::Owned(_)));
    }

    #[test]
    fn a_title_is_the_first_line_without_its_marks() {
        assert_eq!(title("\n## **Tides**\n\nThey follow…"), "Tides**");
        assert_eq!(title("> - quoted\nmore"), "quoted");
        assert_eq!(title(" \n--- "), TITLE_UNTITLED);
        assert_eq!(title(&"word ".repeat(30)).chars().count(), TITLE_CHARS_MAX);
    }

    fn turn(n: usize, parent: Option<usize>) -> TurnRow {
        let uid = |n: usize| Uid::stored(format!("u{n}"));
        TurnRow {
            uid: uid(n),
            role: [TurnRole::Human, TurnRole::Agent][n % 2],
            parent_uid: parent.map(uid),
            active_child: None,
            seq: n as i32,
            created_at: Timestamp(0),
            deleted_at: None,
            liked: None,
            model: None,
            status: None,
            finished_at: None,
            usage: None,
            rev: 1,
        }
    }

    #[test]
    fn a_branch_is_named_by_what_was_asked_after_the_fork() {
        // 0 forks to the answers 1 and 3; 1 goes on with 2 and 5; 6 is a root of its own.
        let links = [
            (0, None),
            (1, Some(0)),
            (2, Some(1)),
            (3, Some(0)),
            (5, Some(2)),
            (6, None),
        ];
        let rows = links.map(|(n, parent)| turn(n, parent)).to_vec();
        let graph = SessionGraph::build(rows, None);
        let named: Vec<_> = graph
            .branches()
            .iter()
            .map(|b| {
                (
                    &graph.turn(b.leaf).uid,
                    &graph.turn(title_turn(&graph, b)).uid,
                )
            })
            .map(|(leaf, named)| (leaf.as_str(), named.as_str()))
            .collect();
        assert_eq!(named, [("u3", "u3"), ("u5", "u2"), ("u6", "u6")]);
    }

    proptest! {
        #[test]
        fn a_preview_is_one_line_of_at_most_that_many_chars(text in "[ \\n\\ta-c\u{301}\u{200d}語]{0,20}|\\PC{0,20}", max in 0..25usize) {
            let short = preview(&text, max);
            prop_assert!(short.chars().count() <= max);
            prop_assert!(!short.contains(char::is_control) && !short.contains("  "));
            prop_assert_eq!(short.trim(), &*short);
            let words: String = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
            if words.chars().count() <= max {
                prop_assert_eq!(&*short, words);
            } else if max > 0 {
                let kept = short.strip_suffix('…');
                prop_assert!(kept.is_some_and(|kept| words.starts_with(kept)));
            }
        }
    }
}
