//! The server: one listener for all protocols, gateway, routes, jobs.
