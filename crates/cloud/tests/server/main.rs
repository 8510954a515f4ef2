//! The real server on port 0 with a data folder of its own, spoken to over real sockets.

#[cfg(test)]
mod access;
#[cfg(test)]
mod acme;
#[cfg(test)]
mod bench_routes;
#[cfg(test)]
mod claim_codes;
#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod datastreams;
#[cfg(test)]
mod device_client;
#[cfg(test)]
mod device_https;
#[cfg(test)]
mod events;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod history;
#[cfg(test)]
mod hook_listener;
#[cfg(test)]
mod hostile_input;
#[cfg(test)]
mod http_client;
#[cfg(test)]
mod live_updates;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod offline_release;
#[cfg(test)]
mod provisioning;
#[cfg(test)]
mod release;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod safety;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod shipments;
#[cfg(test)]
mod signed_release;
#[cfg(test)]
mod start;
#[cfg(test)]
mod store_faults;
#[cfg(test)]
mod tls;
