//! The binary, from outside: what a user sees, and what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod analyze;
mod command_line;
mod on_docker;
mod on_embedded;
mod place;
mod proxy;
mod support;
