//! The contract of the event log: one suite, run on every store, and proof that a store that does nothing fails it.
#![expect(clippy::unwrap_used, reason = "an unexpected answer of a log is a failure of the test")]

mod blocks;
mod build;
mod database;
mod do_nothing;
mod embedded;
mod face;
mod fixture;
mod held;
mod overlay;
mod servers;
mod suite;

use fixture::{DoingNothing, Fixture, Forgetting, InMemory, OnPostgres, OnSled, Overlaid};
use suite::for_each_rule;

/// One test per rule of the suite, on the logs of a fixture.
macro_rules! contract {
    ([$fixture:expr] $($rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                suite::$rule(&$fixture).await;
            }
        )*
    };
}

mod memory_log {
    use super::*;
    for_each_rule!(contract, [InMemory]);
}

mod sled_log {
    use super::*;
    for_each_rule!(contract, [OnSled::default()]);
}

mod postgres_log {
    use super::*;
    for_each_rule!(contract, [OnPostgres::default()]);
}

mod overlay_log {
    use super::*;
    for_each_rule!(contract, [Overlaid::over_nothing()]);
}

mod overlay_log_with_history {
    use super::*;
    for_each_rule!(contract, [Overlaid::over_history().await]);
}

/// The rules that the logs of a fixture pass, and those that they fail.
macro_rules! judged {
    ([$fixture:expr] $($rule:ident),* $(,)?) => {{
        let (mut passed, mut failed) = (Vec::new(), Vec::new());
        $(
            // A panic of the rule ends the thread that it has for itself.
            let rule = std::thread::spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(suite::$rule(&$fixture));
            });
            let list = if rule.join().is_ok() { &mut passed } else { &mut failed };
            list.push(stringify!($rule));
        )*
        (passed, failed)
    }};
}

#[test]
fn a_log_that_does_nothing_fails_every_rule() {
    let (passed, _): (Vec<&str>, Vec<&str>) = for_each_rule!(judged, [DoingNothing]);
    assert_eq!(passed, Vec::<&str>::new());
}

#[test]
fn a_log_that_forgets_when_it_is_closed_fails_the_rules_of_restart_only() {
    let (_, failed): (Vec<&str>, Vec<&str>) = for_each_rule!(judged, [Forgetting]);
    assert_eq!(failed, suite::RULES_OF_RESTART);
}
