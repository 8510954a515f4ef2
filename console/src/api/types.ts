import type { components as BenchComponents } from "./bench";
import type { components as CloudComponents } from "./cloud";

type CloudSchemas = CloudComponents["schemas"];
type BenchSchemas = BenchComponents["schemas"];

export type OwnerSession = CloudSchemas["OwnerSession"];
export type Template = CloudSchemas["Template"];
export type Device = CloudSchemas["Device"];
export type Release = CloudSchemas["Release"];
export type ReleaseOrder = CloudSchemas["ReleaseOrder"];
export type Datastream = CloudSchemas["Datastream"];
export type TemplateDatastream = CloudSchemas["TemplateDatastream"];
export type DatastreamSettings = CloudSchemas["DatastreamSettings"];
export type DatastreamValue = Datastream["value"];
export type HistoryPoint = CloudSchemas["HistoryPoint"];
export type MetadataField = CloudSchemas["MetadataField"];
export type DeviceProperty = CloudSchemas["DeviceProperty"];
export type DeviceFile = CloudSchemas["DeviceFile"];
export type CreatedDevice = CloudSchemas["CreatedDevice"];
export type CreatedProvisioningSession = CloudSchemas["CreatedProvisioningSession"];
export type ProvisioningSession = CloudSchemas["ProvisioningSession"];
export type ProvisioningStep = CloudSchemas["ProvisioningStep"];
export type UnknownToken = CloudSchemas["UnknownToken"];
export type AuditEntry = CloudSchemas["AuditEntry"];
export type ServerInfo = CloudSchemas["ServerInfo"];

export type DeviceEvent = CloudSchemas["DeviceEvent"];
export type ValueEvent = CloudSchemas["ValueEvent"];
export type SessionEvent = CloudSchemas["SessionEvent"];
export type PropertyEvent = CloudSchemas["PropertyEvent"];
export type RejectedEvent = CloudSchemas["RejectedEvent"];
export type ReleaseEvent = CloudSchemas["ReleaseEvent"];

export type Place = BenchSchemas["PlaceBody"];
export type Network = Place["networks"][number];
export type Board = BenchSchemas["BoardBody"];
export type FlashSummary = BenchSchemas["FlashSummary"];

export type FirmwareImage = CloudSchemas["FirmwareImage"];
export type Shipment = CloudSchemas["Shipment"];
export type ShipmentState = CloudSchemas["ShipmentState"];
export type ShipmentCounts = CloudSchemas["ShipmentCounts"];
export type NewShipment = CloudSchemas["CreateShipment"];
export type ApplyRule = CloudSchemas["ApplyRule"];
export type Delivery = CloudSchemas["Delivery"];
export type DeliveryState = CloudSchemas["DeliveryState"];

export type TimelineEntry = CloudSchemas["TimelineEntry"];
export type TimelineEntryType = CloudSchemas["TimelineEntryType"];
export type TimelineEvent = CloudSchemas["TimelineEvent"];
export type LifecycleDeviceStatus = CloudSchemas["DeviceStatus"];
export type StatusEvent = CloudSchemas["StatusEvent"];
export type TemplateEvent = CloudSchemas["TemplateEvent"];
export type TemplateEventSettings = CloudSchemas["TemplateEventSettings"];
export type EventType = CloudSchemas["EventType"];
export type Notifying = CloudSchemas["Notifying"];
export type ConnectionLifecycle = CloudSchemas["ConnectionLifecycle"];
export type LifecycleStatus = CloudSchemas["LifecycleStatus"];
export type Webhook = CloudSchemas["Webhook"];
export type CreatedWebhook = CloudSchemas["CreatedWebhook"];
export type Notification = CloudSchemas["Notification"];
export type NotificationState = CloudSchemas["NotificationState"];
export type DeviceCommand = CloudSchemas["DeviceCommand"];
