//! Operations about events, timelines and notifications. Live updates are something else: `/api/v1/events`.

use super::Contract;
use super::operations::{delete, get, patch, post, put};
use crate::{
    ChangeTimelineEntry, ConnectionLifecycle, CreateWebhook, CreatedWebhook, DeviceStatus, Notification,
    NotificationQuery, Recipients, TemplateEvent, TemplateEventList, TemplateEventSettings, TimelineEntry,
    TimelineQuery, WebhookList, WriteTimelineText,
};

pub(super) fn add_all(contract: &mut Contract) {
    add_template_events(contract);
    add_recipients(contract);
    add_timeline(contract);
    add_notifications(contract);
}

fn add_template_events(contract: &mut Contract) {
    contract.add(
        get("/api/v1/templates/{id}/events", "list_template_events", "Lists the events of a template")
            .json::<TemplateEventList>("200", "By code."),
    );
    let one = "/api/v1/templates/{id}/events/{code}";
    contract.add(
        put(one, "put_template_event", "Sets up an event of a template")
            .body::<TemplateEventSettings>()
            .json::<TemplateEvent>("200", "Changed.")
            .json::<TemplateEvent>("201", "New."),
    );
    contract.add(
        delete(one, "delete_template_event", "Takes an event away from a template; timelines keep theirs")
            .empty("204", "There is none with the code now."),
    );
    let lifecycle = "/api/v1/templates/{id}/lifecycle";
    contract.add(
        get(lifecycle, "get_connection_lifecycle", "Gets the statuses of a template's devices")
            .json::<ConnectionLifecycle>("200", "The lifecycle."),
    );
    contract.add(
        put(lifecycle, "put_connection_lifecycle", "Sets the statuses of a template's devices")
            .body::<ConnectionLifecycle>()
            .json::<ConnectionLifecycle>("200", "Set."),
    );
}

fn add_recipients(contract: &mut Contract) {
    let recipients = "/api/v1/templates/{id}/recipients";
    contract.add(
        get(recipients, "get_recipients", "Says who gets a template's e-mails")
            .json::<Recipients>("200", "The addresses."),
    );
    contract.add(
        put(recipients, "put_recipients", "Sets who gets a template's e-mails")
            .body::<Recipients>()
            .json::<Recipients>("200", "Set."),
    );
    let webhooks = "/api/v1/templates/{id}/webhooks";
    contract.add(
        get(webhooks, "list_webhooks", "Lists the webhooks of a template")
            .json::<WebhookList>("200", "Oldest first."),
    );
    contract.add(
        post(webhooks, "create_webhook", "Adds a webhook to a template")
            .body::<CreateWebhook>()
            .json::<CreatedWebhook>("201", "Created; the secret is shown this once."),
    );
    contract.add(
        delete(
            "/api/v1/templates/{id}/webhooks/{webhook}",
            "delete_webhook",
            "Takes a webhook away, with what waits for it",
        )
        .empty("204", "There is none with the number now."),
    );
}

fn add_timeline(contract: &mut Contract) {
    let list = "/api/v1/devices/{id}/timeline";
    contract.add(
        get(list, "list_timeline", "Lists what happened to a device, newest first")
            .query::<TimelineQuery>()
            .page::<TimelineEntry>("One page."),
    );
    contract.add(
        post(list, "create_timeline_note", "Writes a note on the timeline of a device")
            .body::<WriteTimelineText>()
            .json::<TimelineEntry>("201", "Written."),
    );
    contract.add(
        patch(
            "/api/v1/devices/{id}/timeline/{entry}",
            "change_timeline_entry",
            "Resolves an entry, puts it away, or takes that back",
        )
        .body::<ChangeTimelineEntry>()
        .json::<TimelineEntry>("200", "The entry."),
    );
    contract.add(
        post(
            "/api/v1/devices/{id}/timeline/{entry}/comments",
            "create_timeline_comment",
            "Comments on an entry",
        )
        .body::<WriteTimelineText>()
        .json::<TimelineEntry>("201", "The entry with its comments."),
    );
    contract.add(
        get(
            "/api/v1/devices/{id}/status",
            "get_device_status",
            "Gets the status of a device by its template's connection lifecycle",
        )
        .json::<DeviceStatus>("200", "The status."),
    );
}

fn add_notifications(contract: &mut Contract) {
    contract.add(
        get(
            "/api/v1/notifications",
            "list_notifications",
            "Lists notifications that were given up or wait, newest first",
        )
        .query::<NotificationQuery>()
        .page::<Notification>("One page."),
    );
    contract.add(
        delete("/api/v1/notifications/{notification}", "delete_notification", "Forgets a notification")
            .empty("204", "It is gone."),
    );
    contract.add(
        post(
            "/api/v1/notifications/{notification}/retry",
            "retry_notification",
            "Tries a notification again at once, with all its attempts before it",
        )
        .json::<Notification>("202", "It is due."),
    );
}
