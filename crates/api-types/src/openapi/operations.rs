//! The table of operations, by resource.

use utoipa::openapi::Required;
use utoipa::openapi::path::HttpMethod;

use super::{Access, Contract, Described};
use crate::{
    AuditEntry, ChangeShipment, CommandDevice, CreateDevice, CreateProvisioningSession, CreateShipment,
    CreateTemplate, CreatedDevice, CreatedProvisioningSession, DatastreamList, DatastreamSettings, Delivery,
    Device, DeviceEvent, DeviceFileList, DeviceProperty, DevicePropertyList, DeviceQuery, ExportQuery,
    FirmwareImage, ForcedDelete, HandInReceipt, HistoryPoint, HistoryQuery, ImportedPoints, LaggedEvent,
    MetadataField, MetadataList, OwnerSession, PageQuery, PasswordSignIn, PropertyEvent, ProvisioningSession,
    RejectedEvent, Release, ReleaseEvent, ReleaseOrder, RenameDevice, ServerInfo, SessionEvent,
    SetDatastream, SetMetadata, SetPassword, SetProperty, Shipment, SignInLink, StatusEvent, StoredValue,
    StretchQuery, Template, TemplateDatastream, TemplateDatastreamList, TimelineEvent, UnknownToken,
    UpdateTemplate, UploadFirmware, ValueEvent,
};

pub(super) fn add_all(contract: &mut Contract) {
    add_access(contract);
    add_templates(contract);
    add_devices(contract);
    add_datastreams(contract);
    add_provisioning(contract);
    add_firmware(contract);
    add_observation(contract);
    add_health(contract);
    add_device_https(contract);
}

pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Described {
    Described::new(HttpMethod::Get, path, id, summary, Access::Owner).problem()
}

pub(super) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Described {
    Described::new(HttpMethod::Post, path, id, summary, Access::Owner).problem()
}

pub(super) fn put(path: &'static str, id: &'static str, summary: &'static str) -> Described {
    Described::new(HttpMethod::Put, path, id, summary, Access::Owner).problem()
}

pub(super) fn patch(path: &'static str, id: &'static str, summary: &'static str) -> Described {
    Described::new(HttpMethod::Patch, path, id, summary, Access::Owner).problem()
}

pub(super) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Described {
    Described::new(HttpMethod::Delete, path, id, summary, Access::Owner).problem()
}

fn open(method: HttpMethod, path: &'static str, id: &'static str, summary: &'static str) -> Described {
    Described::new(method, path, id, summary, Access::Open)
}

fn add_access(contract: &mut Contract) {
    let link = "/api/v1/auth/link";
    contract.add(
        open(HttpMethod::Post, link, "sign_in_with_link", "Signs in with a one-time code")
            .body::<SignInLink>()
            .empty("204", "Signed in; the session cookie is set.")
            .problem(),
    );
    let password = "/api/v1/auth/password";
    contract.add(
        open(HttpMethod::Post, password, "sign_in_with_password", "Signs in with the password")
            .body::<PasswordSignIn>()
            .empty("204", "Signed in; the session cookie is set.")
            .problem(),
    );
    contract.add(
        put(password, "set_password", "Sets the password and ends every other session")
            .body::<SetPassword>()
            .empty("204", "The password is set."),
    );
    let session = "/api/v1/auth/session";
    contract.add(
        get(session, "get_owner_session", "Says who is signed in")
            .json::<OwnerSession>("200", "Who is signed in."),
    );
    contract.add(delete(session, "sign_out", "Ends this session").empty("204", "The session has ended."));
}

fn add_templates(contract: &mut Contract) {
    let path = "/api/v1/templates";
    contract.add(
        get(path, "list_templates", "Lists templates, oldest first")
            .query::<PageQuery>()
            .page::<Template>("One page."),
    );
    contract.add(
        post(path, "create_template", "Creates a template")
            .body::<CreateTemplate>()
            .json::<Template>("201", "Created."),
    );
    contract.add(
        get("/api/v1/templates/{id}", "get_template", "Gets a template")
            .json::<Template>("200", "The template."),
    );
    contract.add(
        patch("/api/v1/templates/{id}", "update_template", "Changes a template; what is left out stays")
            .body::<UpdateTemplate>()
            .json::<Template>("200", "The template."),
    );
    contract.add(
        delete("/api/v1/templates/{id}", "delete_template", "Deletes a template that nothing uses")
            .empty("204", "It is gone, with its datastreams and events."),
    );
    contract.add(
        get(
            "/api/v1/templates/{id}/datastreams",
            "list_template_datastreams",
            "Lists the datastreams of a template",
        )
        .json::<TemplateDatastreamList>("200", "By pin."),
    );
    let datastream = "/api/v1/templates/{id}/datastreams/{pin}";
    contract.add(
        put(datastream, "put_template_datastream", "Sets up a pin of a template")
            .body::<DatastreamSettings>()
            .json::<TemplateDatastream>("200", "Changed.")
            .json::<TemplateDatastream>("201", "New."),
    );
    contract.add(
        delete(datastream, "delete_template_datastream", "Takes the datastream away from a pin; values stay")
            .empty("204", "There is none on the pin now."),
    );
}

fn add_devices(contract: &mut Contract) {
    let list = "/api/v1/devices";
    contract.add(
        get(list, "list_devices", "Lists devices, oldest first")
            .query::<PageQuery>()
            .page::<Device>("One page."),
    );
    contract.add(
        post(list, "create_device", "Creates a device with a static token")
            .body::<CreateDevice>()
            .json::<CreatedDevice>("201", "Created; the token is shown this once."),
    );
    let one = "/api/v1/devices/{id}";
    contract.add(get(one, "get_device", "Gets a device").json::<Device>("200", "The device."));
    contract.add(
        patch(one, "rename_device", "Renames a device")
            .body::<RenameDevice>()
            .json::<Device>("200", "The device."),
    );
    contract.add(
        delete(one, "delete_device", "Releases a device, or forgets it by force")
            .query::<DeviceQuery>()
            .json::<Release>("202", "Without force: the release that has begun.")
            .json::<ForcedDelete>("200", "With force and confirmation: what is left behind."),
    );
    contract.add(
        post("/api/v1/devices/{id}/commands", "command_device", "Tells a connected device to do something")
            .body::<CommandDevice>()
            .empty("204", "Sent."),
    );
    let release = "/api/v1/devices/{id}/release";
    contract.add(
        post(release, "create_release", "Releases a device")
            .json::<Release>("202", "The release, which goes on."),
    );
    contract.add(
        get(release, "get_release", "Says how far a release has come").json::<Release>("200", "The release."),
    );
    contract.add(
        get(
            "/api/v1/devices/{id}/release/order",
            "get_release_order",
            "Exports the signed order of a release",
        )
        .json::<ReleaseOrder>("200", "The order, as text, link and QR code."),
    );
    let receipt = "/api/v1/devices/{id}/release/receipt";
    contract.add(
        post(receipt, "hand_in_release_receipt", "Hands in the receipt of a release without a network")
            .body::<HandInReceipt>()
            .json::<Release>("200", "The release, now confirmed."),
    );
}

fn add_datastreams(contract: &mut Contract) {
    contract.add(
        get("/api/v1/devices/{id}/datastreams", "list_datastreams", "Lists the last values of a device")
            .json::<DatastreamList>("200", "Every pin that has a value."),
    );
    let one = "/api/v1/devices/{id}/datastreams/{pin}";
    contract.add(
        get(one, "get_datastream", "Gets the last value of a pin").json::<StoredValue>("200", "The value."),
    );
    contract.add(
        put(one, "set_datastream", "Writes a value to a pin and to the device")
            .body::<SetDatastream>()
            .json::<StoredValue>("200", "Stored."),
    );
    add_history(contract);
    add_device_data(contract);
}

fn add_history(contract: &mut Contract) {
    let of_pin = "/api/v1/devices/{id}/datastreams/{pin}/history";
    contract.add(
        get(of_pin, "list_history", "Lists the history of a pin, oldest first")
            .query::<HistoryQuery>()
            .page::<HistoryPoint>("One page."),
    );
    contract.add(
        delete(of_pin, "erase_pin_history", "Erases history of a pin; its last value stays")
            .query::<StretchQuery>()
            .empty("204", "Erased."),
    );
    contract.add(
        delete(
            "/api/v1/devices/{id}/history",
            "erase_history",
            "Erases history of every pin; last values stay",
        )
        .query::<StretchQuery>()
        .empty("204", "Erased."),
    );
    contract.add(
        post("/api/v1/devices/{id}/history", "import_history", "Imports history; all lines or none")
            .csv_body()
            .json::<ImportedPoints>("200", "Stored."),
    );
}

fn add_device_data(contract: &mut Contract) {
    contract.add(
        get("/api/v1/devices/{id}/export", "export_history", "Writes out the history of a device")
            .query::<ExportQuery>()
            .media("200", "text/csv", "Lines of time, pin, name and value; several values as a JSON list."),
    );
    let metadata = "/api/v1/devices/{id}/metadata";
    contract.add(
        get(metadata, "list_metadata", "Lists the metadata of a device")
            .json::<MetadataList>("200", "By number."),
    );
    contract.add(
        put("/api/v1/devices/{id}/metadata/{field}", "set_metadata", "Sets a metadata field")
            .body::<SetMetadata>()
            .json::<MetadataField>("200", "Stored."),
    );
    let properties = "/api/v1/devices/{id}/properties";
    contract.add(
        get(properties, "list_properties", "Lists how a device wants its datastreams shown")
            .json::<DevicePropertyList>("200", "By pin and name."),
    );
    contract.add(
        delete(properties, "reset_properties", "Forgets how a device wants its datastreams shown")
            .empty("204", "Forgotten."),
    );
    let property = "/api/v1/devices/{id}/datastreams/{pin}/properties/{property}";
    contract.add(
        put(property, "set_property", "Says how a datastream is to be shown")
            .body::<SetProperty>()
            .json::<DeviceProperty>("200", "Stored."),
    );
    contract.add(
        delete(property, "reset_property", "Forgets a property of a datastream")
            .empty("204", "It is not set now."),
    );
    contract.add(
        get("/api/v1/devices/{id}/files", "list_files", "Lists the files that a device sent")
            .json::<DeviceFileList>("200", "Newest first."),
    );
    contract.add(
        get("/api/v1/devices/{id}/files/{key}", "get_file", "Gets a file that a device sent").media(
            "200",
            "application/octet-stream",
            "Its content.",
        ),
    );
    contract.add(
        delete("/api/v1/devices/{id}/files/{key}", "delete_file", "Deletes a file that a device sent")
            .empty("204", "It is gone."),
    );
}

fn add_provisioning(contract: &mut Contract) {
    let list = "/api/v1/provisioning-sessions";
    contract.add(
        get(list, "list_provisioning_sessions", "Lists provisioning sessions, newest first")
            .query::<PageQuery>()
            .page::<ProvisioningSession>("One page."),
    );
    contract.add(
        post(list, "create_provisioning_session", "Opens a provisioning session")
            .body::<CreateProvisioningSession>()
            .json::<CreatedProvisioningSession>("201", "Opened; the token is shown this once."),
    );
    let one = "/api/v1/provisioning-sessions/{id}";
    contract.add(
        get(one, "get_provisioning_session", "Gets a provisioning session")
            .json::<ProvisioningSession>("200", "The session."),
    );
    contract.add(
        delete(one, "cancel_provisioning_session", "Cancels a provisioning session")
            .empty("204", "It is cancelled."),
    );
    contract.add(
        get(
            "/api/v1/unknown-tokens",
            "list_unknown_tokens",
            "Lists tokens that were tried and are unknown, latest first",
        )
        .query::<PageQuery>()
        .page::<UnknownToken>("One page; never the tokens themselves."),
    );
}

fn add_firmware(contract: &mut Contract) {
    let images = "/api/v1/firmware";
    contract.add(
        get(images, "list_firmware", "Lists firmware images, newest first")
            .query::<PageQuery>()
            .page::<FirmwareImage>("One page."),
    );
    contract.add(
        post(images, "upload_firmware", "Uploads a firmware image; the body is the file")
            .query::<UploadFirmware>()
            .file_body()
            .json::<FirmwareImage>("201", "Taken; type and version were read from its tag."),
    );
    let one = "/api/v1/firmware/{id}";
    contract
        .add(get(one, "get_firmware", "Gets a firmware image").json::<FirmwareImage>("200", "The image."));
    contract.add(
        delete(one, "delete_firmware", "Deletes a firmware image that no shipment names")
            .empty("204", "It is gone."),
    );
    let shipments = "/api/v1/shipments";
    contract.add(
        get(shipments, "list_shipments", "Lists firmware shipments, newest first")
            .query::<PageQuery>()
            .page::<Shipment>("One page."),
    );
    contract.add(
        post(shipments, "create_shipment", "Ships a firmware image to devices")
            .body::<CreateShipment>()
            .json::<Shipment>("201", "Made; it runs."),
    );
    let shipment = "/api/v1/shipments/{id}";
    contract.add(
        get(shipment, "get_shipment", "Gets a firmware shipment").json::<Shipment>("200", "The shipment."),
    );
    contract.add(
        patch(shipment, "change_shipment", "Pauses, resumes or cancels a firmware shipment")
            .body::<ChangeShipment>()
            .json::<Shipment>("200", "The shipment."),
    );
    contract.add(
        get("/api/v1/shipments/{id}/deliveries", "list_deliveries", "Lists the devices of a shipment")
            .query::<PageQuery>()
            .page::<Delivery>("One page."),
    );
    contract.add(
        open(
            HttpMethod::Get,
            "/static/fw/{shipment}/{file}",
            "download_firmware",
            "Where devices fetch their firmware",
        )
        .query_text("token", Required::True)
        .media("200", "application/octet-stream", "The file.")
        .media("206", "application/octet-stream", "The rest of the file.")
        .media("403", "text/plain", "The address is not valid (any more).")
        .media("404", "text/plain", "There is no such file.")
        .media("429", "text/plain", "Too many downloads on one day."),
    );
}

fn add_observation(contract: &mut Contract) {
    contract.add(
        get(
            "/api/v1/events",
            "watch_events",
            "Live updates as server-sent events: device, status, timeline, value, rejected, property, session, release, lagged",
        )
        .media("200", "text/event-stream", "The events; the data of each is JSON.")
        .mentions::<DeviceEvent>()
        .mentions::<ValueEvent>()
        .mentions::<RejectedEvent>()
        .mentions::<PropertyEvent>()
        .mentions::<SessionEvent>()
        .mentions::<ReleaseEvent>()
        .mentions::<StatusEvent>()
        .mentions::<TimelineEvent>()
        .mentions::<LaggedEvent>(),
    );
    contract.add(
        get("/api/v1/audit", "list_audit_entries", "Lists who did what, latest first")
            .query::<PageQuery>()
            .page::<AuditEntry>("One page."),
    );
    contract.add(
        get("/api/v1/server", "get_server", "Describes the server").json::<ServerInfo>("200", "The server."),
    );
}

fn add_health(contract: &mut Contract) {
    let plain = "text/plain";
    contract.add(
        open(HttpMethod::Get, "/healthz", "get_health", "Answers while the process runs")
            .media("200", plain, "It runs."),
    );
    contract.add(
        open(HttpMethod::Get, "/readyz", "get_readiness", "Says whether the database answers")
            .media("200", plain, "Ready.")
            .problem(),
    );
    contract.add(
        get("/metrics", "get_metrics", "Prometheus metrics; from this machine without a key")
            .also_open()
            .media("200", plain, "The metrics."),
    );
    contract.add(open(HttpMethod::Get, "/api/openapi.json", "get_openapi", "This document").media(
        "200",
        "application/json",
        "It.",
    ));
}

fn device_call(method: HttpMethod, path: &'static str, id: &'static str, summary: &'static str) -> Described {
    const ERROR: &str = "`{\"error\":{\"message\":\"...\"}}`";
    open(method, path, id, summary)
        .query_text("token", Required::True)
        .media("400", "application/json", ERROR)
        .media("429", "application/json", ERROR)
}

/// Calls that read: path, operation, what it does, media type of the answer.
const DEVICE_READS: [(&str, &str, &str, &str); 6] = [
    (
        "/external/api/get",
        "device_https_get",
        "Reads one pin (`&v1`, `pin=V1`, `dataStreamId=1`) or several (`&v1&v2`)",
        "application/json",
    ),
    ("/external/api/getAll", "device_https_get_all", "Reads every pin with a value", "application/json"),
    (
        "/external/api/isHardwareConnected",
        "device_https_is_connected",
        "Says whether the device is online",
        "application/json",
    ),
    (
        "/external/api/isAppConnected",
        "device_https_is_app_connected",
        "Says whether somebody watches live updates",
        "application/json",
    ),
    (
        "/external/api/device/meta",
        "device_https_get_metadata",
        "Reads a metadata field (`metaFieldId=1`, or its exact `metaFieldName`)",
        "text/plain",
    ),
    (
        "/external/api/data/get",
        "device_https_ask_for_report",
        "Asks for a report of history and answers with its link",
        "application/json",
    ),
];

/// Calls that change something and answer with an empty body: path, operation, what it does.
const DEVICE_WRITES: [(&str, &str, &str); 6] = [
    (
        "/external/api/update",
        "device_https_update",
        "Writes one pin (`v1=VALUE`, `pin=V1&value=VALUE`, `dataStreamId=1&value=VALUE`)",
    ),
    ("/external/api/batch/update", "device_https_batch_update", "Writes several pins (`v1=A&v2=B`)"),
    (
        "/external/api/update/property",
        "device_https_update_property",
        "Sets a property (`pin=V1&color=%23FF0000`)",
    ),
    (
        "/external/api/device/meta/update",
        "device_https_update_metadata",
        "Sets a metadata field (`metaFieldId=1&value=VALUE`)",
    ),
    (
        "/external/api/logEvent",
        "device_https_log_event",
        "Logs an event of the template (`code=CODE`, `description=TEXT`)",
    ),
    (
        "/external/api/provision",
        "device_https_provision",
        "Ends a set-up without the binary protocol (`templateId=TMPL...`)",
    ),
];

/// Blynk's Device HTTPS API; `docs/compatibility.md` has every parameter.
fn add_device_https(contract: &mut Contract) {
    const TEXT: &str = "text/plain";
    for (path, id, summary, media) in DEVICE_READS {
        let call = device_call(HttpMethod::Get, path, id, summary).media("200", media, "The answer.");
        contract.add(match path {
            // Source: reference/http-api.md 2, the errors of data/get.
            "/external/api/data/get" => call.media("500", "application/json", "There is no data."),
            _ => call,
        });
    }
    for (path, id, summary) in DEVICE_WRITES {
        contract.add(device_call(HttpMethod::Get, path, id, summary).empty("200", "Done."));
    }
    let post = HttpMethod::Post;
    contract.add(
        device_call(
            post.clone(),
            "/external/api/batch/update",
            "device_https_import",
            "Writes points with times of their own (`pin=V1`, a JSON list of Unix milliseconds and value)",
        )
        .media("200", TEXT, "`OK`"),
    );
    contract.add(
        device_call(
            post,
            "/external/api/upload",
            "device_https_upload",
            "Keeps a file (form field `upfile`); `type=DUMP` marks a crash dump",
        )
        .media("200", TEXT, "The address of the file; nothing for a dump."),
    );
    add_device_links(contract);
}

/// Addresses that the Device HTTPS API gives out.
fn add_device_links(contract: &mut Contract) {
    let bytes = "application/octet-stream";
    contract.add(
        open(
            HttpMethod::Get,
            "/device_uploads/{device}/{file}",
            "get_public_file",
            "Gets a file of a device",
        )
        .media("200", bytes, "Its content.")
        .problem(),
    );
    contract.add(
        open(HttpMethod::Get, "/device_reports/{file}", "get_report", "Gets a report of history")
            .media("200", "application/zip", "A ZIP file with `device_data.csv`.")
            .problem(),
    );
}
