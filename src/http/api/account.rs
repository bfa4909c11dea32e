//! Which account a request speaks for, and the header that says so in development.

use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};

use super::refusal::Refusal;
use crate::domain::Uid;

pub(super) const ACCOUNT: &str = "x-turngraph-account";

/// Which account a request speaks for.
#[derive(Debug, Clone)]
pub enum AccountRule {
    /// The header `X-Turngraph-Account`, or this account without it. Only for development: the
    /// header is believed.
    Header {
        /// Account of requests without the header.
        default: Uid,
    },
    /// Always this account.
    Fixed(Uid),
}

/// The account of a request.
pub(super) fn account(rule: &AccountRule, headers: &HeaderMap) -> Result<Uid, Refusal> {
    match rule {
        AccountRule::Fixed(account) => Ok(account.clone()),
        AccountRule::Header { .. } if !names_this_machine(headers) => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "BAD_REQUEST",
            "This server answers under localhost and 127.0.0.1 only.",
        )),
        AccountRule::Header { default } => match headers.get(ACCOUNT) {
            None => Ok(default.clone()),
            Some(value) => {
                let text = value.to_str().ok();
                let key = text.and_then(|text| Uid::parse(text.trim()).ok());
                key.ok_or_else(|| {
                    Refusal::bad("`X-Turngraph-Account` is not the key of an account.")
                })
            }
        },
    }
}

/// A page of another site may give its own name this machine's address; the browser then lets it
/// ask, but names that site as the host.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return true;
    };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
