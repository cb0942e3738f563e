//! The pause between two attempts to send a mail: the same for the same mail and attempt, spread between mails.

use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

const FIRST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(4);

/// The pause after the failed attempt number `attempt` (from 1) of the mail `seed`.
///
/// One minute, doubled with every attempt up to four hours, then up to a fifth less or more. The share is a hash of
/// `seed` and `attempt`, so a restart computes the same time and mails deferred together do not return together.
///
/// ```
/// # use bishui_infra::mail::retry_delay;
/// # use uuid::Uuid;
/// let pause = retry_delay(1, Uuid::nil());
/// assert!((48..=72).contains(&pause.as_secs()));
/// ```
pub fn retry_delay(attempt: u32, seed: Uuid) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let plain = (FIRST * 2_u32.pow(doublings)).min(LONGEST);
    let digest = Sha256::new().chain_update(seed.as_bytes()).chain_update(attempt.to_be_bytes()).finalize();
    let drawn = u32::from(u16::from_be_bytes([digest[0], digest[1]]));
    let per_mille = 800 + drawn % 401;
    plain * per_mille / 1000
}

#[cfg(test)]
mod tests {
    use bishui_domain::delivery::ATTEMPTS_MAX;

    use super::*;

    const SEEDS: u128 = 200;

    fn bounds(attempt: u32) -> (Duration, Duration) {
        let delays = (0..SEEDS).map(|seed| retry_delay(attempt, Uuid::from_u128(seed)));
        (delays.clone().min().expect("seeds"), delays.max().expect("seeds"))
    }

    #[test]
    fn pauses_double_from_a_minute_to_four_hours_within_a_fifth() {
        for (attempt, minutes) in [(1, 1), (2, 2), (3, 4), (8, 128), (9, 240), (26, 240), (u32::MAX, 240)] {
            let plain = Duration::from_mins(minutes);
            let (least, most) = bounds(attempt);
            assert!(least >= plain * 4 / 5 && most <= plain * 6 / 5, "attempt {attempt}: {least:?} to {most:?}");
            assert!(least < plain * 9 / 10 && most > plain * 11 / 10, "attempt {attempt} is not spread");
        }
    }

    #[test]
    fn a_pause_depends_on_the_mail_and_the_attempt_only() {
        let seed = Uuid::from_u128(7);
        assert_eq!(retry_delay(3, seed), retry_delay(3, seed));
        assert_ne!(retry_delay(9, seed), retry_delay(10, seed));
        assert_ne!(retry_delay(9, seed), retry_delay(9, Uuid::from_u128(8)));
        assert_eq!(retry_delay(0, seed).as_secs() / 100, 0, "an attempt 0 is treated like the first");
    }

    #[test]
    fn all_attempts_cover_about_three_days() {
        let total: Duration = (1..ATTEMPTS_MAX).map(|attempt| retry_delay(attempt, Uuid::from_u128(1))).sum();
        let days = total.as_secs() / 3600;
        assert!((58..=87).contains(&days), "{days} hours");
    }
}
