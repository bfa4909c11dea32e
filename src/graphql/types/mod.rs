//! The types of the schema, one file a concept, each declared once over its view.

pub(crate) mod account;
pub(crate) mod branch;
pub(crate) mod connection;
pub(crate) mod node;
pub(crate) mod outline;
pub(crate) mod page;
pub(crate) mod session;
pub(crate) mod step;
pub(crate) mod system;
pub(crate) mod turn;
pub(crate) mod turn_fields;
