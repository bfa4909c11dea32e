//! How documents are found, registered and judged.

use super::*;

const KNOWN: &str = "{known}";

fn documents(mode: DocumentsMode, automatic: bool) -> Documents {
    let hash = hex(&sha256(KNOWN));
    let manifest = format!("{{\"m1\": \"{{other}}\", \"{hash}\": \"{KNOWN}\"}}");
    Documents::new(Manifest::parse(&manifest).unwrap(), mode, automatic)
}

fn id(id: &str) -> Naming<'_> {
    Naming {
        id: Some(id),
        ..Naming::default()
    }
}

fn apq<'r>(hash: &'r str, text: Option<&'r str>) -> Naming<'r> {
    Naming {
        id: None,
        hash: Some(hash),
        text,
    }
}

#[test]
fn a_document_of_the_manifest_is_found_by_every_name() {
    let all = documents(DocumentsMode::Enforce, true);
    let hash = hex(&sha256(KNOWN));
    let prefixed = format!("sha256:{hash}");
    for named in [id(&hash), id(&prefixed), apq(&hash, None)] {
        let found = all.find(&named).unwrap();
        assert_eq!(found.text.as_deref(), Some(KNOWN), "{named:?}");
    }
    assert_eq!(
        all.find(&id("m1")).unwrap().text.as_deref(),
        Some("{other}")
    );
    let text = Naming {
        text: Some(KNOWN),
        ..Naming::default()
    };
    assert_eq!(
        all.find(&text).unwrap().text,
        None,
        "its text is as good as its id"
    );
    let both = Naming {
        text: Some(KNOWN),
        ..id(&hash)
    };
    assert_eq!(all.find(&both), Err(Unusable::Both));
    assert_eq!(all.find(&Naming::default()), Err(Unusable::Missing));
}

#[test]
fn clients_register_documents_by_their_hash_and_no_other() {
    let all = documents(DocumentsMode::Off, true);
    let text = "{fresh}";
    let hash = hex(&sha256(text));
    assert_eq!(all.find(&apq(&hash, None)), Err(Unusable::UnknownHash));
    assert_eq!(all.find(&id(&hash)), Err(Unusable::UnknownId));
    assert_eq!(all.find(&apq(&hash, Some("{a}"))), Err(Unusable::Mismatch));
    assert_eq!(all.find(&apq("abc", Some("{a}"))), Err(Unusable::Mismatch));
    let learn = all.find(&apq(&hash, Some(text))).unwrap().learn.unwrap();
    all.learn(learn, text);
    let upper = hash.to_uppercase();
    for named in [apq(&hash, None), apq(&upper, None), id(&hash)] {
        assert_eq!(all.find(&named).unwrap().text.as_deref(), Some(text));
    }
    assert_eq!(
        all.find(&apq(&hash, Some(text))).unwrap().learn,
        None,
        "once"
    );
    let not = documents(DocumentsMode::Off, false);
    assert_eq!(not.find(&apq(&hash, None)), Err(Unusable::NotAutomatic));
    assert_eq!(not.find(&apq(&hash, Some(text))).unwrap().learn, None);
}

#[test]
fn where_the_manifest_is_enforced_nothing_else_runs_or_is_registered() {
    let all = documents(DocumentsMode::Enforce, true);
    let hash = hex(&sha256("{fresh}"));
    let text = Naming {
        text: Some("{fresh}"),
        ..Naming::default()
    };
    assert_eq!(all.find(&text), Err(Unusable::Untrusted));
    assert_eq!(
        all.find(&apq(&hash, Some("{fresh}"))),
        Err(Unusable::Untrusted)
    );
    assert_eq!(all.find(&apq(&hash, None)), Err(Unusable::NotAutomatic));
    let log = documents(DocumentsMode::Log, true);
    assert!(log.find(&text).is_ok() && log.find(&text).is_ok());
    assert!(log.named.get(&sha256("{fresh}")).is_some());
    assert!(log.named.get(&sha256(KNOWN)).is_none());
}

#[test]
fn what_clients_register_is_bounded_by_its_bytes() {
    let all = documents(DocumentsMode::Off, true);
    let long = "x".repeat(64 * 1024);
    for n in 0..1_000 {
        let text = format!("{n}{long}");
        all.learn(sha256(&text), &text);
    }
    assert!(all.learned.weight() <= LEARNED_BYTES_MAX);
}
