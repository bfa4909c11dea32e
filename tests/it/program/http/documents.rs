//! Documents by id: registered by clients, or of the operator's manifest.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answer, answer, dev, get, post};
use crate::program::{Server, run, stderr};

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `extensions` as Apollo's clients send them.
fn persisted(text: &str) -> Value {
    json!({"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}})
}

fn uid(answer: &Answer) -> &Value {
    &answer.json["data"]["viewer"]["uid"]
}

#[tokio::test]
async fn a_client_registers_a_document_by_sending_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(folder.path(), "");
    let text = "query Mine{viewer{uid}}";
    let by_hash = json!({ "extensions": persisted(text) });
    let miss = answer(post(&server, &by_hash)).await;
    assert_eq!(
        (miss.status, miss.code()),
        (200, "PERSISTED_QUERY_NOT_FOUND")
    );
    assert_eq!(miss.json["errors"][0]["message"], "PersistedQueryNotFound");
    let graphql = "application/graphql-response+json";
    let miss = answer(post(&server, &by_hash).header("accept", graphql)).await;
    assert_eq!(miss.status, 400);
    let wrong = json!({"query": "{viewer{id}}", "extensions": persisted(text)});
    assert_eq!(
        answer(post(&server, &wrong)).await.code(),
        "PERSISTED_QUERY_HASH_MISMATCH"
    );
    let invalid = "{nope}";
    let body = json!({"query": invalid, "extensions": persisted(invalid)});
    assert_eq!(
        answer(post(&server, &body)).await.code(),
        "GRAPHQL_VALIDATION_FAILED"
    );
    let body = json!({"extensions": persisted(invalid)});
    assert_eq!(
        answer(post(&server, &body)).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );
    let first = json!({"query": text, "extensions": persisted(text)});
    assert_eq!(uid(&answer(post(&server, &first)).await), "demo");
    assert_eq!(uid(&answer(post(&server, &by_hash)).await), "demo");
    let id = json!({"documentId": format!("sha256:{}", sha256(text))});
    assert_eq!(uid(&answer(post(&server, &id)).await), "demo");
    let extensions = persisted(text).to_string();
    let by_get = answer(get(&server, &[("extensions", &extensions)])).await;
    assert_eq!((by_get.status, uid(&by_get)), (200, &json!("demo")));
}

#[tokio::test]
async fn a_server_that_registers_nothing_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(folder.path(), "persisted_queries = \"off\"\n");
    let text = "{viewer{uid}}";
    let by_hash = json!({ "extensions": persisted(text) });
    let refused = answer(post(&server, &by_hash)).await;
    assert_eq!(
        refused.json["errors"][0]["message"],
        "PersistedQueryNotSupported"
    );
    let whole = json!({"query": text, "extensions": persisted(text)});
    assert_eq!(uid(&answer(post(&server, &whole)).await), "demo");
    assert_eq!(
        answer(post(&server, &by_hash)).await.code(),
        "PERSISTED_QUERY_NOT_SUPPORTED"
    );
}

const TITLES: &str = "query Titles{sessions{nodes{title}}}";
const RENAME: &str = "mutation Rename($id:ID!,$title:String){renameSession(id:$id,input:{title:$title}){userErrors{code}}}";

/// `dev` with a manifest of both forms, in this mode.
fn with_manifests(folder: &std::path::Path, mode: &str) -> Server {
    let hash = sha256(TITLES);
    let relay = json!({hash: TITLES, "broken": "{nope}"});
    let apollo = json!({
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": "rename-1", "name": "Rename", "type": "mutation", "body": RENAME}],
    });
    let mut paths = Vec::new();
    for (name, manifest) in [("relay.json", relay), ("apollo.json", apollo)] {
        let path = folder.join(name);
        std::fs::write(&path, manifest.to_string()).unwrap();
        paths.push(path.to_str().unwrap().to_owned());
    }
    let paths = paths.join(", ");
    dev(
        folder,
        &format!("documents = \"{paths}\"\ndocuments_mode = \"{mode}\"\n"),
    )
}

#[tokio::test]
async fn where_the_manifest_is_enforced_only_its_documents_run() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_manifests(folder.path(), "enforce");
    assert!(
        server.banner.iter().any(|line| line.contains("broken")),
        "{:?}",
        server.banner
    );
    let hash = sha256(TITLES);
    for body in [
        json!({ "documentId": hash }),
        json!({"documentId": format!("sha256:{hash}")}),
        json!({ "doc_id": hash }),
        json!({ "extensions": persisted(TITLES) }),
        json!({ "query": TITLES }),
        json!({"query": TITLES, "extensions": persisted(TITLES)}),
    ] {
        let found = answer(post(&server, &body)).await;
        assert_eq!(
            found.json["data"],
            json!({"sessions": {"nodes": []}}),
            "{body}"
        );
    }
    let variables = json!({"id": "Session:none", "title": "x"});
    let body = json!({"documentId": "rename-1", "variables": variables});
    let renamed = answer(post(&server, &body)).await;
    let errors = &renamed.json["data"]["renameSession"]["userErrors"];
    assert_eq!(errors, &json!([{"code": "NOT_FOUND"}]), "{}", renamed.json);
    let by_get = answer(get(&server, &[("documentId", "rename-1")])).await;
    assert_eq!((by_get.status, by_get.header("allow")), (405, "POST"));
    let other = "{viewer{uid}}";
    for (body, code) in [
        (json!({ "query": other }), "PERSISTED_DOCUMENT_REQUIRED"),
        (
            json!({"query": "{__schema{queryType{name}}}"}),
            "PERSISTED_DOCUMENT_REQUIRED",
        ),
        (
            json!({"query": other, "extensions": persisted(other)}),
            "PERSISTED_DOCUMENT_REQUIRED",
        ),
        (
            json!({ "extensions": persisted(other) }),
            "PERSISTED_QUERY_NOT_SUPPORTED",
        ),
        (
            json!({"documentId": "unknown"}),
            "PERSISTED_DOCUMENT_NOT_FOUND",
        ),
        (json!({"documentId": hash, "query": TITLES}), "BAD_REQUEST"),
        (
            json!({"documentId": hash, "doc_id": "rename-1"}),
            "BAD_REQUEST",
        ),
        (
            json!({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": hash}}}),
            "BAD_REQUEST",
        ),
        (json!({"extensions": {"persistedQuery": 1}}), "BAD_REQUEST"),
    ] {
        assert_eq!(answer(post(&server, &body)).await.code(), code, "{body}");
    }
}

#[tokio::test]
async fn other_documents_run_where_the_manifest_is_only_logged() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_manifests(folder.path(), "log");
    let other = answer(post(&server, &json!({"query": "{viewer{uid}}"}))).await;
    assert_eq!(uid(&other), "demo");
}

#[tokio::test]
async fn a_get_by_id_is_answered_with_304_until_what_it_shows_changes() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_manifests(folder.path(), "off");
    let hash = sha256(TITLES);
    let ask = |tag: Option<&str>, headers: &[(&'static str, &'static str)]| -> RequestBuilder {
        let mut request = get(&server, &[("documentId", &hash)]);
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    };
    let first = answer(ask(None, &[])).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let varies: Vec<_> = first
        .headers
        .get_all("vary")
        .iter()
        .map(|v| v.to_str().unwrap())
        .collect();
    assert!(
        varies.join(",").contains("x-turngraph-account"),
        "{varies:?}"
    );
    for headers in [&[][..], &[("x-turngraph-consistency", "STRONG")]] {
        let unchanged = ask(Some(&tag), headers).send().await.unwrap();
        assert_eq!(unchanged.status(), 304, "{headers:?}");
        assert_eq!(unchanged.headers()["etag"].to_str().unwrap(), tag);
        assert!(unchanged.headers().contains_key("x-turngraph-source"));
        assert!(unchanged.bytes().await.unwrap().is_empty());
    }
    server
        .ask("mutation{createSession(input:{title:\"new\"}){revision}}")
        .await;
    let changed = answer(ask(Some(&tag), &[])).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json["data"]["sessions"]["nodes"][0]["title"], "new");
    assert_ne!(changed.header("etag"), tag);
    let other = answer(ask(
        Some(changed.header("etag")),
        &[("x-turngraph-account", "other")],
    ))
    .await;
    assert_eq!(
        (other.status, &other.json["data"]["sessions"]["nodes"]),
        (200, &json!([]))
    );
    for unkept in [
        answer(get(&server, &[("query", TITLES)])).await,
        answer(get(&server, &[("documentId", "broken")])).await,
    ] {
        assert_eq!(
            (unkept.header("etag"), unkept.header("cache-control")),
            ("", "no-store")
        );
    }
}

#[test]
fn a_manifest_that_cannot_be_used_is_a_configuration_error() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("m.json");
    let file = folder.path().join("t.toml");
    let refused = |settings: &str, says: &str| {
        std::fs::write(&file, settings).unwrap();
        let data = folder.path().join("data");
        let output = run(&[
            "dev",
            "--no-demo",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data.to_str().unwrap(),
            "--config",
            file.to_str().unwrap(),
        ]);
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    };
    let path = manifest.to_str().unwrap();
    refused(&format!("documents = \"{path}\"\n"), path);
    std::fs::write(&manifest, "[]").unwrap();
    refused(
        &format!("documents = \"{path}\"\n"),
        "object of texts by id",
    );
    refused(
        "documents_mode = \"enforce\"\n",
        "name its file in `documents`",
    );
}
