//! Setting up devices over real sockets: against our own portal in its three dialects, and against scripted answers.

#[cfg(test)]
mod fake_portal;
#[cfg(test)]
mod portals;
#[cfg(test)]
mod scripted_servers;
