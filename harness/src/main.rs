//! `leaksoak`: settles, with evidence, whether a container-log agent leaks.

use std::process::ExitCode;

fn main() -> ExitCode {
    leaksoak::cli::main()
}
