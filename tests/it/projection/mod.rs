//! The projector: what comes out of a feed into copies, in whatever order and with whatever fails.

mod cache;
mod dual_write;
mod end_to_end;
mod equal;
mod faults;
mod filling;
mod given;
mod order;
mod rebuild;
mod repair;
mod verify;
mod worker;
mod world;
