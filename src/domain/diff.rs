//! What differs between two branches of a session, and between two texts.

use std::iter;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::SessionGraph;
use super::graph::Ix;

/// What differs between the paths that end in two turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchDiff {
    /// The last turn that both paths have; none when they begin with different roots.
    pub common_ancestor: Option<Ix>,
    /// Turns that only the path to `a` has, from the root down.
    pub only_a: Vec<Ix>,
    /// Turns that only the path to `b` has, from the root down.
    pub only_b: Vec<Ix>,
}

/// Compares the paths from the root to `a` and to `b`, deleted turns included.
pub fn branch_diff(graph: &SessionGraph, a: Ix, b: Ix) -> BranchDiff {
    let common_ancestor = graph.common_ancestor(a, b);
    let shared = common_ancestor.map_or(0, |ix| graph.depth(ix) + 1);
    let beyond = |ix: Ix| graph.path_to(ix).split_off(shared);
    BranchDiff {
        common_ancestor,
        only_a: beyond(a),
        only_b: beyond(b),
    }
}

/// Most words (of both texts together, after what they begin and end with in common) that are
/// compared one by one; longer texts are compared by lines.
pub const DIFF_WORDS_MAX: usize = 20_000;

/// Most lines (counted likewise) that are compared one by one; what is longer counts as replaced
/// from the first difference to the last.
pub const DIFF_LINES_MAX: usize = 20_000;

/// Most bytes (of both texts together) that are split into words or lines at all, since the list
/// of words takes several times the memory of the text.
pub const DIFF_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What happened to a stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiffKind {
    /// Both texts have it.
    Equal,
    /// Only the second has it.
    Insert,
    /// Only the first has it.
    Delete,
}

/// A stretch of text, never empty. Two neighbours are never of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffHunk<'t> {
    /// What happened to it.
    pub op: DiffKind,
    /// The text, borrowed from `a` (equal, deleted) or `b` (inserted).
    pub text: &'t str,
}

/// How `a` becomes `b`: the `Equal` and `Delete` texts one after another are `a`, the `Equal` and
/// `Insert` texts are `b`. Where a stretch is replaced, the deletion stands before the insertion.
///
/// The work is bounded by the sizes, never by time, so the same texts always differ in the same
/// way: by words up to [`DIFF_WORDS_MAX`], else by lines up to [`DIFF_LINES_MAX`], else (and above
/// [`DIFF_BYTES_MAX`]) as one replacement. Words are runs of letters and digits; of scripts that
/// put no spaces between words (Chinese, Japanese, Thai …) every char is one.
pub fn text_diff<'t>(a: &'t str, b: &'t str) -> Vec<DiffHunk<'t>> {
    let by_parts = || {
        changes_by(words, DIFF_WORDS_MAX, a, b).or_else(|| changes_by(lines, DIFF_LINES_MAX, a, b))
    };
    let changes = (a.len() + b.len() <= DIFF_BYTES_MAX)
        .then(by_parts)
        .flatten()
        .unwrap_or_else(|| vec![whole(a, b)]);
    hunks(a, b, &changes)
}

/// A stretch of bytes of `a` that another one of `b` replaces; one of them may be empty.
type Change = (Range<usize>, Range<usize>);

/// Everything between what both begin with and what both end with.
fn whole(a: &str, b: &str) -> Change {
    let start = (a.char_indices().zip(b.chars()))
        .find(|((_, x), y)| x != y)
        .map_or(a.len().min(b.len()), |((at, _), _)| at);
    let (rest_a, rest_b) = (&a[start..], &b[start..]);
    let tail: usize = (rest_a.chars().rev().zip(rest_b.chars().rev()))
        .take_while(|(x, y)| x == y)
        .map(|(x, _)| x.len_utf8())
        .sum();
    (start..a.len() - tail, start..b.len() - tail)
}

/// The changes by tokens, in order; none when there are too many tokens.
fn changes_by(split: fn(&str) -> Vec<&str>, most: usize, a: &str, b: &str) -> Option<Vec<Change>> {
    let (a_tokens, b_tokens) = (split(a), split(b));
    let same = |(x, y): &(&&str, &&str)| x == y;
    let head = (a_tokens.iter().zip(&b_tokens)).take_while(same).count();
    let (a_rest, b_rest) = (&a_tokens[head..], &b_tokens[head..]);
    let tail = (a_rest.iter().rev().zip(b_rest.iter().rev()))
        .take_while(same)
        .count();
    let a_rest = &a_rest[..a_rest.len() - tail];
    let b_rest = &b_rest[..b_rest.len() - tail];
    if a_rest.len() + b_rest.len() > most {
        return None;
    }
    let start: usize = a_tokens[..head].iter().map(|token| token.len()).sum();
    let (a_at, b_at) = (places(start, a_rest), places(start, b_rest));
    let mut changes: Vec<Change> = Vec::new();
    // Only what is equal says for sure where it stands in both texts; what lies between two equal
    // stretches has changed.
    let mut before = (start, start);
    let equal = capture_diff_slices(Algorithm::Myers, a_rest, b_rest)
        .into_iter()
        .filter(|op| matches!(op, DiffOp::Equal { .. }))
        .map(|op| (op.old_range(), op.new_range()));
    let end = (a_rest.len()..a_rest.len(), b_rest.len()..b_rest.len());
    for (old, new) in equal.chain(iter::once(end)) {
        let change = (before.0..a_at[old.start], before.1..b_at[new.start]);
        before = (a_at[old.end], b_at[new.end]);
        match changes.last_mut() {
            _ if change.0.is_empty() && change.1.is_empty() => {}
            // White space alone between two changes is no island worth showing.
            Some(last) if a[last.0.end..change.0.start].trim().is_empty() => {
                *last = (last.0.start..change.0.end, last.1.start..change.1.end);
            }
            _ => changes.push(change),
        }
    }
    Some(changes)
}

/// Where each token begins, and where the last one ends.
fn places(start: usize, tokens: &[&str]) -> Vec<usize> {
    let ends = tokens.iter().scan(start, |at, token| {
        *at += token.len();
        Some(*at)
    });
    iter::once(start).chain(ends).collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Runs of white space, runs of letters and digits, and every other char alone.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut before) = (0, Kind::Alone);
    for (at, c) in text.char_indices() {
        let kind = Kind::of(c);
        if at > start && (kind != before || kind == Kind::Alone) {
            words.push(&text[start..at]);
            start = at;
        }
        before = kind;
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Word,
    Alone,
}

impl Kind {
    fn of(c: char) -> Self {
        // Thai and Lao, Myanmar, Khmer; Han, Kana and their punctuation; more Han.
        let spaceless = matches!(c,
            '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{2e80}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}');
        match c {
            _ if c.is_whitespace() => Self::Space,
            _ if (c.is_alphanumeric() || c == '_') && !spaceless => Self::Word,
            _ => Self::Alone,
        }
    }
}

/// The changes and what is equal between them, without empty stretches.
fn hunks<'t>(a: &'t str, b: &'t str, changes: &[Change]) -> Vec<DiffHunk<'t>> {
    let mut hunks = Vec::with_capacity(3 * changes.len() + 1);
    let mut push = |op, text: &'t str| {
        if !text.is_empty() {
            hunks.push(DiffHunk { op, text });
        }
    };
    let mut at = 0;
    for (old, new) in changes {
        push(DiffKind::Equal, &a[at..old.start]);
        push(DiffKind::Delete, &a[old.clone()]);
        push(DiffKind::Insert, &b[new.clone()]);
        at = old.end;
    }
    push(DiffKind::Equal, &a[at..]);
    hunks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Timestamp, TurnRole, TurnRow, Uid};

    /// `=` equal, `-` deleted, `+` inserted.
    fn told(a: &str, b: &str) -> Vec<String> {
        let told = |hunk: &DiffHunk<'_>| match hunk.op {
            DiffKind::Equal => format!("={}", hunk.text),
            DiffKind::Insert => format!("+{}", hunk.text),
            DiffKind::Delete => format!("-{}", hunk.text),
        };
        text_diff(a, b).iter().map(told).collect()
    }

    fn joined(hunks: &[DiffHunk<'_>], op: DiffKind) -> String {
        let kept = hunks
            .iter()
            .filter(|h| h.op == op || h.op == DiffKind::Equal);
        kept.map(|h| h.text).collect()
    }

    #[test]
    fn short_texts_differ_by_words() {
        assert_eq!(told("", ""), Vec::<String>::new());
        assert_eq!(told("same", "same"), ["=same"]);
        assert_eq!(told("", "new"), ["+new"]);
        assert_eq!(told("old", ""), ["-old"]);
        assert_eq!(
            told("The red cat sat.", "The big dog sat, calmly."),
            ["=The ", "-red cat", "+big dog", "= sat", "+, calmly", "=."]
        );
        assert_eq!(
            told("天気は良い", "天気は悪い"),
            ["=天気は", "-良", "+悪", "=い"]
        );
    }

    #[test]
    fn long_texts_differ_by_lines_and_longer_ones_as_a_whole() {
        let lines = |n: usize, step: usize| -> String {
            let line = |k: usize| format!("line {} of many words\n", k * step);
            (1..=n).map(line).collect()
        };
        let a = format!("first x\n{}last\n", lines(4000, 1));
        let b = format!("first y\n{}last\n", lines(4000, 2));
        assert!(told(&a, &b).starts_with(&["-first x\nline 1 of many words\n".to_owned()]));
        let a = format!("first\n{}last\n", lines(12_000, 1));
        let b = format!("first\n{}last\n", lines(12_000, 2));
        let hunks = text_diff(&a, &b);
        let ops: Vec<_> = hunks.iter().map(|hunk| hunk.op).collect();
        use DiffKind::{Delete, Equal, Insert};
        assert_eq!(ops, [Equal, Delete, Insert, Equal]);
        assert_eq!(hunks[0].text, "first\nline ");
    }

    #[test]
    fn one_changed_word_is_found_in_a_text_of_any_size() {
        for times in [1, 50_000, 100_000] {
            let text = "some words of a long text. ".repeat(times);
            let (a, b) = (format!("{text}cat. {text}"), format!("{text}dog. {text}"));
            let hunks = text_diff(&a, &b);
            assert_eq!(hunks.len(), 4);
            assert_eq!((hunks[1].text, hunks[2].text), ("cat", "dog"));
        }
    }

    #[test]
    fn branches_differ_by_what_follows_their_last_common_turn() {
        let uid = |n: i32| Uid::stored(format!("u{n}"));
        let turn = |n: i32, parent: Option<i32>| TurnRow {
            uid: uid(n),
            role: TurnRole::Human,
            parent_uid: parent.map(uid),
            active_child: None,
            seq: n,
            created_at: Timestamp(0),
            deleted_at: None,
            liked: None,
            model: None,
            status: None,
            finished_at: None,
            usage: None,
            rev: 1,
        };
        // 0 - 1 - 2 - 3 and 1 - 4; 5 is another root.
        let links = [None, Some(0), Some(1), Some(2), Some(1), None];
        let rows = (0..).zip(links).map(|(n, parent)| turn(n, parent));
        let graph = SessionGraph::build(rows.collect(), None);
        let told = |a, b| {
            let diff = branch_diff(&graph, a, b);
            (diff.common_ancestor, diff.only_a, diff.only_b)
        };
        assert_eq!(told(3, 4), (Some(1), vec![2, 3], vec![4]));
        assert_eq!(told(1, 3), (Some(1), vec![], vec![2, 3]));
        assert_eq!(told(3, 3), (Some(3), vec![], vec![]));
        assert_eq!(told(4, 5), (None, vec![0, 1, 4], vec![5]));
    }

    proptest! {
        #[test]
        fn equal_and_deleted_is_a_and_equal_and_inserted_is_b(
            a in "([a-c]{1,2}[ \n.,]{0,2}|天|é){0,30}",
            b in "([a-c]{1,2}[ \n.,]{0,2}|気|é){0,30}",
        ) {
            let by = [
                changes_by(words, usize::MAX, &a, &b).unwrap(),
                changes_by(lines, usize::MAX, &a, &b).unwrap(),
                vec![whole(&a, &b)],
            ];
            for changes in by {
                let hunks = hunks(&a, &b, &changes);
                prop_assert_eq!(joined(&hunks, DiffKind::Delete), a.as_str());
                prop_assert_eq!(joined(&hunks, DiffKind::Insert), b.as_str());
                prop_assert!(hunks.iter().all(|hunk| !hunk.text.is_empty()));
                prop_assert!(hunks.windows(2).all(|pair| pair[0].op != pair[1].op));
            }
        }

        #[test]
        fn no_text_makes_it_panic(a in any::<String>(), b in any::<String>()) {
            let hunks = text_diff(&a, &b);
            prop_assert_eq!(joined(&hunks, DiffKind::Delete), a.as_str());
            prop_assert_eq!(joined(&hunks, DiffKind::Insert), b.as_str());
        }
    }
}
