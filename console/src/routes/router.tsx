import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";

import { asText } from "../logic/searchText";
import { Frame } from "./Frame";
import { NotFoundPage } from "./NotFoundPage";

const root = createRootRoute({ component: Frame, notFoundComponent: NotFoundPage });

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/devices", replace: true });
  },
});

const devices = createRoute({
  getParentRoute: () => root,
  path: "/devices",
  component: lazyRouteComponent(() => import("./DevicesPage"), "DevicesPage"),
});

const device = createRoute({
  getParentRoute: () => root,
  path: "/devices/$deviceId",
  component: lazyRouteComponent(() => import("./DevicePage"), "DevicePage"),
});

const templates = createRoute({
  getParentRoute: () => root,
  path: "/templates",
  component: lazyRouteComponent(() => import("./TemplatesPage"), "TemplatesPage"),
});

const template = createRoute({
  getParentRoute: () => root,
  path: "/templates/$templateId",
  component: lazyRouteComponent(() => import("./TemplatePage"), "TemplatePage"),
});

const firmware = createRoute({
  getParentRoute: () => root,
  path: "/firmware",
  component: lazyRouteComponent(() => import("./FirmwarePage"), "FirmwarePage"),
});

const shipment = createRoute({
  getParentRoute: () => root,
  path: "/firmware/shipments/$shipmentId",
  component: lazyRouteComponent(() => import("./ShipmentPage"), "ShipmentPage"),
});

const add = createRoute({
  getParentRoute: () => root,
  path: "/add",
  component: lazyRouteComponent(() => import("./AddDevicePage"), "AddDevicePage"),
});

const sessions = createRoute({
  getParentRoute: () => root,
  path: "/sessions",
  component: lazyRouteComponent(() => import("./SessionsPage"), "SessionsPage"),
});

const session = createRoute({
  getParentRoute: () => root,
  path: "/sessions/$sessionId",
  component: lazyRouteComponent(() => import("./SessionPage"), "SessionPage"),
});

const unknownTokens = createRoute({
  getParentRoute: () => root,
  path: "/unknown-tokens",
  component: lazyRouteComponent(() => import("./UnknownTokensPage"), "UnknownTokensPage"),
});

const notifications = createRoute({
  getParentRoute: () => root,
  path: "/notifications",
  component: lazyRouteComponent(() => import("./NotificationsPage"), "NotificationsPage"),
});

const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  component: lazyRouteComponent(() => import("./AuditPage"), "AuditPage"),
});

const server = createRoute({
  getParentRoute: () => root,
  path: "/server",
  component: lazyRouteComponent(() => import("./ServerPage"), "ServerPage"),
});

const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("./SettingsPage"), "SettingsPage"),
});

const bench = createRoute({
  getParentRoute: () => root,
  path: "/bench",
  validateSearch: (search: Record<string, unknown>): { board?: string } => ({ board: asText(search.board) }),
  component: lazyRouteComponent(() => import("./BenchPage"), "BenchPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    devices,
    device,
    templates,
    template,
    firmware,
    shipment,
    add,
    sessions,
    session,
    unknownTokens,
    notifications,
    audit,
    server,
    settings,
    bench,
  ]),
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
