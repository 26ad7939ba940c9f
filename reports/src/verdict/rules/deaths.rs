//! Uptime and OOM kills: how an arm's processes ended.
//!
//! Only what happens between the run's zero and the end of measuring counts, and an end that the harness asked for
//! is none. An arm that exits at once, or before it was ever ready, was down for all of it.

use super::{ArmCase, undecided};
use crate::analysis::lives::End;
use crate::record::events::Exit;
use crate::verdict::{Criterion, CriterionResult, Outcome};
use crate::words::{counted, one_line, percent, span};

const SIGKILL: i32 = 9;

/// OOM kills are at most so many.
pub(super) fn oom_kills(case: &ArmCase<'_>) -> CriterionResult {
    let limit = case.recording.info.scenario.criteria.oom_kills;
    let result = undecided(Criterion::OomKills, "kills", "no start of this arm was recorded");
    if case.lives.is_empty() {
        return CriterionResult { limit: Some(limit as f64), ..result };
    }
    let kills = deaths(case).filter(|death| death.exit == Exit::OomKilled).count() as u64;
    let unexplained = deaths(case).any(|death| death.exit == Exit::Signal { signal: SIGKILL });
    let (outcome, reason) = if kills > limit {
        (Outcome::Fail, format!("killed by the kernel for want of memory: {}", counted(kills, "time")))
    } else if unexplained && case.recording.info.host.cgroup == "none" {
        (Outcome::Inconclusive, "killed by signal 9, and without a cgroup nothing says by whom".to_owned())
    } else {
        (Outcome::Pass, counted(kills, "kill"))
    };
    CriterionResult { outcome, measured: Some(kills as f64), limit: Some(limit as f64), reason, ..result }
}

/// Uptime is at least so much.
pub(super) fn uptime(case: &ArmCase<'_>) -> CriterionResult {
    let limit = case.recording.info.scenario.criteria.uptime_pct;
    let result = undecided(Criterion::Uptime, "percent", "no start of this arm was recorded");
    let due_s = case.timeline.due_s();
    if case.lives.is_empty() || due_s <= 0.0 {
        return CriterionResult { limit: Some(limit), ..result };
    }
    let up_s: f64 = case.lives.iter().map(|life| life.within(0.0, due_s)).sum();
    let share = (up_s / due_s * 100.0).min(100.0);
    let mut reason = format!("up {} of the time", percent(share));
    let mut ends = deaths(case);
    if let Some(first) = ends.next() {
        reason = format!("{reason}: {}", told(first));
        let more = ends.count() as u64;
        if more > 0 {
            reason = format!("{reason}, and {} more", counted(more, "death"));
        }
    }
    let outcome = if share >= limit { Outcome::Pass } else { Outcome::Fail };
    CriterionResult { outcome, measured: Some(share), limit: Some(limit), reason, ..result }
}

/// The ends that nobody asked for, while it was measured.
fn deaths<'a>(case: &ArmCase<'a>) -> impl Iterator<Item = &'a End> {
    let end_s = case.timeline.end_s;
    case.lives.iter().filter_map(|life| life.death()).filter(move |death| death.at_s <= end_s)
}

fn told(death: &End) -> String {
    let how = match death.exit {
        Exit::Code { code } => format!("exited with code {code}"),
        Exit::Signal { signal } => format!("ended by signal {signal}"),
        Exit::OomKilled => "killed for want of memory".to_owned(),
    };
    let when = if death.at_s <= 0.0 { "before the run's zero".to_owned() } else { format!("at {}", span(death.at_s)) };
    let words = death.last_words.as_deref().map(one_line).filter(|words| !words.is_empty());
    words.map_or(format!("{how} {when}"), |words| format!("{how} {when}, {} \"{words}\"", death.exit.how_said()))
}
