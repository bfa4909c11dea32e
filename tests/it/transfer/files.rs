//! The real files: counts as their sources state them, every visible text found again.

use std::collections::BTreeSet;

use serde_json::Value;
use turngraph::domain::Uid;
use turngraph::stores::{RecordStore, SessionFilter, SessionListing, SessionOrder};
use turngraph::transfer::{Format, ImportReport, SkipKind};

use super::{Lab, REAL, account, broken, data};
use crate::support::rows::uid;

/// Sessions, human turns, agent turns, steps, scores; then nodes and how many were technical.
type Counts = ([usize; 5], [usize; 2]);

/// What the files hold, counted by a script apart from this program. In the first file 418 of the
/// 990 scores are ranks. In `realistic` two answers follow an answer and so are steps, and in the
/// exports of ChatGPT several nodes are one answer.
const COUNTS: [(usize, Counts); 12] = [
    (0, ([67, 309, 452, 452, 990], [761, 0])),
    (1, ([50, 122, 178, 180, 0], [302, 0])),
    (2, ([1, 1, 1, 2, 0], [8, 4])),
    (3, ([1, 1, 1, 2, 0], [6, 3])),
    (4, ([1, 2, 2, 2, 0], [8, 3])),
    (5, ([1, 3, 2, 2, 0], [6, 1])),
    (6, ([2, 5, 5, 9, 0], [23, 4])),
    (7, ([1, 5, 6, 6, 0], [13, 2])),
    (8, ([1, 3, 3, 3, 0], [6, 0])),
    (9, ([1, 2, 3, 3, 0], [5, 0])),
    (10, ([1, 1, 1, 1, 0], [2, 0])),
    (11, ([2, 3, 3, 3, 0], [6, 0])),
];

fn counts(report: &ImportReport) -> Counts {
    let rows = [
        report.sessions,
        report.human_turns,
        report.agent_turns,
        report.steps,
        report.scores,
    ];
    (rows, [report.nodes, report.skipped_of(SkipKind::Technical)])
}

#[tokio::test]
async fn every_real_file_imports_with_the_counts_of_its_source() {
    let lab = Lab::new().await;
    for (file, of) in COUNTS {
        let report = lab.import(&[data(REAL[file])], None).await;
        assert_eq!(counts(&report), of, "{}: {report:#?}", REAL[file]);
        assert_eq!(broken(&report), 0, "{report:#?}");
        assert_eq!(report.repaired, [], "{}", REAL[file]);
    }
}

#[tokio::test]
async fn a_second_import_adds_nothing_under_any_path_and_another_account_gets_its_own() {
    let lab = Lab::new().await;
    let directory = tempfile::TempDir::new().unwrap();
    let mut first = Vec::new();
    for name in REAL {
        first.push(lab.import(&[data(name)], None).await);
        let copy = directory.path().join("copy");
        std::fs::copy(data(name), &copy).unwrap();
        let again = lab.import(&[copy], None).await;
        assert_eq!(
            counts(&again),
            ([0; 5], [again.nodes, 0]),
            "{name}: {again:#?}"
        );
        assert_eq!(
            again.skipped_of(SkipKind::Present),
            first.last().unwrap().sessions
        );
        assert!(!again.has_broken() && again.repaired.is_empty());
    }
    let other = lab.import_for("bob", &REAL.map(data), None).await;
    let sum: usize = first.iter().map(|report| report.sessions).sum();
    assert_eq!((sum, other.sessions), (129, 129));
    assert_eq!(sessions(&**lab.record(), &account()).await.len(), 129);
    let of_ada: BTreeSet<Uid> = sessions(&**lab.record(), &account())
        .await
        .into_iter()
        .collect();
    let of_bob = sessions(&**lab.record(), &uid("bob")).await;
    assert!(of_bob.iter().all(|uid| !of_ada.contains(uid)));
}

#[tokio::test]
async fn every_visible_text_of_the_real_files_is_found_in_the_store() {
    for name in REAL {
        let lab = Lab::new().await;
        lab.import(&[data(name)], None).await;
        let stored = texts(&**lab.record(), &account()).await;
        let text = std::fs::read_to_string(data(name)).unwrap();
        let visible = visible_texts(text.trim_start_matches('\u{feff}'));
        assert!(visible.len() > 1, "{name}");
        for text in visible {
            assert!(
                stored.contains(&text),
                "{name} lost {:?}",
                &text[..text.len().min(80)]
            );
        }
    }
}

#[tokio::test]
async fn a_format_that_is_named_reads_what_detection_reads() {
    let lab = Lab::new().await;
    let report = lab.import(&[data(REAL[8])], Some(Format::Librechat)).await;
    assert_eq!(report.sessions, 1);
    let again = lab.import(&[data(REAL[8])], None).await;
    assert_eq!(again.skipped_of(SkipKind::Present), 1);
    let wrong = lab.import(&[data(REAL[8])], Some(Format::Chatgpt)).await;
    assert_eq!((wrong.sessions, broken(&wrong)), (0, 1));
}

/// All sessions of an account.
pub(super) async fn sessions(record: &dyn RecordStore, account: &Uid) -> Vec<Uid> {
    let listing = SessionListing {
        order: SessionOrder::CreatedAsc,
        after: None,
        before: None,
        limit: 10_000,
        filter: SessionFilter {
            include_deleted: true,
            ..SessionFilter::default()
        },
    };
    let page = record.sessions_page(account, &listing).await.unwrap();
    page.into_iter().map(|session| session.uid).collect()
}

/// All prompts, and all strings in the content of steps.
pub(super) async fn texts(record: &dyn RecordStore, account: &Uid) -> BTreeSet<String> {
    let uids = sessions(record, account).await;
    let turns = record.turns_by_session(account, &uids).await.unwrap();
    let turns: Vec<Uid> = turns.into_iter().map(|row| row.turn.uid).collect();
    let prompts = record.prompts(&turns).await.unwrap();
    let mut texts: BTreeSet<String> = prompts.into_iter().map(|(_, prompt)| prompt).collect();
    for step in record.steps(&turns).await.unwrap() {
        let mut waiting = vec![serde_json::from_str::<Value>(&step.content).unwrap()];
        while let Some(value) = waiting.pop() {
            match value {
                Value::String(text) => drop(texts.insert(text)),
                Value::Array(values) => waiting.extend(values),
                Value::Object(fields) => waiting.extend(fields.into_iter().map(|(_, value)| value)),
                _ => {}
            }
        }
    }
    texts
}

/// Texts that a person saw, found by the plainest reading of each format.
fn visible_texts(text: &str) -> BTreeSet<String> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut waiting: Vec<Value> = values.map(Result::unwrap).collect();
    let mut texts = BTreeSet::new();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(values) => waiting.extend(values),
            Value::Object(fields) => {
                let value = Value::Object(fields.clone());
                let hidden = value["metadata"]["is_visually_hidden_from_conversation"] == true;
                let role = value["author"]["role"].as_str();
                if value["content"]["parts"].is_array() && !hidden && role != Some("system") {
                    let parts = value["content"]["parts"].as_array().unwrap();
                    let parts = parts.iter().filter_map(Value::as_str);
                    texts.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
                }
                let own = fields.contains_key("role") || fields.contains_key("isCreatedByUser");
                for key in ["text", "content"].into_iter().filter(|_| own) {
                    texts.extend(value[key].as_str().map(str::to_owned));
                }
                waiting.extend(fields.into_iter().map(|(_, value)| value));
            }
            _ => {}
        }
    }
    texts
}
