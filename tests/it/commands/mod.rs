//! Commands on real record stores: every test runs on each engine.

mod activate;
mod append;
mod clock;
mod concurrency;
mod delete;
mod fork;
mod idempotency;
mod lab;
mod model;
mod proxy;
mod refusals;
mod round_trips;
mod steps;

/// Declares each test of a file once for each engine.
macro_rules! on_every_engine {
    ($($name:ident,)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::commands::lab::Lab::sqlite().await).await;
                }
            )*
        }
    };
}
use on_every_engine;
