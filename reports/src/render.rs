//! From finished data to bytes and texts. Nothing here measures, computes or writes a file.
//!
//! What comes from an arm, a container or an engine is escaped for where it goes: nothing in it is obeyed by a
//! terminal, by Markdown, or by whatever reads a table.

mod columns;
mod comparison;
mod json;
mod markdown;
pub mod png;
mod text;

pub use comparison::comparison;
pub use json::{comparison_json, json};
pub use markdown::markdown;
pub use text::text;
