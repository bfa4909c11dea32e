//! Export, import into an empty store, export: the same bytes, whatever the sessions hold.

use proptest::prelude::*;
use turngraph::domain::score::{MetadataRow, ScoreRow, ScoreSource, ScoreValue, Target};
use turngraph::domain::{ForkOrigin, SessionRow, StepRow, Timestamp, TurnRole, TurnStatus, Uid};
use turngraph::stores::record::NewTurn;
use turngraph::transfer::SkipKind;
use turngraph::transfer::export::{ExportFormat, export};

use super::files::texts;
use super::{Lab, REAL, account, broken, data};
use crate::support::rows::{agent, human, session, uid};

async fn exported(lab: &Lab, format: ExportFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(&**lab.record(), &account(), format, &mut bytes)
        .await
        .unwrap();
    bytes
}

async fn imported(lab: &Lab, bytes: &[u8]) -> turngraph::transfer::ImportReport {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("sessions");
    std::fs::write(&path, bytes).unwrap();
    lab.import(&[path], None).await
}

#[tokio::test]
async fn real_conversations_come_back_byte_for_byte() {
    let (first, second) = (Lab::new().await, Lab::new().await);
    first.import(&REAL.map(data), None).await;
    let bytes = exported(&first, ExportFormat::Ndjson).await;
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 129);
    let report = imported(&second, &bytes).await;
    assert_eq!((report.sessions, broken(&report)), (129, 0), "{report:#?}");
    assert!(exported(&second, ExportFormat::Ndjson).await == bytes);
    // Where they come from they are there already, and nothing changes.
    let again = imported(&first, &bytes).await;
    assert_eq!(again.skipped_of(SkipKind::Present), 129);
    assert!(exported(&first, ExportFormat::Ndjson).await == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_conversations_pass_from_one_engine_to_the_other_and_back() {
    let (postgres, sqlite) = (Lab::postgres().await, Lab::new().await);
    for name in REAL {
        let report = postgres.import(&[data(name)], None).await;
        assert_eq!(broken(&report), 0, "{name}: {report:#?}");
        let again = postgres.import(&[data(name)], None).await;
        assert_eq!(
            again.skipped_of(SkipKind::Present),
            report.sessions,
            "{name}"
        );
    }
    postgres
        .import(&["odd/later-1.json", "odd/later-2.json"].map(data), None)
        .await;
    let bytes = exported(&postgres, ExportFormat::Ndjson).await;
    let report = imported(&sqlite, &bytes).await;
    assert_eq!((report.sessions, broken(&report)), (130, 0), "{report:#?}");
    assert!(exported(&sqlite, ExportFormat::Ndjson).await == bytes);
    let back = Lab::postgres().await;
    imported(&back, &bytes).await;
    assert!(exported(&back, ExportFormat::Ndjson).await == bytes);
}

#[tokio::test]
async fn an_export_for_chatgpt_holds_the_same_texts_and_paths() {
    let (first, second) = (Lab::new().await, Lab::new().await);
    first.import(&REAL.map(data), None).await;
    let report = imported(&second, &exported(&first, ExportFormat::Chatgpt).await).await;
    assert_eq!((report.sessions, broken(&report)), (129, 0));
    assert_eq!(report.repaired, []);
    let of = |lab: &Lab| {
        let record = std::sync::Arc::clone(lab.record());
        async move {
            let mut texts = texts(&*record, &account()).await;
            texts.remove("");
            texts
        }
    };
    assert_eq!(of(&first).await, of(&second).await);
    let once = exported(&second, ExportFormat::Chatgpt).await;
    let third = Lab::new().await;
    imported(&third, &once).await;
    let paths = |bytes: &[u8]| {
        let all: Vec<serde_json::Value> = serde_json::from_slice(bytes).unwrap();
        let nodes = |one: &serde_json::Value| one["mapping"].as_object().unwrap().len();
        let mut counts: Vec<usize> = all.iter().map(nodes).collect();
        // Sessions without times are ordered by key, and every import derives its own.
        counts.sort_unstable();
        counts
    };
    assert_eq!(
        paths(&once),
        paths(&exported(&third, ExportFormat::Chatgpt).await)
    );
}

#[derive(Debug, Clone)]
struct Drawn {
    title: Option<String>,
    times: (i64, i64),
    deleted: bool,
    gap: i32,
    turns: Vec<DrawnTurn>,
    scores: Vec<(f64, u8, String)>,
}

#[derive(Debug, Clone)]
struct DrawnTurn {
    human: bool,
    parent: Option<prop::sample::Index>,
    text: String,
    contents: Vec<String>,
    flags: (Option<bool>, bool, u8),
    at: i64,
}

fn text() -> impl Strategy<Value = String> {
    "[^\\x00]{0,12}"
}

fn content() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        Just("null".to_owned()),
        "[ \\n]?\\{\"text\": ?\"[a-z\\\\u{e9}\u{2028}]{0,4}\"\\}[ \\n]?",
        Just(r#"{"a":1e400,"a":"\u0000"}"#.to_owned()),
        Just(r#""\ud800""#.to_owned()),
        Just("[".repeat(200) + &"]".repeat(200)),
    ]
}

fn turn() -> impl Strategy<Value = DrawnTurn> {
    (
        any::<bool>(),
        prop::option::of(any::<prop::sample::Index>()),
        text(),
        prop::collection::vec(content(), 0..3),
        (any::<Option<bool>>(), any::<bool>(), 0..5u8),
        any::<i32>().prop_map(i64::from),
    )
        .prop_map(|(human, parent, text, contents, flags, at)| DrawnTurn {
            human,
            parent,
            text,
            contents,
            flags,
            at,
        })
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        prop::option::of(text()),
        (
            any::<i32>().prop_map(i64::from),
            any::<i32>().prop_map(i64::from),
        ),
        any::<bool>(),
        0..3i32,
        prop::collection::vec(turn(), 0..8),
        prop::collection::vec(
            (
                // SQLite reads longer numbers to the last bit but one.
                (-1_000_000..1_000_000i32).prop_map(|n| f64::from(n) / 1_000.0),
                0..6u8,
                text(),
            ),
            0..4,
        ),
    )
        .prop_map(|(title, times, deleted, gap, turns, scores)| Drawn {
            title,
            times,
            deleted,
            gap,
            turns,
            scores,
        })
}

/// Rows of every kind and damage: gaps in numbers, parents of any role, content that is no JSON.
async fn store(lab: &Lab, nth: usize, drawn: &Drawn) {
    let key = |ix: usize| format!("{nth}-é-{ix}");
    let mut tx = lab.record().begin().await.unwrap();
    let last = drawn.turns.len() as i32 + drawn.gap;
    let home = uid(&format!("session {nth}"));
    let session = SessionRow {
        title: drawn.title.as_deref().map(Into::into),
        created_at: Timestamp(drawn.times.0),
        last_activity_at: Timestamp(drawn.times.1),
        deleted_at: drawn.deleted.then_some(Timestamp(drawn.times.1)),
        active_root: drawn.turns.first().map(|_| uid(&key(0))),
        next_seq: last,
        forked_from: drawn.deleted.then(|| ForkOrigin {
            session_uid: uid("gone"),
            turn_uid: uid("gone too"),
            at: Timestamp(3),
        }),
        ..session("ada", home.as_str())
    };
    tx.session_insert(&session).await.unwrap().unwrap();
    let (mut turns, mut steps, mut seqs): (Vec<NewTurn>, Vec<StepRow>, Vec<i32>) =
        Default::default();
    for (ix, turn) in drawn.turns.iter().enumerate() {
        let parent = turn
            .parent
            .filter(|_| ix > 0)
            .map(|parent| key(parent.index(ix)));
        let seq = ix as i32 + drawn.gap;
        let mut row = match turn.human {
            true => human(&key(ix), parent.as_deref(), seq, &turn.text),
            false => agent(&key(ix), parent.as_deref(), seq),
        };
        row.turn.created_at = Timestamp(turn.at);
        row.turn.active_child = turn.parent.map(|child| uid(&key(child.index(20))));
        row.turn.deleted_at = turn.flags.1.then_some(Timestamp(turn.at));
        if row.turn.role == TurnRole::Agent {
            row.turn.liked = turn.flags.0;
            row.turn.model = turn.flags.0.map(|_| turn.text.as_str().into());
            row.turn.status = TurnStatus::ALL.get(turn.flags.2 as usize).copied();
            row.turn.finished_at = turn.flags.1.then_some(Timestamp(turn.at));
            row.turn.usage = turn.flags.1.then(|| r#"{"a": 1, "b":[ ]}"#.into());
            let new = drawn_steps(&key(ix), turn);
            seqs.extend(new.iter().map(|_| seq));
            steps.extend(new);
        }
        turns.push(row);
    }
    tx.turns_insert(&home, &turns).await.unwrap();
    tx.steps_insert(&home, &steps, &seqs).await.unwrap();
    let (scores, metadata) = judgements(&home, nth, drawn);
    tx.scores_insert(&home, &scores).await.unwrap();
    tx.metadata_set(&home, &metadata).await.unwrap();
    tx.commit().await.unwrap();
}

/// Steps with gaps between their places, of known and unknown types.
fn drawn_steps(turn_uid: &str, turn: &DrawnTurn) -> Vec<StepRow> {
    let contents = turn.contents.iter().enumerate();
    let step = |(n, content): (usize, &String)| StepRow {
        turn_uid: uid(turn_uid),
        idx: n as i32 * 3,
        tpe: n as i32 * 9 - 1,
        content: content.as_str().into(),
        created_at: Timestamp(turn.at),
        rev: 1,
    };
    contents.map(step).collect()
}

/// Scores of every kind and metadata, on the session and on turns that may not be there.
fn judgements(home: &Uid, nth: usize, drawn: &Drawn) -> (Vec<ScoreRow>, Vec<MetadataRow>) {
    let key = |ix: usize| format!("{nth}-é-{ix}");
    let (mut scores, mut metadata) = (Vec::new(), Vec::new());
    for (n, (number, kind, text)) in drawn.scores.iter().enumerate() {
        let target = match kind % 2 {
            0 => Target::Session { uid: home.clone() },
            _ => Target::Turn { uid: uid(&key(n)) },
        };
        metadata.push(MetadataRow {
            target: target.clone(),
            key: format!("{n} {text}"),
            value: text.clone(),
        });
        scores.push(ScoreRow {
            uid: uid(&format!("score {nth} {n}")),
            target,
            name: text.clone(),
            source: ScoreSource::Llm,
            value: match kind {
                0 | 1 => ScoreValue::Number(*number),
                2 => ScoreValue::Bool(*number > 0.0),
                3 => ScoreValue::Label(text.clone()),
                _ => ScoreValue::Text(text.clone()),
            },
            comment: (*kind > 3).then(|| text.clone()),
            evaluator: (*kind > 2).then(|| text.clone()),
            created_at: Timestamp(i64::from(*kind)),
        });
    }
    (scores, metadata)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_sessions_come_back_byte_for_byte(sessions in prop::collection::vec(drawn(), 1..4)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (before, after, report) = runtime.block_on(async {
            let (first, second) = (Lab::new().await, Lab::new().await);
            for (nth, session) in sessions.iter().enumerate() {
                store(&first, nth, session).await;
            }
            let before = exported(&first, ExportFormat::Ndjson).await;
            let report = imported(&second, &before).await;
            (before, exported(&second, ExportFormat::Ndjson).await, report)
        });
        prop_assert_eq!(report.sessions, sessions.len(), "{:#?}", report);
        prop_assert_eq!(String::from_utf8(after).unwrap(), String::from_utf8(before).unwrap());
    }
}

#[tokio::test]
async fn nothing_of_another_account_is_exported() {
    let lab = Lab::new().await;
    lab.import_for("bob", &[data(REAL[2])], None).await;
    assert_eq!(exported(&lab, ExportFormat::Ndjson).await, b"");
    assert_eq!(exported(&lab, ExportFormat::Chatgpt).await, b"[\n]\n");
}
