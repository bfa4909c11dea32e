//! A cursor continues the list that returned it, and is refused by every other.

use std::sync::Arc;

use serde_json::{Value, json};
use turngraph::domain::Timestamp;
use turngraph::domain::clock::ManualClock;

use super::api::{ACCOUNT, Api};
use crate::support::postgres::Database;

/// Lists as (field, arguments beside the page, path of the answer, the operation around it); no
/// two of them are the same list in the same order with the same filter.
const LISTS: &[(&str, &str, &str, &str)] = &[
    ("sessions", "", "", "{@}"),
    ("sessions", "orderBy:CREATED_ASC", "", "{@}"),
    ("sessions", "orderBy:CREATED_DESC", "", "{@}"),
    ("sessions", "filter:{titleContains:\"alk\"}", "", "{@}"),
    ("sessions", "filter:{titleContains:\"Talk\"}", "", "{@}"),
    ("searchTurns", "text:\"question\"", "", "{@}"),
    ("searchTurns", "text:\"answer\"", "", "{@}"),
    (
        "searchTurns",
        "text:\"answer\",sessionId:\"Session:s\"",
        "",
        "{@}",
    ),
    ("activePath", "", "/session", "{session(uid:\"s\"){@}}"),
    (
        "path",
        "through:\"HumanTurn:s-q1\"",
        "/session",
        "{session(uid:\"s\"){@}}",
    ),
    (
        "path",
        "through:\"HumanTurn:s-q2\"",
        "/session",
        "{session(uid:\"s\"){@}}",
    ),
    ("roots", "", "/session", "{session(uid:\"s\"){@}}"),
    ("turns", "", "/session", "{session(uid:\"s\"){@}}"),
    (
        "turns",
        "filter:{role:HUMAN}",
        "/session",
        "{session(uid:\"s\"){@}}",
    ),
    (
        "turns",
        "filter:{role:AGENT}",
        "/session",
        "{session(uid:\"s\"){@}}",
    ),
    ("branches", "", "/session", "{session(uid:\"s\"){@}}"),
    ("outline", "", "/session", "{session(uid:\"s\"){@}}"),
    ("children", "", "/turn", "{turn(uid:\"s-q1\"){@}}"),
    ("siblings", "", "/turn", "{turn(uid:\"s-q1\"){@}}"),
    ("ancestors", "", "/turn", "{turn(uid:\"s-a1\"){@}}"),
    (
        "steps",
        "",
        "/turn",
        "{turn(uid:\"s-a1\"){...on AgentTurn{@}}}",
    ),
    (
        "steps",
        "types:[TEXT]",
        "/turn",
        "{turn(uid:\"s-a1\"){...on AgentTurn{@}}}",
    ),
];

async fn on_postgres() -> Api {
    let database = Database::migrated();
    let store = Arc::new(database.store().await);
    let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
    let api = Api::on(store, clock, Box::new(database));
    api.conversation(ACCOUNT, "s").await;
    api
}

/// The list with more arguments.
fn asked((field, arguments, _, around): &(&str, &str, &str, &str), more: &str) -> String {
    let all = [*arguments, more]
        .into_iter()
        .filter(|part| !part.is_empty());
    let all = all.collect::<Vec<_>>().join(",");
    let list = format!("{field}({all}){{edges{{cursor}}}}");
    around.replace('@', &list)
}

async fn each_cursor_is_read_by_its_own_list_only(api: Api) {
    let mut cursors = Vec::new();
    for list in LISTS {
        let data = api.data(&asked(list, "first:1")).await;
        let edges = data.pointer(&format!("{}/{}/edges", list.2, list.0));
        let cursor = edges.and_then(|edges| edges[0]["cursor"].as_str());
        let cursor = cursor.unwrap_or_else(|| panic!("{list:?} is empty: {data}"));
        assert!(!cursors.contains(&json!(cursor)), "{list:?}: {cursor}");
        cursors.push(json!(cursor));
    }
    for (list, own) in LISTS.iter().zip(&cursors) {
        for cursor in &cursors {
            let query = asked(list, &format!("first:1,after:{cursor}"));
            if cursor == own {
                api.data(&query).await;
                continue;
            }
            let refusal = api.refusal(&query).await;
            let of_field =
                |field: &str| cursor.as_str().unwrap().split([':', '-']).next() == Some(field);
            let says = if of_field(list.0) {
                "is a cursor of this list with another order or filter"
            } else {
                "takes only cursors that it returned itself"
            };
            let as_it_should = refusal.starts_with("BAD_USER_INPUT at ") && refusal.contains(says);
            assert!(as_it_should, "{query}: {refusal}");
        }
    }
    // From the end too, and by variable.
    let query = "query($c:String){session(uid:\"s\"){turns(last:1,before:$c){nodes{uid}}}}";
    let roots = LISTS.iter().position(|list| list.0 == "roots").unwrap();
    let refusal = api.refusal_with(query, json!({"c": cursors[roots]})).await;
    assert!(
        refusal.contains("`before` is a cursor of `roots`"),
        "{refusal}"
    );
    let none = api.data_with(query, json!({"c": Value::Null})).await;
    assert_eq!(
        none["session"]["turns"]["nodes"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_another_list_order_or_filter_is_refused_on_sqlite() {
    each_cursor_is_read_by_its_own_list_only(Api::with_conversation().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_another_list_order_or_filter_is_refused_on_postgres() {
    each_cursor_is_read_by_its_own_list_only(on_postgres().await).await;
}
