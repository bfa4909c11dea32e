//! From the first signal to the end: stop taking requests, finish those under way, close stores.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a server and the token that ends them.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// Cancelled when the server should stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a background task until it ends; it must end soon after [`Self::stopping`].
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Ends everything: waits for the background tasks, `grace` at most. False when some did not
    /// end in time.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(grace, self.tasks.wait()).await.is_ok()
    }
}

/// Returns at the first SIGINT or SIGTERM. A second signal ends the process at once, with the
/// exit code that shells give to it.
pub async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => std::process::exit(130),
            _ = terminate.recv() => std::process::exit(143),
        }
    });
    Ok(())
}
