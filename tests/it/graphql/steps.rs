//! Steps of every type with every field, malformed ones, and content of other programs.

use serde_json::{Value, json};

use super::api::{ACCOUNT, Api};
use crate::support::rows;

/// One step of each type: number, GraphQL type, content, own fields selected, what they show.
#[expect(clippy::too_many_lines, reason = "one sample a type")]
fn samples() -> Vec<(i32, &'static str, Value, &'static str, Value)> {
    let media = json!({"url": "https://e.org/f", "mimeType": "image/png", "sizeBytes": 9, "width": 3, "height": 2});
    let media_shown = json!({"url": "https://e.org/f", "mimeType": "image/png", "sizeBytes": 9, "width": 3, "height": 2, "durationMs": null});
    vec![
        (
            0,
            "ThinkStep",
            json!({"text": "hm", "durationMs": 5}),
            "text durationMs",
            json!({"text": "hm", "durationMs": 5}),
        ),
        (
            1,
            "TextStep",
            json!({"text": "hi", "citations": [{"label": "[1]", "start": 0, "end": 2, "url": "https://e.org", "stepId": "x"}]}),
            "text format citations{label start end url stepId}",
            json!({"text": "hi", "format": "markdown", "citations": [{"label": "[1]", "start": 0, "end": 2, "url": "https://e.org", "stepId": "x"}]}),
        ),
        (
            2,
            "RetrievalStep",
            json!({"query": "q", "index": "i", "documents": [{"documentId": "d", "title": "t", "url": "u", "snippet": "s", "score": 0.5, "rank": 2, "metadata": {"k": [1]}}]}),
            "query index documents{documentId title url snippet score rank metadata}",
            json!({"query": "q", "index": "i", "documents": [{"documentId": "d", "title": "t", "url": "u", "snippet": "s", "score": 0.5, "rank": 2, "metadata": {"k": [1]}}]}),
        ),
        (
            3,
            "CodeStep",
            json!({"language": "py", "source": "1", "stdout": "o", "stderr": "e", "exitCode": 0, "durationMs": 7, "artifacts": [media]}),
            "language source stdout stderr exitCode durationMs artifacts{url mimeType sizeBytes width height durationMs}",
            json!({"language": "py", "source": "1", "stdout": "o", "stderr": "e", "exitCode": 0, "durationMs": 7, "artifacts": [media_shown]}),
        ),
        (
            4,
            "WebSearchStep",
            json!({"query": "q", "results": [{"rank": 1, "title": "t", "url": "u", "snippet": "s", "publishedAt": "2026-01-02T03:04:05Z"}]}),
            "query results{rank title url snippet publishedAt}",
            json!({"query": "q", "results": [{"rank": 1, "title": "t", "url": "u", "snippet": "s", "publishedAt": "2026-01-02T03:04:05.000Z"}]}),
        ),
        (
            5,
            "CardStep",
            json!({"title": "t", "subtitle": "s", "body": "b", "image": media, "actions": [{"label": "l", "url": "u", "value": "v"}]}),
            "title subtitle body image{url mimeType} actions{label url value}",
            json!({"title": "t", "subtitle": "s", "body": "b", "image": {"url": "https://e.org/f", "mimeType": "image/png"}, "actions": [{"label": "l", "url": "u", "value": "v"}]}),
        ),
        (
            6,
            "AudioStep",
            json!({"media": media, "transcript": "t", "durationMs": 1}),
            "media{url} transcript durationMs",
            json!({"media": {"url": "https://e.org/f"}, "transcript": "t", "durationMs": 1}),
        ),
        (
            7,
            "PlotStep",
            json!({"title": "t", "specFormat": "vega-lite", "spec": {"a": 1}, "image": media}),
            "title specFormat spec image{url}",
            json!({"title": "t", "specFormat": "vega-lite", "spec": {"a": 1}, "image": {"url": "https://e.org/f"}}),
        ),
        (
            8,
            "TableStep",
            json!({"caption": "c", "columns": [{"key": "k", "label": "l", "dataType": "number"}], "rows": [[1], [2], [3]], "rowCount": 3}),
            "caption columns{key label dataType} rowCount all:rows some:rows(offset:1,limit:1)",
            json!({"caption": "c", "columns": [{"key": "k", "label": "l", "dataType": "number"}], "rowCount": 3, "all": [[1], [2], [3]], "some": [[2]]}),
        ),
        (
            9,
            "DocumentStep",
            json!({"title": "t", "media": media, "text": "été", "pageCount": 2}),
            "title media{url} text short:text(maxChars:2) pageCount",
            json!({"title": "t", "media": {"url": "https://e.org/f"}, "text": "été", "short": "ét", "pageCount": 2}),
        ),
        (
            10,
            "InputRequestStep",
            json!({"question": "q?", "options": ["a", "b"], "jsonSchema": {"type": "string"}}),
            "question options jsonSchema answeredBy{uid}",
            json!({"question": "q?", "options": ["a", "b"], "jsonSchema": {"type": "string"}, "answeredBy": {"uid": "next"}}),
        ),
        (
            11,
            "TurnClassifierStep",
            json!({"model": "m", "labels": [{"label": "l", "score": 0.25}]}),
            "model labels{label score}",
            json!({"model": "m", "labels": [{"label": "l", "score": 0.25}]}),
        ),
        (
            12,
            "LangDetectionStep",
            json!({"language": "pt-BR", "confidence": 0.5, "alternatives": [{"label": "es", "score": 0.1}]}),
            "language confidence alternatives{label score}",
            json!({"language": "pt-BR", "confidence": 0.5, "alternatives": [{"label": "es", "score": 0.1}]}),
        ),
    ]
}

async fn with_steps(steps: &[(i32, i32, &str)]) -> Api {
    let api = Api::new().await;
    let mut session = rows::session(ACCOUNT, "s");
    session.next_seq = 3;
    let turns = [
        rows::human("q", None, 0, "question"),
        rows::agent("a", Some("q"), 1),
        rows::human("next", Some("a"), 2, "answer"),
    ];
    let steps: Vec<_> = steps
        .iter()
        .map(|(idx, tpe, content)| {
            let mut step = rows::step("a", *idx, content);
            step.tpe = *tpe;
            (step, 1)
        })
        .collect();
    api.insert(&session, &turns, &steps).await;
    api
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_step_shows_every_field() {
    let samples = samples();
    let texts: Vec<String> = samples.iter().map(|s| s.2.to_string()).collect();
    let steps: Vec<_> = samples
        .iter()
        .zip(&texts)
        .map(|(s, text)| (s.0, s.0, text.as_str()))
        .collect();
    let api = with_steps(&steps).await;
    let fragments: String = samples
        .iter()
        .map(|(_, name, _, fields, _)| {
            let own: String = fields.to_string();
            format!(
                "...on {name}{{own_{name}:__typename {}}} ",
                alias(&own, name)
            )
        })
        .collect();
    let query = format!(
        "{{turn(uid:\"a\"){{...on AgentTurn{{stepCount steps{{nodes{{__typename id idx type contentBytes createdAt content turn{{uid}} {fragments}}}}}}}}}}}"
    );
    let data = api.data(&query).await;
    let nodes = data["turn"]["steps"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 13);
    let sdl = turngraph::graphql::sdl();
    for ((number, name, content, fields, shown), node) in samples.iter().zip(nodes) {
        assert_eq!(node["__typename"], *name);
        assert_eq!(node["id"], format!("Step:a:{number}"));
        assert_eq!(node["content"], *content);
        assert_eq!(node["contentBytes"], content.to_string().len());
        assert_eq!(node["turn"], json!({"uid": "a"}));
        for (key, value) in shown.as_object().unwrap() {
            assert_eq!(node[format!("{name}_{key}")], *value, "{name}.{key}");
        }
        // The sample selects all that the type has of its own.
        for field in own_fields(&sdl, name) {
            assert!(
                fields
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|f| f == field),
                "{name}.{field} is not shown"
            );
        }
    }
    let by_type = api
        .data("{turn(uid:\"a\"){...on AgentTurn{steps(types:[CODE,TABLE]){nodes{type}}}}}")
        .await;
    assert_eq!(
        by_type["turn"]["steps"]["nodes"],
        json!([{"type": "CODE"}, {"type": "TABLE"}])
    );
}

/// Each top-level field under an alias of its own, `Type_field`.
fn alias(fields: &str, name: &str) -> String {
    let (mut depth, mut out, mut word) = (0, String::new(), String::new());
    for c in fields.chars().chain([' ']) {
        match c {
            '{' | '(' => {
                flush(&mut out, &mut word, depth, name);
                depth += 1;
                out.push(c);
            }
            '}' | ')' => {
                out.push_str(&std::mem::take(&mut word));
                depth -= 1;
                out.push(c);
            }
            ' ' => {
                flush(&mut out, &mut word, depth, name);
                out.push(c);
            }
            c => word.push(c),
        }
    }
    out
}

fn flush(out: &mut String, word: &mut String, depth: i32, name: &str) {
    let word = std::mem::take(word);
    if depth > 0 || word.is_empty() {
        out.push_str(&word);
        return;
    }
    match word.split_once(':') {
        Some((alias, field)) => out.push_str(&format!("{name}_{alias}:{field}")),
        None => out.push_str(&format!("{name}_{word}:{word}")),
    }
}

fn own_fields(sdl: &str, name: &str) -> Vec<String> {
    let fields = |head: &str| -> Vec<String> {
        let body = sdl
            .split(head)
            .nth(1)
            .unwrap()
            .split("\n}")
            .next()
            .unwrap()
            .to_owned();
        let lines = body
            .lines()
            .filter(|l| l.starts_with('\t') && !l.starts_with("\t\t"));
        let names = lines.map(|l| {
            l.trim()
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect::<String>()
        });
        names
            .filter(|n| n.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect()
    };
    let all = fields(&format!("type {name} implements Node & Step {{"));
    let shared = fields("interface Step implements Node {");
    let is_field =
        |f: &String| sdl.contains(&format!("\t{f}:")) || sdl.contains(&format!("\t{f}("));
    all.into_iter()
        .filter(|f| !shared.contains(f))
        .filter(is_field)
        .collect()
}

#[tokio::test]
async fn content_that_does_not_fit_is_malformed_and_still_there_whole() {
    let api = with_steps(&[
        (0, 1, "{\"text\":5}"),
        (1, 1, "not json \"at all\""),
        (2, 99, "{\"x\":1}"),
        (3, 4, "[]"),
        (4, 1, "\"bare\""),
        (5, 1, "{\"text\":\"odd \\u0000 \\ud83d\\ude00\"}"),
    ])
    .await;
    let fields =
        "id type content contentBytes plainText ...on MalformedStep{problem} ...on TextStep{text}";
    let data = api
        .data(&format!("{{turn(uid:\"a\"){{...on AgentTurn{{text stepCount steps{{nodes{{__typename {fields}}}}}}}}} node(id:\"Step:a:1\"){{__typename ...on Step{{content}}}}}}"))
        .await;
    let nodes = data["turn"]["steps"]["nodes"].as_array().unwrap();
    let types: Vec<_> = nodes
        .iter()
        .map(|n| n["__typename"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "MalformedStep",
            "MalformedStep",
            "MalformedStep",
            "MalformedStep",
            "TextStep",
            "TextStep"
        ]
    );
    let kinds: Vec<_> = nodes.iter().map(|n| n["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["TEXT", "TEXT", "UNKNOWN", "WEB_SEARCH", "TEXT", "TEXT"]
    );
    assert!(nodes[0]["problem"].as_str().unwrap().contains("text"));
    assert_eq!(nodes[0]["content"], json!({"text": 5}));
    assert_eq!(
        nodes[1]["content"], "not json \"at all\"",
        "what is not JSON comes as a string"
    );
    assert_eq!(
        data["node"],
        json!({"__typename": "MalformedStep", "content": "not json \"at all\""})
    );
    assert_eq!(nodes[2]["content"], json!({"x": 1}));
    assert_eq!(nodes[4]["text"], "bare");
    assert_eq!(nodes[5]["text"], "odd \u{0} 😀");
    // Without a fragment nothing is parsed, and the shared fields are the same.
    let plain = api
        .data("{turn(uid:\"a\"){...on AgentTurn{steps{nodes{content type}}}}}")
        .await;
    for (plain, node) in plain["turn"]["steps"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .zip(nodes)
    {
        assert_eq!(
            (&plain["content"], &plain["type"]),
            (&node["content"], &node["type"])
        );
    }
    let named = api
        .data("{turn(uid:\"a\"){...on AgentTurn{steps(first:2){nodes{...on TextStep{text}}}}}}")
        .await;
    assert_eq!(named["turn"]["steps"]["nodes"], json!([{}, {}]));
}

#[tokio::test]
async fn a_tool_call_is_shown_with_whatever_step_used_it() {
    let tool = json!({"callId": "c", "name": "search", "arguments": {"q": 1}, "result": [2], "success": true, "durationMs": 3});
    let content = json!({"query": "q", "results": [], "tool": tool}).to_string();
    let api = with_steps(&[(0, 4, &content), (1, 1, "{\"text\":\"t\"}")]).await;
    let data = api
        .data("{turn(uid:\"a\"){...on AgentTurn{steps{nodes{tool{callId name arguments result success durationMs}}}}}}")
        .await;
    assert_eq!(
        data["turn"]["steps"]["nodes"],
        json!([{"tool": tool}, {"tool": null}])
    );
}
