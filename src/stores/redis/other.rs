//! Whether what answers instead of Redis is PostgreSQL, which ends the connection without a word:
//! to the driver that looks like a server that is just going down, and it would be waited for.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::error::error;
use crate::stores::{StoreError, StoreErrorKind};

/// PostgreSQL's question whether it may speak TLS, which it answers by one letter.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether PostgreSQL answers at `HOST:PORT`.
pub(super) async fn is_postgres(at: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(at).await.ok()?;
        stream.write_all(&SSL_REQUEST).await.ok()?;
        stream.read_u8().await.ok()
    };
    let letter = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
    matches!(letter, Some(b'S' | b'N'))
}

/// What is said then.
pub(super) fn postgres(at: &str) -> StoreError {
    let message = format!(
        "what answers at {at} is PostgreSQL, not Redis; correct the address of the hot cache \
         (`redis`), redis://HOST:6379"
    );
    error(StoreErrorKind::Schema, "open", message)
}
