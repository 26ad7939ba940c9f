//! The strategy that does nothing: it captures no line, and so leaks nothing. A run must call it INVALID.

use crate::strategy::{Context, Strategy, StrategyError};

/// Waits for the request to stop.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idle;

impl Strategy for Idle {
    async fn run(self, mut context: Context) -> Result<(), StrategyError> {
        context.shutdown.requested().await;
        Ok(())
    }
}
