//! What is SQLite's own: plans, rules that triggers keep, migration, opening.

mod migrate;
mod open;
mod plans;
mod rules;
