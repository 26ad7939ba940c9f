//! `leaksoak check`: is this scenario right, and what would it run?

use leaksoak_scenarios::{Expect, Load, Scenario, load};

use super::{OverrideArgs, print};
use crate::exit::{Exit, Failure};

pub(super) fn check(name: &str, overrides: OverrideArgs) -> Result<Exit, Failure> {
    let scenario = load(name, &overrides.into()).map_err(Failure::usage)?;
    print(describe(&scenario).trim_end())?;
    Ok(Exit::Pass)
}

fn describe(scenario: &Scenario) -> String {
    use std::fmt::Write;
    let mut text = format!("{}: {}\n", scenario.name, scenario.about);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  {} measured, of which {} warm-up; a sample every {}, a checkpoint every {}",
        scenario.duration, scenario.warmup, scenario.sample_every, scenario.checkpoint_every
    );
    if scenario.isolate {
        let _ = writeln!(text, "  the arms take turns, {} of them, each as long", scenario.arms.len());
    }
    for group in &scenario.containers {
        let load = match group.load {
            Load::Steady { rate, line_bytes } => format!("steady, {rate}, {line_bytes} a line"),
            Load::Bursty { burst, every, line_bytes } => format!("{burst} lines every {every}, {line_bytes} a line"),
            Load::Silent => "silent".into(),
        };
        let _ = writeln!(text, "  {} x {load}", group.count);
    }
    for stage in &scenario.stages {
        let _ = writeln!(text, "  from {}: {} % of the containers monitored", stage.from, stage.share_pct);
    }
    for arm in &scenario.arms {
        let expected = if arm.expect == Expect::Fail { " (control: must fail)" } else { "" };
        let rotation = arm.strategy.rotate_every().map_or(String::new(), |every| format!(", rotated every {every}"));
        let _ = writeln!(
            text,
            "  arm {}: {}{rotation}, {} FDs, {}{expected}",
            arm.name,
            arm.strategy.kind(),
            arm.nofile,
            arm.memory
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_scenarios::Overrides;

    #[test]
    fn the_smoke_is_described() {
        let scenario = load("smoke", &Overrides::default()).unwrap();
        insta::assert_snapshot!(describe(&scenario));
    }
}
