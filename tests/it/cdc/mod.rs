//! Change feeds on real servers.

mod postgres;
