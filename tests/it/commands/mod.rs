//! Commands on real record stores: every test runs on each engine.

mod activate;
mod append;
mod clock;
mod concurrency;
mod delete;
mod foreign;
mod fork;
mod groups;
mod idempotency;
pub(crate) mod lab;
mod model;
mod refusals;
mod round_trips;
mod steps;

/// Declares each test of a file once for each engine.
macro_rules! on_every_engine {
    ($($name:ident,)*) => {
        $crate::commands::on_every_engine! { @on postgres $($name)* }
        $crate::commands::on_every_engine! { @on sqlite $($name)* }
    };
    (@on $engine:ident $($name:ident)*) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::commands::lab::Lab::$engine().await).await;
                }
            )*
        }
    };
}
use on_every_engine;
