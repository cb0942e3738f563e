//! What the environment asks of a marathon: how many rounds, and which choices.

use std::env;

/// The rounds that `BISHUI_CRASH_ROUNDS` asks for.
pub fn rounds(otherwise: u64) -> u64 {
    number("BISHUI_CRASH_ROUNDS").unwrap_or(otherwise)
}

/// The seed that `BISHUI_CRASH_SEED` asks for: it repeats the choices of a run.
pub fn seed() -> u64 {
    number("BISHUI_CRASH_SEED").unwrap_or(20_260_305)
}

/// The number in a variable; none when it is not set.
///
/// # Panics
/// When it is set to something else.
pub fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}
