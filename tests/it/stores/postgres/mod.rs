//! What only PostgreSQL has: rows of other programs, and the adoption of their database.

mod adoption;
mod census;
mod foreign;
mod given;
mod plans;
mod resume;
mod storm;
