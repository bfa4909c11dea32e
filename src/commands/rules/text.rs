//! Rules on keys, titles, prompts and model names.
//!
//! A NUL character is refused everywhere: PostgreSQL cannot store one in text, and what one engine
//! refuses the other must not accept. Lone surrogates cannot occur, since a Rust string is UTF-8.

use crate::commands::outcome::UserErrorCode;
use crate::domain::session::TITLE_CHARS_MAX;
use crate::domain::turn::PROMPT_BYTES_MAX;
use crate::domain::{KeyError, Uid};

use super::Faults;

/// Longest idempotency key in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 200;

/// Longest name of a model in bytes.
pub const MODEL_BYTES_MAX: usize = 200;

/// A key that the client made.
pub(in crate::commands) fn uid(faults: &mut Faults, path: &[&str], text: &str) -> Option<Uid> {
    let code = |error: &KeyError| match error {
        KeyError::Empty => UserErrorCode::Required,
        KeyError::TooLong(_) => UserErrorCode::TooLong,
        KeyError::Control => UserErrorCode::Invalid,
    };
    Uid::parse(text)
        .map_err(|error| faults.add(code(&error), path, error))
        .ok()
}

/// A title: at most [`TITLE_CHARS_MAX`] characters.
pub(in crate::commands) fn title(faults: &mut Faults, path: &[&str], text: &str) {
    // Counting stops one past the limit, whatever the length of the text.
    if text.chars().take(TITLE_CHARS_MAX + 1).count() > TITLE_CHARS_MAX {
        let message = format_args!("a title has at most {TITLE_CHARS_MAX} characters");
        faults.add(UserErrorCode::TooLong, path, message);
    }
    no_nul(faults, path, "a title", text);
}

/// A prompt: at most [`PROMPT_BYTES_MAX`] bytes; it may be empty.
pub(in crate::commands) fn prompt(faults: &mut Faults, path: &[&str], text: &str) {
    bytes_max(faults, path, "a prompt", text, PROMPT_BYTES_MAX);
    no_nul(faults, path, "a prompt", text);
}

/// The name of a model.
pub(in crate::commands) fn model(faults: &mut Faults, path: &[&str], text: &str) {
    if text.is_empty() {
        let message = "the name of a model must not be empty; leave it out where it is unknown";
        faults.add(UserErrorCode::Required, path, message);
    }
    bytes_max(faults, path, "the name of a model", text, MODEL_BYTES_MAX);
    no_nul(faults, path, "the name of a model", text);
}

/// An idempotency key: 1 to [`IDEMPOTENCY_KEY_BYTES_MAX`] bytes without control characters.
pub(in crate::commands) fn idempotency_key(faults: &mut Faults, text: &str) {
    let path = &["idempotencyKey"];
    if text.is_empty() {
        let message = "an idempotency key must not be empty; leave it out to go without";
        faults.add(UserErrorCode::Required, path, message);
    }
    let what = "an idempotency key";
    bytes_max(faults, path, what, text, IDEMPOTENCY_KEY_BYTES_MAX);
    if text.chars().any(char::is_control) {
        let message = format_args!("{what} must not hold control characters");
        faults.add(UserErrorCode::Invalid, path, message);
    }
}

pub(super) fn bytes_max(faults: &mut Faults, path: &[&str], what: &str, text: &str, max: usize) {
    if text.len() > max {
        let message = format_args!(
            "{what} has at most {max} bytes, this one has {}",
            text.len()
        );
        faults.add(UserErrorCode::TooLong, path, message);
    }
}

fn no_nul(faults: &mut Faults, path: &[&str], what: &str, text: &str) {
    if text.contains('\0') {
        let message = format_args!("{what} must not hold the NUL character (U+0000)");
        faults.add(UserErrorCode::Invalid, path, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(check: impl Fn(&mut Faults)) -> Vec<UserErrorCode> {
        let mut faults = Faults::default();
        check(&mut faults);
        let errors = faults.refusal().unwrap_or_default();
        errors.iter().map(|error| error.code).collect()
    }

    #[test]
    fn keys_are_refused_by_their_own_codes() {
        let of = |text: &str| codes(|f| drop(uid(f, &["input", "uid"], text)));
        assert_eq!(of("a"), []);
        assert_eq!(of(""), [UserErrorCode::Required]);
        assert_eq!(of(&"x".repeat(129)), [UserErrorCode::TooLong]);
        assert_eq!(of("a\0"), [UserErrorCode::Invalid]);
    }

    #[test]
    fn titles_are_counted_in_characters_and_prompts_in_bytes() {
        let of_title = |text: &str| codes(|f| title(f, &["title"], text));
        assert_eq!(of_title(&"я".repeat(TITLE_CHARS_MAX)), []);
        let long = "я".repeat(TITLE_CHARS_MAX + 1);
        assert_eq!(of_title(&long), [UserErrorCode::TooLong]);
        assert_eq!(of_title("a\0b"), [UserErrorCode::Invalid]);
        let of_prompt = |text: &str| codes(|f| prompt(f, &["prompt"], text));
        assert_eq!(of_prompt(""), []);
        assert_eq!(of_prompt(&"x".repeat(PROMPT_BYTES_MAX)), []);
        let long = "x".repeat(PROMPT_BYTES_MAX + 1);
        assert_eq!(of_prompt(&long), [UserErrorCode::TooLong]);
        assert_eq!(of_prompt("\0"), [UserErrorCode::Invalid]);
    }

    #[test]
    fn idempotency_keys_and_models_have_a_length() {
        let of_key = |text: &str| codes(|f| idempotency_key(f, text));
        assert_eq!(of_key(&"k".repeat(200)), []);
        assert_eq!(of_key(""), [UserErrorCode::Required]);
        assert_eq!(of_key(&"k".repeat(201)), [UserErrorCode::TooLong]);
        assert_eq!(of_key("k\n"), [UserErrorCode::Invalid]);
        let of_model = |text: &str| codes(|f| model(f, &["model"], text));
        assert_eq!(of_model("m"), []);
        assert_eq!(of_model(""), [UserErrorCode::Required]);
        assert_eq!(of_model(&"m".repeat(201)), [UserErrorCode::TooLong]);
        assert_eq!(of_model("m\0"), [UserErrorCode::Invalid]);
    }
}
