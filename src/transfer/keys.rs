//! Keys of imported entities: UUIDv5 of where they come from, so that a second import finds them.
//!
//! The path of a file is no part of a key: the same file under another name is the same. Ids that
//! are unique in the world (UUIDs) identify a conversation alone; others are joined with what the
//! conversation begins with, so that `conv-1` of two files stays two conversations.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::Uid;

/// Namespace of all imported keys; it never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_0f0c_5a0e_5c3e_9b7d_2f6c_8b1e_47a3);

/// Key of the session that `account` gets for a conversation of a format.
pub(in crate::transfer) fn session(account: &Uid, format: &str, identity: &str) -> Uid {
    derived(&NAMESPACE, &[account.as_str(), format, identity])
}

/// Key of a part of the session: a turn or a score, named by its kind and source id.
pub(in crate::transfer) fn part(session: &Uid, kind: &str, source_id: &str) -> Uid {
    derived(&NAMESPACE, &[session.as_str(), kind, source_id])
}

fn derived(namespace: &Uuid, parts: &[&str]) -> Uid {
    // Lengths in front make the parts unambiguous whatever they hold.
    let mut name = Vec::new();
    for part in parts {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    let uuid = Uuid::new_v5(namespace, &name);
    Uid::stored(uuid.hyphenated().to_string())
}

/// What identifies a conversation with this id: the id where it is a UUID, otherwise the id with
/// a fingerprint of what the conversation begins with.
pub(in crate::transfer) fn identity(id: Option<&str>, beginning: &[&str]) -> String {
    match id {
        Some(id) if Uuid::try_parse(id).is_ok() => id.to_ascii_lowercase(),
        id => format!("{}#{}", id.unwrap_or_default(), fingerprint(beginning)),
    }
}

fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_account_format_and_identity_and_on_nothing_else() {
        let (a, b) = (Uid::parse("a").unwrap(), Uid::parse("b").unwrap());
        let key = session(&a, "chatgpt", "1");
        assert_eq!(key, session(&a, "chatgpt", "1"));
        for other in [
            session(&b, "chatgpt", "1"),
            session(&a, "oasst", "1"),
            session(&a, "chatgpt", "2"),
            session(&a, "chatgpt1", ""),
        ] {
            assert_ne!(key, other);
        }
        assert_ne!(part(&key, "turn", "1"), part(&key, "score", "1"));
    }

    #[test]
    fn ids_that_are_not_unique_in_the_world_are_joined_with_the_beginning() {
        let uuid = "AF1EA676-f525-444f-a9ed-7c8dbf062733";
        assert_eq!(identity(Some(uuid), &["x"]), identity(Some(uuid), &["y"]));
        assert_ne!(identity(Some("1"), &["x"]), identity(Some("1"), &["y"]));
        assert_ne!(identity(None, &["a", "b"]), identity(None, &["ab", ""]));
        assert_eq!(identity(None, &["x"]), identity(None, &["x"]));
    }
}
