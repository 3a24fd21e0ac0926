# Daily commands; `just` alone lists them.

default:
    @just --list

# A local network of four nodes; `just devnet --slots 20` ends by itself.
devnet *ARGS:
    cargo run --release -- devnet {{ARGS}}

# Devnets of 64 to 4,096 validators, one after the other, and a table of what each took.
scale *ARGS:
    cargo run --release -- devnet scale {{ARGS}}

# Two nodes of ours and one of each other client, for 100 slots. Their programs have to be in PATH, or said with --with-binary.
interop *ARGS:
    cargo run --release -- devnet --nodes 2 --with ream:1 --with ethlambda:1 --slots 100 {{ARGS}}

# Every test, or those of the packages that are named by `-p`.
test *ARGS:
    cargo test --release {{ if ARGS =~ '(^| )-p ' { '' } else { '--workspace' } }} {{ARGS}}

# The reference vectors alone, with a summary per kind: of the archive, or of the directory in LEAN_VECTORS.
vectors:
    cargo test --release -p quartet-spec-tests -- --nocapture --test-threads=1

# What CI runs.
ci:
    .ci/run

# Licences, sources and bans of dependencies.
deny:
    .ci/deny

# 64-bit ARM: every crate checked, the signature scheme's tests run under qemu.
arm:
    .ci/arm

# The node's page in a real browser.
page:
    .ci/page

# The manual pages in docs/man, written anew.
man:
    QUARTET_WRITE_MAN=1 cargo test --release -p quartet --bin quartet man::

# A violation of each invariant, planted and taken back: a line for each, and whether it was noticed.
plant:
    testing/plant

# Format, then lint as CI does.
tidy:
    cargo fmt --all
    cargo clippy --release --workspace --all-targets -- -D warnings

# All benchmarks, each beside its baseline, or those of the packages that are named by `-p`.
bench *ARGS:
    cargo bench {{ if ARGS =~ '(^| )-p ' { '' } else { '--workspace' } }} {{ARGS}}

# A seeded run of whole nodes in one process.
simulate *ARGS:
    cargo run --release -p quartet-simulation -- {{ARGS}}

# Random faults and adversaries: `just fuzz --seeds 0..2000`, or `--seed 17` for one in detail.
fuzz *ARGS:
    cargo run --release -p quartet-simulation -- fuzz {{ARGS}}

# State transition and fork choice against the specification's transcription: `just differential --blocks 1000000 --seed 7`.
differential *ARGS:
    cargo run --release -p quartet-differential -- {{ARGS}}

# Bytes from peers, files and users: each fuzz target for some seconds, or `just fuzz-target gossip` until something is found.
fuzz-targets SECONDS='15':
    FUZZ_SECONDS={{SECONDS}} .ci/fuzz

# One fuzz target, by cargo-fuzz (`cargo install cargo-fuzz`), with everything instrumented.
fuzz-target TARGET *ARGS:
    cargo fuzz run --fuzz-dir testing/fuzz -s none {{TARGET}} {{ARGS}}

# How fast a node catches up with a long chain: `just catch-up --delay 50`.
catch-up *ARGS:
    cargo run --release -p quartet-catch-up -- {{ARGS}}

# Attacks on a devnet of real processes; `just hostile list` names them.
hostile *ARGS:
    cargo run --release -p quartet-hostile -- {{ARGS}}
