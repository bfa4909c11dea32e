//! The contract of `ProjectionStore`, written once and run on every engine.
//!
//! A case is an async function of a [`Fixture`]; `projection_on!` makes each a test of an engine.
//! A case that is missing in the list is an unused function, which clippy refuses.

mod complete;
mod cql;
mod deletes;
mod fixture;
mod kept;
mod listing;
mod long;
mod order;
mod rows;

/// Runs every case on the store that `$open` (an async function) makes.
macro_rules! projection_on {
    ($engine:ident, $open:path) => {
        mod $engine {
            projection_on! { @cases $open:
                complete::a_gap_is_found_and_a_grave_fills_it,
                complete::a_header_below_its_turns_counts_its_own_numbers_only,
                complete::a_row_whose_parts_have_not_all_arrived_is_a_gap,
                complete::a_session_without_a_whole_header_is_not_there,
                complete::an_empty_session_is_complete,
                complete::values_that_a_feed_leaves_out_are_left_alone,
                deletes::a_deletion_in_the_past_hides_nothing_newer,
                deletes::a_grave_keeps_its_number_against_late_writes,
                deletes::a_purge_takes_every_bucket_and_a_rebirth_is_whole,
                deletes::a_session_that_moves_is_listed_under_its_new_account_only,
                deletes::single_steps_and_all_steps_go_and_the_prompt_stays,
                kept::a_store_that_answers_names_its_engine,
                kept::sessions_are_quarantined_and_freed,
                kept::the_last_watermark_that_was_set_is_told,
                listing::an_account_sees_no_session_of_another,
                listing::pages_go_over_months_newest_first,
                listing::sessions_of_one_instant_are_ordered_by_the_bytes_of_their_keys,
                long::a_history_of_ten_thousand_turns_comes_back_whole,
                long::long_bodies_are_left_out_and_said_to_be,
                long::many_long_bodies_are_applied_at_once,
                order::any_order_and_repetition_gives_the_same_state,
                rows::bodies_of_scattered_turns_are_found,
                rows::heads_have_no_content,
                rows::sessions_come_back_as_they_were_written,
                rows::steps_and_prompts_come_back_as_they_were_written,
                rows::turns_come_back_as_they_were_written,
                rows::what_is_not_there_is_left_out,
            }
        }
    };
    (@cases $open:path: $($file:ident::$case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$file::$case($open().await).await;
            }
        )*
    };
}

projection_on!(cassandra, super::cql::contract_fixture);
// The fake that the projector is tested with promises the same.
projection_on!(in_memory, super::fixture::in_memory);
