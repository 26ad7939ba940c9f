//! `leaksoak dlq`: the lines that the arms of a run could not deliver. Shown, delivered after all, or dropped.
//!
//! Letters are set aside before they are replayed or dropped, so an arm may go on writing new ones meanwhile; a replay
//! that is broken off leaves what it had set aside, and the next takes that first. Delivery is at least once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leaksoak_reports::words::counted;
use leaksoak_scenarios::Delivery;
use leaksoak_strategies::delivery::dead_letter::{self, DeadLetterFiles, DeadLetterLimits, Letter};
use leaksoak_strategies::delivery::{Limits, SinkClient, SinkError};
use leaksoak_strategies::metrics::Metrics;
use serde::{Deserialize, Serialize};

use super::{DlqArgs, DlqCommand, print, runtime};
use crate::exit::{Exit, Failure};

pub(super) fn dlq(command: DlqCommand) -> Result<Exit, Failure> {
    match command {
        DlqCommand::List { args, json } => list(&args, json),
        DlqCommand::Replay { args, sink } => replay(&args, sink.as_deref()),
        DlqCommand::Drop { args } => drop_all(&args),
    }
}

/// An arm of the run, and its letters.
struct Arm {
    name: String,
    dir: PathBuf,
    files: DeadLetterFiles,
}

/// The arms of the run that are asked for.
fn arms(args: &DlqArgs) -> Result<Vec<Arm>, Failure> {
    let dir = args.directory.join("arms");
    let entries = fs::read_dir(&dir).map_err(|error| no_run(&args.directory, &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(&dir, &error))?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    if let Some(unknown) = args.arms.iter().find(|name| !names.contains(name)) {
        return Err(Failure::usage(format!(
            "--arm {unknown}: no such arm in this run\n  there is: {}",
            names.join(", ")
        )));
    }
    names.retain(|name| args.arms.is_empty() || args.arms.contains(name));
    let arm = |name: String| {
        let dir = dir.join(&name);
        Arm { files: DeadLetterFiles::in_dir(&dir), dir, name }
    };
    Ok(names.into_iter().map(arm).collect())
}

#[derive(Debug, Default, Serialize)]
struct Listed {
    letters: u64,
    /// Lines of the files that are no letters: torn by a kill.
    unreadable: u64,
    reasons: BTreeMap<String, u64>,
}

fn list(args: &DlqArgs, json: bool) -> Result<Exit, Failure> {
    let mut all = BTreeMap::new();
    for arm in arms(args)? {
        let mut listed = Listed::default();
        for path in arm.paths()? {
            for letter in dead_letter::read(&path).map_err(|error| unreadable(&path, &error))? {
                match letter {
                    Ok(letter) => {
                        listed.letters += 1;
                        *listed.reasons.entry(letter.reason).or_default() += 1;
                    }
                    Err(error) if is_json(&error) => listed.unreadable += 1,
                    Err(error) => return Err(unreadable(&path, &error)),
                }
            }
        }
        all.insert(arm.name, listed);
    }
    if json {
        print(serde_json::to_string_pretty(&all).map_err(Failure::environment)?)?;
        return Ok(Exit::Pass);
    }
    for (arm, listed) in all {
        let reasons: Vec<_> = listed.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let torn = if listed.unreadable > 0 { format!(", {} torn", listed.unreadable) } else { String::new() };
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        print(format_args!("{arm}: {}{reasons}{torn}", counted(listed.letters, "dead letter")))?;
    }
    Ok(Exit::Pass)
}

fn replay(args: &DlqArgs, sink: Option<&Path>) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let mut left = 0;
    for arm in arms(args)? {
        if arm.paths()?.is_empty() {
            print(format_args!("{}: nothing to replay", arm.name))?;
            continue;
        }
        let instructions = arm.instructions()?;
        let socket = sink.unwrap_or(&instructions.sink_socket);
        let mut replay = Replay {
            sink: SinkClient::new(socket, &arm.name, Arc::new(Metrics::default())),
            files: &arm.files,
            limits: Limits::from(&instructions.delivery),
            replayed: 0,
            refused: 0,
        };
        let ended = runtime.block_on(replay.all());
        print(format_args!("{}: {} replayed, {} refused again and kept", arm.name, replay.replayed, replay.refused))?;
        left += replay.refused;
        ended.map_err(|error| {
            let remedy = match &error {
                ReplayError::Sink(SinkError::Connect { .. }) => {
                    "a run's sink is there while the run lives; give another with --sink SOCKET".to_owned()
                }
                ReplayError::Sink(SinkError::Rejected(_) | SinkError::Answer(_)) => {
                    format!("what listens at {} is no sink of leaksoak's", socket.display())
                }
                _ => "try again".to_owned(),
            };
            Failure::environment(format!("{}\n  {remedy}\n  {}", chain(&error), arm.kept()))
        })?;
    }
    Ok(if left == 0 { Exit::Pass } else { Exit::Fail })
}

fn drop_all(args: &DlqArgs) -> Result<Exit, Failure> {
    for arm in arms(args)? {
        let mut dropped = 0;
        for path in arm.files.take().map_err(|error| unreadable(&arm.dir, &error))? {
            dropped += dead_letter::read(&path).map_err(|error| unreadable(&path, &error))?.count();
            fs::remove_file(&path).map_err(|error| unreadable(&path, &error))?;
        }
        print(format_args!("{}: {} dropped", arm.name, counted(dropped as u64, "dead letter")))?;
    }
    Ok(Exit::Pass)
}

impl Arm {
    fn paths(&self) -> Result<Vec<PathBuf>, Failure> {
        self.files.paths().map_err(|error| unreadable(&self.dir, &error))
    }

    /// What a replay that failed leaves, and where: the files have other names than before it.
    fn kept(&self) -> String {
        let counted_in = |path: &PathBuf| Ok(dead_letter::read(path)?.flatten().count() as u64);
        let counts = || {
            let paths = self.files.paths()?;
            let letters = paths.iter().map(counted_in).sum::<io::Result<u64>>()?;
            Ok::<_, io::Error>((paths, letters))
        };
        match counts() {
            Ok((paths, letters)) => {
                let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                let kept = if letters == 1 { "is kept" } else { "are kept" };
                format!(
                    "{} {kept}, in {}; the next replay takes them",
                    counted(letters, "dead letter"),
                    paths.join(", ")
                )
            }
            Err(error) => format!("what was not replayed is kept in {}: {error}", self.dir.display()),
        }
    }

    fn instructions(&self) -> Result<Instructions, Failure> {
        let path = self.dir.join("arm.json");
        let text = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        serde_json::from_slice(&text).map_err(|error| Failure::environment(format!("{}: {error}", path.display())))
    }
}

/// What a replay needs of an arm's instructions. Their other keys may be those of any version: `labels` was once `label`.
#[derive(Debug, Deserialize)]
struct Instructions {
    sink_socket: PathBuf,
    #[serde(default)]
    delivery: Delivery,
}

/// One arm's letters on their way to the sink.
struct Replay<'a> {
    sink: SinkClient,
    files: &'a DeadLetterFiles,
    limits: Limits,
    replayed: u64,
    refused: u64,
}

#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("dead letters cannot be read or kept")]
    File(#[from] io::Error),
}

/// How often a sink that is busy is asked again.
const TRIES: u32 = 10;

impl Replay<'_> {
    async fn all(&mut self) -> Result<(), ReplayError> {
        for path in self.files.take()? {
            let mut batch = Vec::new();
            for letter in dead_letter::read(&path)? {
                match letter {
                    Ok(letter) => batch.push(letter),
                    // Torn by a kill: there is no line in it to be sent.
                    Err(error) if is_json(&error) => continue,
                    Err(error) => return Err(error.into()),
                }
                if batch.len() >= self.limits.batch_lines {
                    self.send(&mut batch).await?;
                }
            }
            self.send(&mut batch).await?;
            fs::remove_file(&path)?;
        }
        Ok(())
    }

    /// Posts the letters; those refused again go back to the arm's.
    async fn send(&mut self, batch: &mut Vec<Letter>) -> Result<(), ReplayError> {
        let letters = std::mem::take(batch);
        if letters.is_empty() {
            return Ok(());
        }
        let mut body = Vec::new();
        for letter in &letters {
            body.extend_from_slice(letter.entry.get().as_bytes());
            body.push(b'\n');
        }
        let answer = self.post(body.into()).await?;
        self.replayed += letters.len() as u64 - answer.refused.len() as u64;
        for refusal in answer.refused {
            let Some(letter) = letters.get(refusal.index) else { continue };
            let DeadLetterLimits { bytes, files } = self.limits.dead_letters;
            let entry = std::iter::once(letter.entry.get().as_bytes());
            self.files.keep(&refusal.reason, entry, DeadLetterLimits { bytes, files })?;
            self.refused += 1;
        }
        Ok(())
    }

    async fn post(&mut self, body: hyper::body::Bytes) -> Result<leaksoak_strategies::delivery::Answer, SinkError> {
        let mut backoff = self.limits.backoff();
        let mut tries = 0;
        loop {
            match self.sink.post(body.clone()).await {
                Err(error) if error.is_passing() && tries < TRIES && !matches!(error, SinkError::Connect { .. }) => {
                    tries += 1;
                    tokio::time::sleep(backoff.delay()).await;
                }
                ended => return ended,
            }
        }
    }
}

/// Whether a line of a file was read, and is no letter.
fn is_json(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<serde_json::Error>()).is_some()
}

/// Why the argument is not the directory of a run.
fn no_run(directory: &Path, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::NotFound if directory.is_dir() => "is not a run directory: it has no `arms`".to_owned(),
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::NotADirectory => "is not a run directory".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    Failure::usage(format!(
        "{} {why}\n  name the directory that `leaksoak run` printed, such as leaksoak-runs/smoke-...",
        directory.display()
    ))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::environment(format!("{}: {error}", path.display()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
