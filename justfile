# The commands of this project. `just` alone lists them.

set positional-arguments

_default:
    @just --list --unsorted

# One minute, fast rotation: does it work here, and can it tell a leak?
smoke *args:
    cargo run --release --locked -- run smoke "$@"

# The 30-minute comparison
soak *args:
    cargo run --release --locked -- run soak-30m "$@"

# Two days
nightly *args:
    cargo run --release --locked -- run nightly-48h "$@"

# Make the reports of a run directory again
report dir:
    cargo run --release --locked -- report "$1"

# Every test; those that need an engine say so and are skipped where none answers
test *args:
    cargo test --workspace --locked "$@"

# How often does the verdict err? Prints the tables of docs/statistics.md and draws its plots; some minutes
calibrate *args:
    cargo run --release --locked -p leaksoak-reports --example calibrate -- --plots docs/statistics "$@"

# Format and lints, warnings refused
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# A scenario of one's own: is it right, and what would it run?
check scenario:
    cargo run --release --locked -- check "$1"

# What the CI runs, from start to end
ci:
    .ci/run
