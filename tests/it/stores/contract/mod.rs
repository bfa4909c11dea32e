//! The contract of `RecordStore`, written once and run on every engine.
//!
//! A case is an async function of a [`Fixture`]; `contract_on!` makes each a test of an engine.
//! A case that is missing in the list is an unused function, which clippy refuses.

mod bodies;
mod fixture;
mod judgements;
mod listing;
mod paging;
mod search;
mod sessions;
mod transactions;
mod turns;

pub(crate) use fixture::{Engine, Fixture};

/// Runs every case on the store that `$open` (an async function) makes.
macro_rules! contract_on {
    ($engine:ident, $open:path) => {
        mod $engine {
            contract_on! { @cases $open:
                bodies::contents_of_a_mebibyte_and_of_odd_characters_come_back_as_they_were,
                bodies::prompts_and_steps_are_found_by_key_and_the_rest_is_left_out,
                bodies::a_step_is_replaced_and_a_missing_one_reported,
                bodies::an_index_that_a_turn_has_is_a_conflict,
                judgements::an_idempotency_key_belongs_to_one_account,
                judgements::metadata_is_set_and_replaced,
                judgements::scores_of_each_kind_come_back_and_are_never_overwritten,
                listing::each_filter_holds_alone,
                listing::filters_hold_together_and_in_counts,
                listing::titles_match_without_case_in_every_script,
                paging::pages_follow_the_keyset_in_every_order_and_direction,
                paging::ties_are_broken_by_the_bytes_of_keys,
                search::hits_are_paged_newest_first,
                search::only_living_sessions_of_the_account_are_searched,
                search::words_match_without_case_in_prompts_and_text_steps,
                sessions::a_foreign_session_and_a_missing_one_cannot_be_told_apart,
                sessions::a_patch_changes_only_what_it_names,
                sessions::a_purged_key_comes_back_with_a_higher_version,
                sessions::a_session_comes_back_as_it_was_inserted,
                sessions::a_taken_key_is_refused_whosever_it_is,
                sessions::the_next_number_never_falls,
                sessions::versions_grow_also_when_the_clock_goes_back,
                transactions::a_commit_is_seen_by_every_reader,
                transactions::a_dropped_transaction_leaves_nothing,
                transactions::a_second_holder_of_an_idempotency_key_waits_and_conflicts,
                transactions::positions_never_fall,
                transactions::the_store_is_healthy_and_closes,
                transactions::writers_of_one_session_take_turns,
                turns::a_claimed_key_is_given_to_one_turn_of_either_kind,
                turns::a_foreign_change_of_another_column_is_kept,
                turns::a_turn_comes_back_as_it_was_inserted,
                turns::claims_in_any_order_do_not_wait_for_each_other,
                turns::keys_and_numbers_are_taken_once,
                turns::progress_keeps_what_it_does_not_name,
                turns::ten_thousand_turns_are_inserted_and_read_in_order,
                turns::turns_are_found_by_session_and_by_key_of_their_account_only,
                turns::votes_and_deletions_are_patched_and_versions_grow,
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

contract_on!(postgres, crate::support::postgres::contract_fixture);
contract_on!(sqlite, crate::support::sqlite::contract_fixture);
