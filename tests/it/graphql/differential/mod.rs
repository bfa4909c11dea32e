//! Random operations, answered by the gateway and by a slow, obvious interpreter: the answers
//! must be the same, byte for byte up to the order of what has no order.

mod generate;
mod interpret;
mod world;

use serde_json::Value;

use super::api::{ACCOUNT, Api};
use generate::Generator;
use interpret::interpret;
use world::World;

/// Operations in one run; the seed of each is its number.
const OPERATIONS: u64 = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_answers_as_a_slow_interpreter_does() {
    let api = Api::new().await;
    api.conversation(ACCOUNT, "s").await;
    api.conversation(ACCOUNT, "t").await;
    let world = World::of(&["s", "t"]);
    let sdl = turngraph::graphql::sdl();
    let schema = apollo_compiler::Schema::parse_and_validate(&sdl, "schema.graphql").unwrap();
    let implementers = schema.implementers_map();
    let (mut fields, mut failed) = (0, 0);
    for seed in 1..=OPERATIONS {
        let query = Generator::new(&schema, &implementers, seed).operation();
        let wanted = interpret(&schema, &world, &query);
        let text = without_selections(&api.text(&query).await);
        let response: Value = serde_json::from_str(&text).unwrap();
        let shown = format!("seed {seed}: {query}\n{text}");
        assert_eq!(response["data"], wanted.data, "{shown}");
        let errors = response["errors"].as_array().map_or(0, Vec::len);
        assert_eq!(errors > 0, wanted.failed, "{shown}");
        if errors == 0 {
            let data = &text["{\"data\":".len()..text.len() - 1];
            assert_eq!(data, wanted.data.to_string(), "the order of keys; {shown}");
        }
        fields += wanted.fields;
        failed += usize::from(wanted.failed);
    }
    println!("{OPERATIONS} operations, {fields} fields, {failed} with errors");
    assert!(
        fields > 20_000,
        "the operations are not trivial: {fields} fields"
    );
    assert!(failed > 5, "some fields fail: {failed}");
}

/// Takes out of the cursors what stands for order and filter, which the interpreter cannot know.
fn without_selections(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('-') {
        left.push_str(before);
        let hash = after.get(..9).and_then(|hash| hash.strip_suffix(':'));
        let is_hash = hash.is_some_and(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()));
        let in_cursor = ["\"sessions", "\"path", "\"turns", "\"steps"];
        if is_hash && in_cursor.iter().any(|field| before.ends_with(field)) {
            rest = &after[8..];
        } else {
            left.push('-');
            rest = after;
        }
    }
    left + rest
}
