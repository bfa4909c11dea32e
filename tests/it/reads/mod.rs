//! The read router over a real SQLite record store and copies that a test fills, breaks and asks
//! what they were asked.

mod answers;
mod bodies;
mod cassandra;
mod fakes;
mod fills;
mod freshness;
mod lab;
mod lists;
mod outages;
mod routes;
mod stale;
mod storm;
