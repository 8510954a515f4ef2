//! What every storage backend must do. A further backend adds one line at the end of this file: a name and a type that
//! implements [`backend::Backend`].

#[cfg(test)]
mod backend;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod datastreams;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod events;
#[cfg(test)]
mod model;
#[cfg(test)]
mod provisioning;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod shipments;
#[cfg(test)]
mod statuses;
#[cfg(test)]
mod templates;

#[cfg(test)]
macro_rules! conformance {
    ($name:ident, $backend:ty, { $($module:ident: $($test:ident)*;)* }) => {
        mod $name {
            $(mod $module {
                $(#[tokio::test]
                async fn $test() {
                    crate::$module::$test::<$backend>(&crate::backend::Backend::new()).await;
                })*
            })*
        }
    };
}

#[cfg(test)]
macro_rules! conformance_of {
    ($name:ident, $backend:ty) => {
        conformance!($name, $backend, {
            devices:
                a_new_device_is_reserved_and_its_token_is_known
                a_device_of_an_unknown_template_is_refused
                the_first_login_makes_a_reserved_device_owned
                what_a_device_says_about_itself_is_kept
                a_device_cannot_fill_the_disk_with_metadata
                pages_show_every_device_once
                values_are_the_last_written_and_outlive_a_restart
                values_are_refused_for_another_epoch
                one_refused_write_does_not_harm_the_writes_beside_it
                time_of_last_contact_never_goes_back;
            datastreams:
                every_setting_of_a_datastream_outlives_a_restart
                a_datastream_that_is_set_up_again_keeps_its_number
                names_and_aliases_of_a_template_are_unique
                properties_belong_to_an_ownership_and_end_with_it
                a_pin_keeps_a_bounded_number_of_properties
                the_newest_files_are_kept_and_a_name_is_there_once
                metadata_fields_have_numbers_that_stay
                reports_are_few_and_end_with_their_time_and_ownership;
            releases:
                a_release_ends_data_access_and_keeps_the_token_as_a_tombstone
                a_release_that_was_asked_for_twice_is_one_release
                a_tombstone_outlives_a_restart_in_every_state
                the_ownership_follows_the_release
                a_forced_delete_leaves_a_refused_token_and_an_audit_line;
            provisioning:
                a_claim_turns_the_session_token_into_the_device_token
                a_session_is_claimed_once
                a_late_claim_is_refused_and_its_token_is_never_answered_with_9
                a_cancelled_session_cannot_be_claimed
                sessions_past_their_time_are_swept
                steps_are_shown_in_order_and_bounded;
            claims:
                a_code_is_worth_its_session_token_for_the_first_device_until_it_logs_in
                a_code_ends_with_its_session
                a_session_whose_code_is_taken_has_none
                the_same_board_keeps_its_record_and_shows_nothing_of_its_earlier_owner
                a_proven_wipe_of_an_earlier_ownership_stays_proven
                an_owned_board_is_refused_where_its_template_is_locked
                a_board_that_was_locked_after_its_exchange_is_refused_at_the_claim
                an_open_template_lets_an_owned_board_go_and_says_so
                a_board_that_claimed_by_a_token_gets_its_older_record_back
                no_key_is_given_or_shown_for_an_epoch_that_was_not_recorded
                the_keys_of_the_next_ownership_begin_above_every_earlier_one;
            requests:
                the_same_request_gets_the_same_answer_for_a_day
                a_request_cut_off_by_a_crash_can_be_repeated
                a_sign_in_code_works_once_and_in_time
                a_console_session_ends_when_it_is_deleted_or_its_time_has_come
                a_new_password_ends_all_other_sessions
                unknown_tokens_are_counted_by_fingerprint
                the_audit_is_read_newest_first;
            shipments:
                an_image_is_kept_while_a_shipment_names_it
                a_shipment_names_only_devices_of_its_template
                canaries_come_first_and_then_everyone
                a_failing_canary_stops_the_shipment
                a_paused_shipment_waits_and_a_cancelled_one_is_over
                an_open_ended_shipment_reaches_devices_that_come_later
                a_delivery_is_kept_whole;
            events:
                what_a_template_says_about_events_outlives_a_restart
                a_template_has_a_bounded_number_of_events_and_webhooks
                a_timeline_belongs_to_an_ownership_and_ends_with_it
                a_timeline_is_read_newest_first_and_is_bounded
                entries_are_resolved_archived_and_commented
                quotas_of_events_outlive_a_restart
                a_notification_waits_until_it_is_delivered_or_given_up;
            statuses:
                a_batch_of_statuses_is_stored_with_what_is_told
                changes_of_status_have_a_quota_of_their_own;
            templates:
                a_renamed_template_keeps_its_identifier
                a_template_goes_with_everything_of_its_own_once_nothing_uses_it
                a_template_that_a_shipment_names_stays
                a_token_of_a_deleted_template_is_never_answered_with_9;
            model:
                the_store_agrees_with_a_map;
        });
    };
}

#[cfg(test)]
conformance_of!(sqlite, crate::backend::SqliteFolder);
