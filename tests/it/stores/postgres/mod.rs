//! What only PostgreSQL has: rows of other programs, and the adoption of their database.

mod foreign;
