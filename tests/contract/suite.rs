//! The rules every event log keeps. Positions are counted from the head that a log starts with, so that logs with a
//! history can be asked too.

mod conflicts;
mod leases;
mod limits;
mod long;
mod order;
mod passes;
mod reading;
mod repeats;
mod restart;

pub(crate) use conflicts::*;
pub(crate) use leases::*;
pub(crate) use limits::*;
pub(crate) use long::*;
pub(crate) use order::*;
pub(crate) use passes::*;
pub(crate) use reading::*;
pub(crate) use repeats::*;
pub(crate) use restart::*;

/// Hands the names of all rules to a macro, after an argument of its own.
macro_rules! for_each_rule {
    ($then:ident, [$arg:expr]) => {
        $then! {
            [$arg]
            positions_are_dense_in_commit_order_under_many_writers,
            one_of_many_writers_at_the_same_version_wins,
            versions_are_dense_within_each_stream,
            a_batch_is_a_run_of_positions_in_the_order_of_its_writes,
            an_event_keeps_its_envelope_and_derived_id,
            a_stale_version_is_refused_with_the_actual_one,
            a_new_stream_is_at_version_zero,
            any_version_is_taken_when_none_is_required,
            a_later_write_sees_the_earlier_ones_of_its_batch,
            a_conflict_in_the_second_write_leaves_nothing_of_the_first,
            a_condition_without_events_is_judged,
            a_condition_stops_write_skew,
            a_batch_of_conditions_stands_at_the_head,
            a_repeated_request_is_answered_with_its_places,
            a_repeated_request_is_not_judged_again,
            a_key_of_another_request_is_refused,
            a_refused_batch_does_not_use_its_key,
            one_of_many_repetitions_at_once_records,
            a_recorded_request_is_recalled_by_its_key,
            the_version_of_a_stream_is_that_of_its_last_event,
            a_stream_is_read_from_any_version_with_a_limit,
            the_log_is_read_from_any_position_with_a_limit,
            those_who_read_beside_writers_meet_no_hole,
            streams_with_like_names_are_kept_apart,
            payloads_are_kept_byte_for_byte,
            the_head_wakes_those_who_watch,
            a_checkpoint_moves_from_where_it_is_only,
            one_of_many_owners_moves_a_checkpoint,
            one_holder_has_a_lease_at_a_time,
            a_lease_whose_time_is_over_passes_on,
            a_holder_of_an_earlier_term_appends_nothing,
            a_long_stream_is_read_from_any_version,
            more_writers_than_can_wait_are_all_answered,
            a_payload_above_the_bound_is_refused,
            names_above_the_bound_are_refused,
            a_batch_above_the_bound_is_refused,
            a_refusal_by_a_bound_records_nothing,
            a_batch_of_thousands_is_recorded_whole,
            a_replay_lends_what_reading_gives,
            events_of_another_log_are_taken_over_as_they_are,
            events_that_do_not_follow_are_not_taken_over,
            a_batch_of_conditions_does_not_use_its_key,
            a_reopened_log_goes_on_where_it_was,
            a_reopened_log_knows_its_requests_and_checkpoints,
            closing_and_opening_many_times_loses_nothing,
        }
    };
}
pub(crate) use for_each_rule;
