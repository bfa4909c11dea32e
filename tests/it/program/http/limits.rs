//! Sizes: what is too large is refused with its limit and what there was, and nothing is run.

use serde_json::{Value, json};

use super::{Answer, answer, dev, get, post};

/// The code, limit and actual size of a refusal.
fn excess(answer: &Answer) -> (&str, u64, u64) {
    let extensions = &answer.json["errors"][0]["extensions"];
    let number = |name: &str| extensions[name].as_u64().unwrap_or(0);
    (answer.code(), number("limit"), number("actual"))
}

#[tokio::test]
async fn documents_are_held_to_the_limits_that_are_on_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(folder.path(), "");
    let many = |n: usize, each: fn(usize) -> String| (0..n).map(each).collect::<String>();
    let nested = |n: usize| {
        format!(
            "{{turn(uid:\"x\"){{{}uid{}}}}}",
            "parent{".repeat(n),
            "}".repeat(n)
        )
    };
    for (fits, exceeds, wanted) in [
        (nested(18), nested(19), ("MAX_DEPTH_EXCEEDED", 20, 21)),
        (
            format!("{{viewer{{{}}}}}", many(30, |i| format!("a{i}:uid "))),
            format!("{{viewer{{{}}}}}", many(31, |i| format!("a{i}:uid "))),
            ("MAX_ALIASES_EXCEEDED", 30, 31),
        ),
        (
            format!("{{{}}}", "viewer{uid}".repeat(20)),
            format!(
                "{{{}...R}} fragment R on Query{{status{{version}}}}",
                "viewer{uid}".repeat(20)
            ),
            ("MAX_ROOT_FIELDS_EXCEEDED", 20, 21),
        ),
        (
            format!("{{viewer{{{}}}}}", "uid @skip(if:false) ".repeat(50)),
            format!("{{viewer{{{}}}}}", "uid @skip(if:false) ".repeat(51)),
            ("MAX_DIRECTIVES_EXCEEDED", 50, 51),
        ),
        (
            format!("{{viewer{{{}}}}}", "uid ".repeat(4_995)),
            format!("{{viewer{{{}}}}}", "uid ".repeat(4_996)),
            ("TOKEN_LIMIT_EXCEEDED", 5_000, 5_001),
        ),
        (
            format!("{{viewer{{uid}}}}{}", " ".repeat(65_536 - 13)),
            format!("{{viewer{{uid}}}}{}", " ".repeat(65_536 - 12)),
            ("DOCUMENT_TOO_LARGE", 65_536, 65_537),
        ),
    ] {
        let fine = answer(post(&server, &json!({ "query": fits }))).await;
        assert_eq!(fine.json.get("errors"), None, "{wanted:?}");
        let refused = answer(post(&server, &json!({ "query": exceeds }))).await;
        assert_eq!(excess(&refused), wanted);
        assert_eq!(refused.json.get("data"), None);
        let message = refused.json["errors"][0]["message"].as_str().unwrap();
        let says = format!("{} where {} are allowed", wanted.2, wanted.1);
        assert!(message.contains(&says), "{message}");
    }
}

#[tokio::test]
async fn the_configuration_sets_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "depth_max = 3\naliases_max = 0\nbody_bytes_max = 2000\nuri_bytes_max = 500\n\
                    header_bytes_max = 2000\n";
    let server = dev(folder.path(), settings);
    let refused = answer(post(
        &server,
        &json!({"query": "{viewer{sessions{nodes{uid}}}}"}),
    ))
    .await;
    assert_eq!(excess(&refused), ("MAX_DEPTH_EXCEEDED", 3, 4));
    let refused = answer(post(&server, &json!({"query": "{a:viewer{uid}}"}))).await;
    assert_eq!(excess(&refused), ("MAX_ALIASES_EXCEEDED", 0, 1));
    let body = json!({"query": "{viewer{uid}}", "operationName": " ".repeat(2_000)});
    let refused = answer(post(&server, &body)).await;
    let bytes = body.to_string().len() as u64;
    assert_eq!(refused.status, 413);
    assert_eq!(excess(&refused), ("REQUEST_TOO_LARGE", 2_000, bytes));
    let query = format!("{{viewer{{uid}}}}{}", "#".repeat(500));
    let refused = answer(get(&server, &[("query", &query)])).await;
    assert_eq!((refused.status, refused.code()), (414, "REQUEST_TOO_LARGE"));
    let request = post(&server, &json!({"query": "{viewer{uid}}"}));
    let refused = answer(request.header("x-long", "x".repeat(2_000))).await;
    assert_eq!((refused.status, refused.code()), (431, "REQUEST_TOO_LARGE"));
}

#[tokio::test]
async fn batches_are_refused_unless_allowed_and_then_capped() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |query: &str| json!({ "query": query });
    let three = json!([ask("{viewer{uid}}"), ask("{nope}"), {"query": null}]);
    {
        let server = dev(folder.path(), "");
        let refused = answer(post(&server, &three)).await;
        assert_eq!((refused.status, refused.code()), (400, "BAD_REQUEST"));
    }
    let server = dev(folder.path(), "batch_max = 3\n");
    let answers = answer(post(&server, &three)).await;
    assert_eq!(answers.status, 200);
    let codes: Vec<&Value> = answers
        .json
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["errors"][0]["extensions"]["code"])
        .collect();
    assert_eq!(
        codes,
        [
            &Value::Null,
            &json!("GRAPHQL_VALIDATION_FAILED"),
            &json!("BAD_REQUEST")
        ]
    );
    assert_eq!(answers.json[0]["data"]["viewer"]["uid"], "demo");
    let four = vec![ask("{viewer{uid}}"); 4];
    let refused = answer(post(&server, &json!(four))).await;
    assert_eq!(excess(&refused), ("BATCH_LIMIT_EXCEEDED", 3, 4));
}

const COSTLY: &str = "{sessions(first:200){nodes{turns(first:1000){nodes{uid}}}}}";

#[tokio::test]
async fn every_answer_says_what_it_cost_and_what_is_too_expensive_runs_only_where_it_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    {
        let server = dev(folder.path(), "cost_max = 1000\n");
        let measured = answer(post(&server, &json!({ "query": COSTLY }))).await;
        // The root, the connection, and 200 times a session with a connection of 1,000 turns.
        let estimated = 2 + 200 * (2 + 1_000);
        let cost = &measured.json["extensions"]["turngraph"]["cost"];
        assert_eq!(
            cost,
            &json!({"estimated": estimated, "actual": 2, "max": 1000})
        );
        assert_eq!(
            measured.header("x-turngraph-cost-estimated"),
            estimated.to_string()
        );
        assert_eq!(measured.header("x-turngraph-cost-actual"), "2");
        assert_eq!(measured.header("x-turngraph-cost-max"), "1000");
    }
    let server = dev(folder.path(), "cost_max = 1000\ncost = \"enforce\"\n");
    let refused = answer(post(&server, &json!({ "query": COSTLY }))).await;
    assert_eq!(excess(&refused), ("COST_LIMIT_EXCEEDED", 1_000, 200_402));
    assert_eq!(refused.json.get("data"), None);
    let sized = "query($n:Int){sessions(first:$n){nodes{uid}}}";
    let ask = |n: Value| json!({"query": sized, "variables": {"n": n}});
    for (n, estimated) in [(json!(7), 9), (Value::Null, 27)] {
        let fine = answer(post(&server, &ask(n))).await;
        let cost = &fine.json["extensions"]["turngraph"]["cost"];
        assert_eq!(cost["estimated"], estimated, "{}", fine.json);
    }
}
