//! Real clients on the engine: the docker CLI, and the `docker` package of Python. What they print is compared; that they
//! come through at all is asserted, so that these hold something also where there is no Docker to compare with.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::scenarios;
use crate::client::Call;
use crate::session::{READY, Session};

scenarios![
    the_docker_cli_manages_containers,
    the_docker_cli_reads_logs,
    the_docker_cli_watches,
    the_docker_cli_tells_of_the_engine,
    the_python_package_does_it_all,
];

/// Whether the client that a scenario needs is here.
pub(crate) fn missing(scenario: &str) -> Option<String> {
    let needed = if scenario.contains("python") { python() } else { cli().map(drop) };
    needed.err()
}

fn cli() -> Result<PathBuf, String> {
    let program = PathBuf::from("docker");
    match Command::new(&program).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => Err(format!("docker --version: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("there is no docker CLI: {error}")),
    }
}

/// An interpreter that has the package: `LEAKSOAK_DOCKER_PY`, or `python3`.
fn interpreter() -> PathBuf {
    std::env::var_os("LEAKSOAK_DOCKER_PY").map_or_else(|| "python3".into(), PathBuf::from)
}

fn python() -> Result<(), String> {
    let interpreter = interpreter();
    match Command::new(&interpreter).args(["-c", "import docker; docker.DockerClient"]).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(_) => Err(format!("{} has no package `docker` (LEAKSOAK_DOCKER_PY names another)", interpreter.display())),
        Err(error) => Err(format!("{}: {error}", interpreter.display())),
    }
}

fn docker(s: &Session<'_>, arguments: &[&str]) -> Command {
    let mut command = Command::new(cli().unwrap());
    command
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{}", s.engine.socket.display()))
        // Nobody's settings.
        .env("DOCKER_CONFIG", "/nonexistent")
        .env_remove("DOCKER_CONTEXT")
        .env_remove("DOCKER_API_VERSION")
        .stdin(Stdio::null());
    command
}

/// Runs `docker`, asserts that it succeeds, and writes down what it printed.
fn cli_does(s: &mut Session<'_>, arguments: &[&str]) -> String {
    let output = docker(s, arguments).output().unwrap();
    saw_output(s, arguments, &output);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn saw_output(s: &mut Session<'_>, arguments: &[&str], output: &Output) {
    let words = arguments.join(" ");
    assert!(output.status.success(), "docker {words}: {}", String::from_utf8_lossy(&output.stderr));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    let words = s.aliases.text(&words);
    s.saw(&format!("docker {words}"), json!([text(&output.stdout), text(&output.stderr)]));
}

fn the_docker_cli_manages_containers(s: &mut Session<'_>) {
    let id = s.create("a", READY);
    s.create("b", READY);
    let (a, b, c) = (s.name("a"), s.name("b"), s.name("c"));
    cli_does(s, &["start", &a]);
    s.ready("a", 1);
    cli_does(s, &["pause", &a]);
    cli_does(s, &["unpause", &a]);
    cli_does(s, &["restart", "--time", "5", &a]);
    s.ready("a", 2);
    cli_does(s, &["rename", &b, &c]);
    cli_does(s, &["start", &a, &c]);
    s.ready("c", 1);
    let filter = format!("name={}", s.name(""));
    let listed =
        cli_does(s, &["ps", "--all", "--no-trunc", "--filter", &filter, "--format", "{{.ID}} {{.Names}} {{.State}}"]);
    assert!(listed.contains(&id), "{listed}");
    let table = docker(s, &["ps", "-a", "--filter", &filter]).output().unwrap();
    assert!(String::from_utf8_lossy(&table.stdout).contains(&a), "{table:?}");
    cli_does(
        s,
        &["inspect", "--format", "{{.Name}} {{.State.Status}} {{.Config.Cmd}} {{.HostConfig.LogConfig.Type}}", &a],
    );
    let whole = docker(s, &["inspect", &a]).output().unwrap();
    let whole: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!(whole[0]["Id"], id.as_str());
    cli_does(s, &["stop", "--time", "5", &a]);
    let mut waiting = docker(s, &["wait", &c]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    cli_does(s, &["kill", "--signal", "KILL", &c]);
    assert!(waiting.wait().unwrap().success());
    saw_output(s, &["wait", &c], &waiting.wait_with_output().unwrap());
    cli_does(s, &["wait", &a, &c]);
    cli_does(s, &["rm", &c]);
    cli_does(s, &["start", &a]);
    cli_does(s, &["rm", "-f", &a]);
    let gone = docker(s, &["inspect", &a]).output().unwrap();
    assert!(!gone.status.success());
}

fn the_docker_cli_reads_logs(s: &mut Session<'_>) {
    s.run("a", &["--burst", "8", "--every", "1h"]);
    s.has_lines("a", 8);
    let a = s.name("a");
    cli_does(s, &["logs", &a]);
    cli_does(s, &["logs", "--tail", "3", &a]);
    cli_does(s, &["logs", "--timestamps", "--tail", "2", &a]);
    cli_does(s, &["logs", "--since", "10m", &a]);
    cli_does(s, &["logs", "--until", "2001-01-01T00:00:00Z", &a]);
    cli_does(s, &["logs", "--details", "--tail", "1", &a]);
    let following = ["logs", "-f", "--tail", "5", "--since", "10m", &a];
    let mut follower = docker(s, &following).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It is there once it prints.
    let mut first = [0; 1];
    std::io::Read::read_exact(follower.stdout.as_mut().unwrap(), &mut first).unwrap();
    s.post(s.path("a/stop?t=5"));
    let mut output = follower.wait_with_output().unwrap();
    output.stdout.insert(0, first[0]);
    assert_eq!(output.stdout.split(|byte| *byte == b'\n').count() - 1, 6, "five lines and the final one");
    saw_output(s, &following, &output);
    s.run("b", &["--rate", "20/s", "--lines", "5", "--stderr-every", "2"]);
    s.post(s.path("b/wait"));
    let b = s.name("b");
    cli_does(s, &["logs", &b]);
}

fn the_docker_cli_watches(s: &mut Session<'_>) {
    let since = (leaksoak::clock::unix_ms() / 1_000).to_string();
    s.run_ready("a");
    let a = s.name("a");
    cli_does(s, &["stats", "--no-stream", "--format", "{{.Name}}", &a]);
    let whole = docker(s, &["stats", "--no-stream", &a]).output().unwrap();
    assert!(String::from_utf8_lossy(&whole.stdout).contains('%'), "{whole:?}");
    let top = docker(s, &["top", &a]).output().unwrap();
    assert!(String::from_utf8_lossy(&top.stdout).contains("workload --container a"), "{top:?}");
    s.post(s.path("a/stop?t=5"));
    let until = (leaksoak::clock::unix_ms() / 1_000 + 1).to_string();
    for time in [&since, &until] {
        s.aliases.add(time, "<time>");
    }
    let filter = format!("container={a}");
    let form = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}";
    let told = cli_does(
        s,
        &[
            "events",
            "--since",
            &since,
            "--until",
            &until,
            "--filter",
            &filter,
            "--filter",
            "type=container",
            "--format",
            form,
        ],
    );
    assert_eq!(told.lines().count(), 6, "create, start, top, kill, die, stop: {told}");
}

fn the_docker_cli_tells_of_the_engine(s: &mut Session<'_>) {
    cli_does(s, &["version", "--format", "{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}"]);
    let version = docker(s, &["version"]).output().unwrap();
    assert!(
        version.status.success() && String::from_utf8_lossy(&version.stdout).contains(&s.engine.version),
        "{version:?}"
    );
    cli_does(s, &["info", "--format", "{{.LoggingDriver}} {{.OSType}}"]);
    let info = docker(s, &["info"]).output().unwrap();
    assert!(info.status.success() && String::from_utf8_lossy(&info.stdout).contains("Server Version"), "{info:?}");
    let tag = s.engine.image().tag.clone();
    cli_does(s, &["images", "--format", "{{.Repository}}:{{.Tag}}", &tag]);
    cli_does(s, &["image", "inspect", "--format", "{{.RepoTags}} {{.Os}}", &tag]);
}

fn the_python_package_does_it_all(s: &mut Session<'_>) {
    let body = s.body("a", &["--burst", "8", "--every", "1h"]);
    let call = Call::new("POST", format!("/containers/create?name={}", s.name("a"))).json(&body);
    let id = s.quietly(&call).json()["Id"].as_str().unwrap().to_owned();
    s.knows(&id, "a");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/docker_client.py");
    let mut python = Command::new(interpreter())
        .arg(script)
        .env("DOCKER_HOST", format!("unix://{}", s.engine.socket.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = json!({ "name": s.name("a"), "other": s.name("b"), "image": s.engine.image().tag });
    python.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in printed.lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        s.saw(&format!("python: {}", step[0].as_str().unwrap()), step[1].clone());
    }
}
