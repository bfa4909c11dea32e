//! Odd and damaged files: what is put right, what is left out, and that the report tells both.

use serde_json::Value;
use turngraph::domain::{SessionGraph, SessionRow, StepRow, StepType, TurnRole, TurnStatus, Uid};
use turngraph::transfer::SkipKind;

use super::{Lab, account, broken, data};

/// The graphs of all sessions with these titles, in that order.
async fn graphs(lab: &Lab, titles: &[&str]) -> Vec<(SessionRow, SessionGraph)> {
    let uids = super::files::sessions(&**lab.record(), &account()).await;
    let rows = lab
        .record()
        .sessions_by_uid(&account(), &uids)
        .await
        .unwrap();
    let mut found = Vec::new();
    for title in titles {
        let of_title = |row: &&SessionRow| row.title.as_deref() == Some(*title);
        let row = rows.iter().find(of_title).unwrap().clone();
        let turns = lab
            .record()
            .turns_by_session(&account(), std::slice::from_ref(&row.uid))
            .await
            .unwrap();
        let turns = turns.into_iter().map(|row| row.turn).collect();
        let graph = SessionGraph::build(turns, row.active_root.clone());
        assert_eq!(graph.damage(), [], "{title}");
        found.push((row, graph));
    }
    found
}

async fn steps(lab: &Lab, turn: &Uid) -> Vec<(StepType, Value)> {
    let rows = lab
        .record()
        .steps(std::slice::from_ref(turn))
        .await
        .unwrap();
    let read = |row: StepRow| {
        let content = serde_json::from_str(&row.content).unwrap();
        (StepType::from_number(row.tpe).unwrap(), content)
    };
    rows.into_iter().map(read).collect()
}

#[tokio::test]
async fn damaged_conversations_are_put_right_and_the_report_says_where() {
    let lab = Lab::new().await;
    let report = lab.import(&[data("odd/chatgpt-damaged.json")], None).await;
    assert_eq!((report.sessions, broken(&report)), (10, 1), "{report:#?}");
    let left_out = report
        .skipped
        .iter()
        .find(|entry| entry.kind == SkipKind::Broken)
        .unwrap();
    assert!(
        left_out.place.ends_with("chatgpt-damaged.json: entry 2"),
        "{left_out:?}"
    );
    assert!(left_out.reason.contains("mapping"));
    let told = |id: &str| {
        report
            .repaired
            .iter()
            .filter(|e| e.place.contains(&format!("{id}:")) || e.place.ends_with(id))
            .count()
    };
    let counts = [
        "c-1", "c-3", "c-4", "c-5", "c-6", "c-7", "c-8", "c-9", "c-10", "c-11",
    ]
    .map(told);
    assert_eq!(
        counts,
        [3, 1, 1, 3, 0, 0, 1, 0, 1, 0],
        "{:#?}",
        report.repaired
    );
    let shapes: Vec<_> = graphs(
        &lab,
        &[
            "pointer to nowhere, no root",
            "a cycle",
            "prompt after prompt, answer without prompt",
            "a run that forks",
            "only technical nodes",
        ],
    )
    .await
    .iter()
    .map(|(_, graph)| {
        (
            graph.len(),
            graph.branches().len(),
            graph.active_path().len(),
        )
    })
    .collect();
    assert_eq!(
        shapes,
        [(2, 1, 2), (3, 1, 3), (7, 2, 6), (4, 2, 2), (0, 0, 0)]
    );
}

#[tokio::test]
async fn a_call_and_its_result_are_one_step_and_forks_share_their_beginning() {
    let lab = Lab::new().await;
    lab.import(&[data("odd/chatgpt-damaged.json")], None).await;
    let title = "a result without its call, parallel calls, a picture, an unknown kind";
    let graphs = graphs(&lab, &["a run that forks", title]).await;
    let (_, forked) = &graphs[0];
    for (ix, answer) in [(1, "cats one"), (2, "cats two")] {
        let steps = steps(&lab, &forked.turn(ix).uid).await;
        let types: Vec<_> = steps.iter().map(|(tpe, _)| *tpe).collect();
        assert_eq!(types, [StepType::WebSearch, StepType::Text]);
        assert_eq!(steps[0].1["query"], "cats");
        assert_eq!(steps[0].1["tool"]["result"]["result"], "two cats");
        assert_eq!(steps[1].1["text"], answer);
    }
    let (_, odd) = &graphs[1];
    let steps = steps(&lab, &odd.turn(1).uid).await;
    let types: Vec<_> = steps.iter().map(|(tpe, _)| *tpe).collect();
    use StepType::{Card, Document, Retrieval, Text};
    assert_eq!(types, [Card, Retrieval, Retrieval, Card, Document, Text]);
    assert_eq!(steps[1].1["tool"]["result"]["parts"][0], "rain");
    assert_eq!(steps[2].1["tool"]["result"]["parts"][0], "sun");
    assert_eq!(steps[4].1["source"]["beams"][1], 2);
    let prompt = lab
        .record()
        .prompts(&[odd.turn(0).uid.clone()])
        .await
        .unwrap();
    assert!(prompt[0].1.starts_with("look at this\n{") && prompt[0].1.contains("file-1"));
}

#[tokio::test]
async fn characters_that_no_store_holds_are_replaced_and_reported() {
    let lab = Lab::new().await;
    let report = lab.import(&[data("odd/chatgpt-escapes.json")], None).await;
    assert_eq!((report.sessions, report.repaired.len()), (1, 1));
    assert!(
        report.repaired[0].reason.starts_with("3 NUL"),
        "{report:#?}"
    );
    let texts = super::files::texts(&**lab.record(), &account()).await;
    assert!(texts.contains("a\u{fffd}b \u{fffd} 😀"), "{texts:?}");
}

#[tokio::test]
async fn equal_ids_that_are_not_unique_in_the_world_do_not_collide() {
    let lab = Lab::new().await;
    let files = ["odd/same-id-a.json", "odd/same-id-b.json"].map(data);
    let report = lab.import(&files, None).await;
    assert_eq!((report.sessions, report.human_turns), (2, 2), "{report:#?}");
    assert_eq!(
        lab.import(&files, None).await.skipped_of(SkipKind::Present),
        2
    );
}

#[tokio::test]
async fn a_later_export_completes_a_session_and_keeps_what_was_done_here() {
    let lab = Lab::new().await;
    lab.import(&[data("odd/later-1.json")], None).await;
    let report = lab.import(&[data("odd/later-2.json")], None).await;
    assert_eq!(
        (report.sessions, report.sessions_completed),
        (0, 1),
        "{report:#?}"
    );
    assert_eq!(
        (report.human_turns, report.agent_turns, report.steps),
        (1, 1, 2)
    );
    let graphs = graphs(&lab, &["grows"]).await;
    let graph = &graphs[0].1;
    assert_eq!((graph.len(), graph.active_path().len()), (4, 3));
    let texts: Vec<_> = steps(&lab, &graph.turn(1).uid).await;
    assert_eq!(
        texts
            .iter()
            .map(|(_, c)| c["text"].clone())
            .collect::<Vec<_>>(),
        ["begun", "and more"]
    );
    let again = lab
        .import(&["odd/later-2.json", "odd/later-1.json"].map(data), None)
        .await;
    assert_eq!(again.skipped_of(SkipKind::Present), 2, "{again:#?}");
    let changed = lab
        .record()
        .sessions_by_uid(&account(), &[graphs[0].0.uid.clone()])
        .await;
    assert_eq!(changed.unwrap(), [graphs[0].0.clone()]);
}

#[tokio::test]
async fn open_webui_librechat_and_chatbot_ui_bring_tools_votes_and_errors() {
    let lab = Lab::new().await;
    let files = [
        "odd/openwebui.json",
        "odd/librechat-tools.json",
        "odd/chatbotui-no-ids.json",
    ];
    let report = lab.import(&files.map(data), None).await;
    assert_eq!((report.sessions, broken(&report)), (5, 2), "{report:#?}");
    let graphs = graphs(&lab, &["Weather with tools", "Tools", "An old export"]).await;
    let agents = |at: usize| {
        let graph = &graphs[at].1;
        let turns = graph
            .turns()
            .iter()
            .filter(|turn| turn.role == TurnRole::Agent);
        turns
            .map(|turn| (turn.liked, turn.status.unwrap()))
            .collect::<Vec<_>>()
    };
    use TurnStatus::{Complete, Failed};
    assert_eq!(agents(0), [(Some(false), Complete), (Some(true), Complete)]);
    assert_eq!(agents(1), [(Some(false), Failed)]);
    assert_eq!(agents(2), [(None, Failed)]);
    let weather = steps(&lab, &graphs[0].1.turn(2).uid).await;
    let types: Vec<_> = weather.iter().map(|(tpe, _)| *tpe).collect();
    assert_eq!(
        types,
        [StepType::Think, StepType::Retrieval, StepType::Text]
    );
    assert_eq!(weather[1].1["tool"]["arguments"]["city"], "Oslo");
    assert_eq!(weather[1].1["tool"]["result"], "rain, 4 degrees");
    let tools = steps(&lab, &graphs[1].1.turn(1).uid).await;
    assert_eq!(tools[1].1["source"], "print(2+3)");
    assert_eq!(tools[1].1["stdout"], "5");
}

#[tokio::test]
async fn broken_lines_and_files_cut_off_leave_the_rest_whole() {
    for (file, label) in [
        ("odd/half-line.jsonl", "line 3"),
        ("odd/broken-line.jsonl", "line 2"),
    ] {
        let lab = Lab::new().await;
        let report = lab.import(&[data(file)], None).await;
        assert_eq!(
            (report.sessions, report.skipped.len()),
            (2, 1),
            "{report:#?}"
        );
        assert!(report.skipped[0].place.ends_with(label), "{report:#?}");
        assert!(report.has_broken());
    }
}

#[tokio::test]
async fn what_is_no_export_is_refused_with_what_to_do_and_other_files_are_imported() {
    let lab = Lab::new().await;
    let directory = tempfile::TempDir::new().unwrap();
    let make = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let files = [
        (make("empty", b""), "empty"),
        (make("list", b"[]"), "nothing to import"),
        (make("packed.gz", b"\x1f\x8b\x08\0"), "gunzip"),
        (make("export.zip", b"PK\x03\x04"), "unpack"),
        (make("page.html", b"<html>"), "not JSON"),
        (make("other.json", b"{\"hello\": 1}"), "--format"),
        (make("broken.json", b"{\"mapping\": }"), "not JSON"),
        (
            make("newer.ndjson", b"{\"turngraph\":2,\"uid\":\"a\"}\n"),
            "version 2",
        ),
        (
            make("lacking.ndjson", b"{\"turngraph\":1,\"uid\":\"a\"}\n"),
            "interchange.md",
        ),
        (directory.path().to_owned(), "directory"),
        (directory.path().join("gone"), "no such file"),
    ];
    let mut paths: Vec<_> = files.iter().map(|(path, _)| path.clone()).collect();
    paths.push(data(super::REAL[7]));
    let report = lab.import(&paths, None).await;
    assert_eq!(
        (report.sessions, broken(&report)),
        (1, files.len()),
        "{report:#?}"
    );
    let told = report
        .skipped
        .iter()
        .filter(|entry| entry.kind == SkipKind::Broken);
    for (entry, (path, part)) in told.zip(&files) {
        assert!(entry.reason.contains(part), "{entry:?}");
        assert!(
            entry.place.starts_with(&*path.display().to_string()),
            "{entry:?}"
        );
    }
}

#[tokio::test]
async fn an_own_session_whose_key_is_taken_by_another_account_is_refused_whole() {
    let lab = Lab::new().await;
    lab.import_for("bob", &[data(super::REAL[2])], None).await;
    let mut bytes = Vec::new();
    let bob = crate::support::rows::uid("bob");
    let ndjson = turngraph::transfer::export::ExportFormat::Ndjson;
    let export = turngraph::transfer::export::export;
    export(&**lab.record(), &bob, ndjson, &mut bytes)
        .await
        .unwrap();
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("bob.ndjson");
    std::fs::write(&path, bytes).unwrap();
    let report = lab.import(&[path], None).await;
    assert_eq!((report.sessions, broken(&report)), (0, 1), "{report:#?}");
    assert!(
        super::files::sessions(&**lab.record(), &account())
            .await
            .is_empty()
    );
}
