//! The feed that reads PostgreSQL's log, on real servers: what it tells, where it goes on, and
//! what it says when it cannot.

mod lab;
mod load;
mod promotion;
mod resume;
mod schema;
mod setup;
mod slots;
mod tls;
mod workload;
