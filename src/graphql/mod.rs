//! The GraphQL API: types, operations, and how they run.
//!
//! `engine` runs operations over any data; `types`, `query` and `mutation` declare the schema;
//! `data` loads what an operation touches. Nothing here knows HTTP or a store.

mod about;
mod answer;
mod data;
mod engine;
mod error;
mod freshness;
mod gateway;
mod ids;
mod mutation;
mod query;
mod request;
mod scalars;
mod status;
mod types;

pub use about::{About, Cost, ReadNote};
pub use answer::{Refused, failed, refusal};
pub use freshness::Freshness;
pub use gateway::{Gateway, sdl};
pub use request::{GatewayOptions, GraphqlRequest, GraphqlResponse, Timing};
