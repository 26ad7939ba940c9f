//! What the turns come to: medians, and each contender beside bollard and beside itself without delivery.

use crate::Contender;
use crate::meter::Measured;

/// Everything that was measured, in the order of the turns.
#[derive(Debug, Default)]
pub(crate) struct Results(Vec<(Contender, Measured)>);

#[derive(Debug, Clone, Copy)]
struct Medians {
    lines_per_s: f64,
    cpu_us_per_line: f64,
    p99_ms: Option<f64>,
}

impl Results {
    pub(crate) fn add(&mut self, contender: Contender, measured: Measured) {
        self.0.push((contender, measured));
    }

    fn medians(&self, of: Contender) -> Option<Medians> {
        let median = |value: fn(&Measured) -> Option<f64>| {
            let mut values: Vec<f64> =
                self.0.iter().filter(|(contender, _)| *contender == of).filter_map(|(_, it)| value(it)).collect();
            values.sort_by(f64::total_cmp);
            let middle = values.get(values.len() / 2)?;
            let below = values[(values.len() - 1) / 2];
            Some(f64::midpoint(*middle, below))
        };
        Some(Medians {
            lines_per_s: median(|it| Some(it.lines_per_s))?,
            cpu_us_per_line: median(|it| Some(it.cpu_us_per_line))?,
            p99_ms: median(|it| it.late_ms.map(|(_, p99)| p99)),
        })
    }

    /// A row for each of `contenders` that was measured.
    pub(crate) fn print_summary(&self, contenders: &[Contender]) {
        println!("\nmedians, and their ratios within this run:\n");
        println!(
            "| contender | lines/s | CPU µs/line | p99 ms | lines/s to bollard's | CPU to bollard's | CPU to capture only |"
        );
        println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
        let bollard = self.medians(Contender::Bollard);
        for &contender in contenders {
            let Some(it) = self.medians(contender) else { continue };
            let captured = contender.capturing_only().and_then(|alone| self.medians(alone));
            let ratio = |of: fn(&Medians) -> f64, to: Option<Medians>| number(to.map(|to| of(&it) / of(&to)), 2);
            println!(
                "| {} | {:.0} | {:.3} | {} | {} | {} | {} |",
                contender.name(),
                it.lines_per_s,
                it.cpu_us_per_line,
                number(it.p99_ms, 2),
                ratio(|it| it.lines_per_s, bollard),
                ratio(|it| it.cpu_us_per_line, bollard),
                ratio(|it| it.cpu_us_per_line, captured),
            );
        }
    }
}

/// Nothing where there is none.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map(|value| format!("{value:.decimals$}")).unwrap_or_default()
}
