//! Every type: the documented examples, what is required, what is lenient, and arbitrary input.

use proptest::prelude::*;
use serde_json::Value as Tree;

use super::*;

const REFERENCE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/step-types.md"));

/// The reference's section of one type.
fn section(tpe: StepType) -> &'static str {
    let head = format!("\n## {} · {}\n", tpe.number(), tpe.name());
    let (_, rest) = REFERENCE
        .split_once(&head)
        .unwrap_or_else(|| panic!("docs/step-types.md has no section `{}`", head.trim()));
    rest.split_once("\n## ")
        .map_or(rest, |(section, _)| section)
}

/// The JSON examples of a section.
fn examples(section: &'static str) -> Vec<&'static str> {
    let blocks = section.split("```json\n").skip(1);
    let block = |rest: &'static str| rest.split_once("```").expect("a closed block").0.trim_end();
    blocks.map(block).collect()
}

/// Key and GraphQL type of each row of a section's table.
fn documented_keys(section: &'static str) -> Vec<(&'static str, &'static str)> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split('`');
        Some((cells.next()?, cells.nth(1)?))
    };
    section.lines().filter_map(row).collect()
}

fn type_of(content: &StepContent<'_>) -> Option<StepType> {
    Some(match content {
        StepContent::Think(_) => StepType::Think,
        StepContent::Text(_) => StepType::Text,
        StepContent::Retrieval(_) => StepType::Retrieval,
        StepContent::Code(_) => StepType::Code,
        StepContent::WebSearch(_) => StepType::WebSearch,
        StepContent::Card(_) => StepType::Card,
        StepContent::Audio(_) => StepType::Audio,
        StepContent::Plot(_) => StepType::Plot,
        StepContent::Table(_) => StepType::Table,
        StepContent::Document(_) => StepType::Document,
        StepContent::InputRequest(_) => StepType::InputRequest,
        StepContent::TurnClassifier(_) => StepType::TurnClassifier,
        StepContent::LangDetection(_) => StepType::LangDetection,
        StepContent::Malformed(_) => return None,
    })
}

fn problem(tpe: StepType, json: &str) -> String {
    match StepContent::parse(tpe.number(), json) {
        StepContent::Malformed(malformed) => malformed.problem,
        fits => panic!("{json} is a {:?}", type_of(&fits)),
    }
}

#[test]
fn every_documented_example_is_of_its_type_and_has_something_to_read() {
    for tpe in StepType::ALL {
        let examples = examples(section(tpe));
        assert!(!examples.is_empty(), "{} has no example", tpe.name());
        for json in examples {
            assert_eq!(check_json(json), Ok(()), "{json}");
            let content = StepContent::parse(tpe.number(), json);
            assert_eq!(type_of(&content), Some(tpe), "{content:?}");
            assert!(!content.plain_text().is_empty(), "{json}");
        }
    }
}

#[test]
fn the_first_example_of_a_type_has_all_its_documented_keys_and_no_other() {
    for tpe in StepType::ALL {
        let section = section(tpe);
        let Tree::Object(example) = serde_json::from_str(examples(section)[0]).unwrap() else {
            panic!("the first example of {} is no object", tpe.name());
        };
        let mut shown: Vec<&str> = example.keys().map(String::as_str).collect();
        let mut listed: Vec<&str> = documented_keys(section).iter().map(|key| key.0).collect();
        shown.sort_unstable();
        listed.sort_unstable();
        assert_eq!(shown, listed, "{}", tpe.name());
    }
}

#[test]
fn what_is_documented_as_required_is_required_and_the_rest_is_not() {
    for tpe in StepType::ALL {
        let section = section(tpe);
        let example: Tree = serde_json::from_str(examples(section)[0]).unwrap();
        for (key, of_type) in documented_keys(section) {
            // Lists may be missing, `format` and `rowCount` have a default.
            let required = of_type.ends_with('!')
                && !of_type.starts_with('[')
                && !["format", "rowCount"].contains(&key);
            for null in [false, true] {
                let mut without = example.as_object().unwrap().clone();
                without.shift_remove(key);
                if null {
                    without.insert(key.to_owned(), Tree::Null);
                }
                let json = Tree::Object(without).to_string();
                if required {
                    assert_eq!(problem(tpe, &json), format!("`{key}` is missing"));
                } else {
                    let content = StepContent::parse(tpe.number(), &json);
                    assert_eq!(type_of(&content), Some(tpe), "{json}");
                }
            }
        }
    }
}

#[test]
fn no_documented_key_accepts_a_value_of_another_kind() {
    for tpe in StepType::ALL {
        let section = section(tpe);
        let example: Tree = serde_json::from_str(examples(section)[0]).unwrap();
        for (key, of_type) in documented_keys(section) {
            let wrong = match of_type {
                "JSON" => continue,
                "Int" | "Int!" | "Float" => Tree::from("12"),
                _ => Tree::from(12),
            };
            let mut bent = example.clone();
            bent[key] = wrong;
            let told = problem(tpe, &bent.to_string());
            assert!(told.starts_with(&format!("`{key}` must be ")), "{told}");
        }
    }
}

#[test]
fn a_lone_tool_call_is_enough_where_no_own_key_is_required() {
    let json = r#"{"tool": {"name": "search", "arguments": {"q": 1}, "result": "none"}}"#;
    for tpe in StepType::ALL {
        let content = StepContent::parse(tpe.number(), json);
        let enough = matches!(
            tpe,
            StepType::Retrieval
                | StepType::Card
                | StepType::Table
                | StepType::Document
                | StepType::TurnClassifier
        );
        assert_eq!(type_of(&content).is_some(), enough, "{}", tpe.name());
        // The call itself can be read even where the step lacks something.
        assert_eq!(content.tool().map(|tool| &*tool.name), Some("search"));
        assert_eq!(content.plain_text(), "search {\"q\": 1}\nnone");
    }
}

#[test]
fn a_bare_string_stands_for_the_one_required_text() {
    for tpe in StepType::ALL {
        let content = StepContent::parse(tpe.number(), " \"en\\u0021\"\n");
        match tpe {
            StepType::Think
            | StepType::Text
            | StepType::Code
            | StepType::WebSearch
            | StepType::InputRequest
            | StepType::LangDetection => {
                assert_eq!(type_of(&content), Some(tpe));
                assert_eq!(content.plain_text(), "en!");
            }
            _ => assert_eq!(
                problem(tpe, "\"en\""),
                "the content must be an object, found a string"
            ),
        }
    }
}

#[test]
fn problems_name_the_key_path_and_never_the_content() {
    for (tpe, json, told) in [
        (
            StepType::WebSearch,
            r#"{"query": "q", "results": [{"url": "u"}, {"title": "secret"}]}"#,
            "`results[1].url` is missing",
        ),
        (
            StepType::Code,
            r#"{"source": "s", "artifacts": [{"url": "u", "mimeType": 7}]}"#,
            "`artifacts[0].mimeType` must be a string, found a number",
        ),
        (
            StepType::Think,
            r#"{"text": "secret", "durationMs": "12"}"#,
            "`durationMs` must be a number, found a string",
        ),
        (
            StepType::Think,
            r#"{"text": "secret", "durationMs": 1.5}"#,
            "`durationMs` must be a whole number of 32 bits",
        ),
        (
            StepType::Think,
            r#"{"text": "secret", "durationMs": 2147483648}"#,
            "`durationMs` must be a whole number of 32 bits",
        ),
        (
            StepType::LangDetection,
            r#"{"language": "en", "confidence": 1e999}"#,
            "`confidence` is a number out of range",
        ),
        (
            StepType::Table,
            r#"{"rows": [[], "secret"]}"#,
            "`rows[1]` must be an array or an object, found a string",
        ),
        (
            StepType::Card,
            r#"{"tool": {"arguments": "secret"}}"#,
            "`tool.name` is missing",
        ),
        (
            StepType::Text,
            r#"["secret"]"#,
            "the content must be an object or a string, found an array",
        ),
        (
            StepType::Text,
            r#"{"text": "secret"} x"#,
            "the content is not valid JSON: unexpected character at byte 19",
        ),
        (
            StepType::Text,
            r#""se"cret""#,
            "the content is not valid JSON: unexpected character at byte 4",
        ),
        (
            StepType::Text,
            r#"{"text": "secret \ud800"}"#,
            "the content is not valid JSON: lone surrogate escape in a string at byte 17",
        ),
        (
            StepType::Text,
            "",
            "the content is not valid JSON: unexpected end at byte 0",
        ),
    ] {
        assert_eq!(problem(tpe, json), told);
    }
}

#[test]
fn an_unknown_type_is_a_problem() {
    let StepContent::Malformed(unknown) = StepContent::parse(13, r#"{"text": "a"}"#) else {
        panic!("13 is no step type");
    };
    assert_eq!(unknown.problem, "13 is not a step type, which are 0 to 12");
    let StepContent::Malformed(none) = StepContent::parse(-1, "{}") else {
        panic!("a step without a type is malformed");
    };
    assert_eq!(none.problem, "the step has no type; types are 0 to 12");
}

#[test]
fn snake_case_is_read_where_camel_case_is_missing() {
    let json = r#"{"source": "s", "exit_code": 3, "exit_code_of": 4, "exit_cod": 2, "durationMs": 5, "duration_ms": 6}"#;
    let StepContent::Code(code) = StepContent::parse(3, json) else {
        panic!("it is code");
    };
    assert_eq!((code.exit_code, code.duration_ms), (Some(3), Some(5)));
}

#[test]
fn text_without_escapes_is_borrowed_from_the_content() {
    let json = String::from(r#"{"text": "plain", "format": "a\tb", "text": "last"}"#);
    let StepContent::Text(text) = StepContent::parse(1, &json) else {
        panic!("it is text");
    };
    assert!(matches!(text.text, Cow::Borrowed("last")));
    assert!(matches!(&text.format, Cow::Owned(format) if format == "a\tb"));
    let content = StepContent::Text(text);
    assert!(matches!(content.plain_text(), Cow::Borrowed("last")));
}

#[test]
fn rows_are_cut_out_as_they_were_written() {
    let json = r#"{"rowCount": 2, "columns": ["b", "a"], "rows": [{"a": 1.50, "b": "x"}, [ 2 ], {"c": 0, "b": null}]}"#;
    let content = StepContent::parse(8, json);
    let StepContent::Table(table) = &content else {
        panic!("it is a table");
    };
    let rows = |offset, limit| -> Vec<&str> {
        let rows = table.rows(offset, limit).iter();
        rows.map(|row| row.as_str()).collect()
    };
    assert_eq!(table.row_count, 3, "a count below the stored rows is wrong");
    assert_eq!(rows(0, 1), [r#"{"a": 1.50, "b": "x"}"#]);
    assert_eq!(rows(1, usize::MAX), ["[ 2 ]", r#"{"c": 0, "b": null}"#]);
    assert!(rows(3, 1).is_empty() && rows(usize::MAX, 1).is_empty() && rows(0, 0).is_empty());
    assert_eq!(content.plain_text(), "b | a\nx | 1.50\n2\n");
}

#[test]
fn the_first_example_of_every_type_reads_as_documented() {
    let told = [
        "The user wants the cheapest direct flight; I should list flights first.",
        "Tides follow the moon [1].",
        "refund policy\nRefunds\nRefunds are paid within 14 days.\nTickets of class E cannot be refunded.",
        "print(sum(range(10)))\n45\n",
        "node.js http client libraries\nundici\nAn HTTP/1.1 client.",
        "Flight HAT083\nSFO to JFK\nLeaves at 09:00, 213 USD.",
        "The next train leaves at ten past four.",
        "Rain a month",
        "Hotels near the station\nHotel | EUR a night\nAstoria | 89\nCentral | 104.5",
        "Lease agreement\nThis agreement is made between …",
        "Which of your two bookings shall I cancel?\n- QX12\n- QX19",
        "cancel_booking\nrefund\ntravel",
        "hi",
    ];
    for (tpe, told) in StepType::ALL.into_iter().zip(told) {
        let content = StepContent::parse(tpe.number(), examples(section(tpe))[0]);
        assert_eq!(content.plain_text(), told, "{}", tpe.name());
    }
}

#[test]
fn audio_lasts_as_long_as_its_media_unless_it_says_otherwise() {
    for (own, told) in [("", 900), (r#""durationMs": 5.0, "#, 5)] {
        let media = r#""media": {"url": "u", "mimeType": "audio/ogg", "durationMs": 900}"#;
        let json = format!("{{{own}{media}}}");
        let StepContent::Audio(audio) = StepContent::parse(6, &json) else {
            panic!("it is audio");
        };
        assert_eq!(audio.duration_ms, Some(told));
    }
}

#[test]
fn a_table_without_columns_has_the_keys_of_its_first_row() {
    let content = StepContent::parse(8, r#"{"rows": [{"b": 1, "a": 2, "b": 3}]}"#);
    let StepContent::Table(table) = &content else {
        panic!("it is a table");
    };
    let keys: Vec<&str> = table.columns.iter().map(|column| &*column.key).collect();
    assert_eq!(keys, ["b", "a"]);
    assert_eq!(content.plain_text(), "b | a\n3 | 2");
}

#[test]
fn dates_of_search_results_are_read_leniently() {
    let json = r#"{"query": "q", "results": [
        {"url": "a", "publishedAt": "2026-01-31T09:15:00+01:00"},
        {"url": "b", "publishedAt": "2026-01-31", "rank": 9},
        {"url": "c", "publishedAt": "3 days ago"}]}"#;
    let StepContent::WebSearch(search) = StepContent::parse(4, json) else {
        panic!("it is a search");
    };
    let results = search.results.iter();
    let read: Vec<_> = results
        .map(|r| (r.rank, r.published_at.map(|at| at.to_string())))
        .collect();
    assert_eq!(
        read,
        [
            (1, Some("2026-01-31T08:15:00.000Z".to_owned())),
            (9, Some("2026-01-31T00:00:00.000Z".to_owned())),
            (3, None),
        ]
    );
}

#[test]
fn content_nested_a_million_deep_is_read_without_recursion() {
    let deep = "[".repeat(1_000_000);
    let closed = format!(
        r#"{{"tool": {{"name": "n", "result": {deep}{}}}}}"#,
        "]".repeat(1_000_000)
    );
    assert_eq!(
        type_of(&StepContent::parse(2, &closed)),
        Some(StepType::Retrieval)
    );
    assert!(problem(StepType::Text, &deep).contains("nested deeper than 127"));
}

/// Objects made of the keys that some type reads, with values of all kinds.
fn near_content() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::from),
        any::<i64>().prop_map(Tree::from),
        any::<f64>().prop_map(Tree::from),
        "\\PC{0,6}".prop_map(Tree::from),
    ];
    let keys = "text|durationMs|format|citations|query|documents|rank|source|artifacts|url|mimeType\
        |results|title|actions|label|media|specFormat|spec|image|columns|rows|rowCount|key|question\
        |options|labels|score|language|alternatives|tool|name|arguments|duration_ms|[a-z]{0,2}";
    let tree = leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Tree::from),
            proptest::collection::vec((keys, inner), 0..6)
                .prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    });
    tree.prop_map(|tree| tree.to_string())
}

proptest! {
    #[test]
    fn parsing_never_panics(tpe in -2..15i32, bytes in any::<Vec<u8>>(), text in any::<String>()) {
        for text in [String::from_utf8_lossy(&bytes).into_owned(), text] {
            let content = StepContent::parse(tpe, &text);
            prop_assert_eq!(type_of(&content).is_some() && check_json(&text).is_err(), false);
            let _ = content.plain_text();
        }
    }

    #[test]
    fn valid_json_is_read_or_its_problem_is_not_that_it_is_no_json(tpe in 0..13i32, json in near_content()) {
        let content = StepContent::parse(tpe, &json);
        let _ = content.plain_text();
        if let StepContent::Malformed(malformed) = content {
            prop_assert!(!malformed.problem.contains("not valid JSON"), "{}", malformed.problem);
        }
    }

    #[test]
    fn cut_or_bent_examples_never_panic(at in 0..13usize, cut in any::<prop::sample::Index>(), put in any::<char>()) {
        let tpe = StepType::ALL[at];
        let example = examples(section(tpe))[0];
        let mut chars: Vec<char> = example.chars().collect();
        let place = cut.index(chars.len());
        let _ = StepContent::parse(tpe.number(), &chars[..place].iter().collect::<String>()).plain_text();
        chars[place] = put;
        let bent: String = chars.into_iter().collect();
        let _ = StepContent::parse(tpe.number(), &bent).plain_text();
    }
}
