//! The graph against a naive model, on generated forests.
