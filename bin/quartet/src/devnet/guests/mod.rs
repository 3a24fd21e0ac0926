//! Guests: nodes of other clients in a devnet, run and asked as their templates say.

mod client;
mod command;
mod leash;
mod view;

pub(super) use client::{Client, With, WithBinary, clients};
pub(super) use command::{Guest, Launch};
pub(super) use leash::LeashArgs;
pub(super) use view::{GuestView, Questions};
