//! The embedded engine held against the real one: the same calls on both, and everything that they answer compared.
//!
//! Each trial is a scenario: a conversation with an engine, in which ids, times and the like are replaced by what they
//! are ([`normalise`]). It runs on the embedded engine, and on Docker where one of the release that ours is like
//! answers; where none does, it is held against what Docker said when it was recorded (`recorded/`, made anew by
//! `LEAKSOAK_RECORD=1`). Where ours must differ, [`excuses`] says why.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use client::Protocol;
use engines::{Embedded, Engine, Real};
use scenarios::Scenario;
use session::{Session, Transcript};

mod client;
mod engines;
mod excuses;
mod frames;
mod hostile;
mod normalise;
mod scenarios;
mod session;
#[path = "../it/support.rs"]
#[expect(dead_code, reason = "the other tests of the binary need more of it")]
mod support;
mod transcript;

/// What is compared, and how much of it was.
struct Bench {
    real: Result<Real, String>,
    embedded: Option<Embedded>,
    calls: AtomicUsize,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let recording = std::env::var_os("LEAKSOAK_RECORD").is_some();
    // Nothing is started to list the tests.
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    let bench = Arc::new(Bench {
        real: engines::real(),
        embedded: (!recording).then(Embedded::start),
        calls: AtomicUsize::new(0),
    });
    let conclusion = libtest_mimic::run(&arguments, trials(Some(&bench)));
    let docker = match &bench.real {
        Ok(real) => format!("docker {}", real.engine.version),
        Err(reason) => format!("what docker 20.10 was recorded to say ({reason})"),
    };
    println!("conformance: {} calls compared on {docker} and embedded", bench.calls.load(Ordering::Relaxed));
    conclusion.exit_code()
}

fn trials(bench: Option<&Arc<Bench>>) -> Vec<Trial> {
    let conversations = scenarios::all().into_iter().map(|(name, scenario)| {
        let bench = bench.cloned();
        Trial::ignorable_test(name.clone(), move || match bench {
            Some(bench) => bench.conforms(&name, scenario),
            None => Ok(Completion::Completed),
        })
    });
    let attacks = hostile::trials(bench.is_some_and(|bench| bench.embedded.is_some()));
    conversations.chain(attacks).collect()
}

fn converse(engine: &Engine, protocol: Protocol, scenario: Scenario) -> Transcript {
    let mut session = Session::new(engine, protocol);
    scenario(&mut session);
    session.into_transcript()
}

impl Bench {
    fn conforms(&self, name: &str, scenario: Scenario) -> Result<Completion, Failed> {
        // What a client prints is a matter of its version too: it is not kept, and compared where there is a Docker.
        let is_kept = !name.starts_with("clients::");
        if !is_kept && let Some(reason) = scenarios::clients::missing(name) {
            return match std::env::var_os("LEAKSOAK_REQUIRE_CLIENTS") {
                Some(_) => Err(format!("LEAKSOAK_REQUIRE_CLIENTS is set, but {reason}").into()),
                None => Ok(Completion::ignored_with(reason)),
            };
        }
        let Some(embedded) = &self.embedded else {
            let real = self.real.as_ref().map_err(|reason| format!("nothing to record: {reason}"))?;
            let transcript = converse(&real.engine, Protocol::Http1, scenario);
            if is_kept {
                transcript::record(name, &transcript);
            }
            return Ok(Completion::Completed);
        };
        let embedded = &embedded.engine;
        let recorded = is_kept.then(|| transcript::recorded(name)).transpose()?;
        let (theirs, ours, over_http2) = std::thread::scope(|scope| {
            let theirs =
                self.real.as_ref().ok().map(|real| scope.spawn(|| converse(&real.engine, Protocol::Http1, scenario)));
            let over_http2 = is_kept.then(|| scope.spawn(|| converse(embedded, Protocol::Http2, scenario)));
            let ours = converse(embedded, Protocol::Http1, scenario);
            let joined = |it: Option<ScopedJoinHandle<'_, Transcript>>, who| {
                it.map(|it| it.join().map_err(|_| format!("{who} did not come through"))).transpose()
            };
            (joined(theirs, "Docker"), ours, joined(over_http2, "the embedded engine over HTTP/2"))
        });
        let (theirs, over_http2) = (theirs?, over_http2?);

        let mut failures = Vec::new();
        if let (Some(recorded), Some(theirs)) = (&recorded, &theirs) {
            let changed = transcript::differences(None, ["recorded", "docker"], recorded, theirs);
            failures.extend(changed.into_iter().map(|text| format!("the recording is out of date: {text}")));
        }
        if let Some(expected) = theirs.as_ref().or(recorded.as_ref()) {
            failures.extend(transcript::differences(Some(name), ["docker", "embedded"], expected, &ours));
            self.calls.fetch_add(transcript::calls(&ours), Ordering::Relaxed);
        }
        if let Some(over_http2) = &over_http2 {
            failures.extend(transcript::differences(None, ["HTTP/1.1", "HTTP/2"], &ours, over_http2));
        }
        if failures.is_empty() {
            Ok(Completion::Completed)
        } else {
            Err(format!("\n  {}", failures.join("\n  ")).into())
        }
    }
}
