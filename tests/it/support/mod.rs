//! Helpers of several test modules: stores on scratch data, and rows with the values that a test
//! does not care about.

pub(crate) mod postgres;
pub(crate) mod rows;
pub(crate) mod sqlite;
