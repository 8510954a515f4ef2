//! The real program as a process: started, spoken to over real sockets, stopped and killed.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod curl;
#[cfg(test)]
mod device_client;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod hand_over;
#[cfg(test)]
mod manners;
#[cfg(test)]
mod mqtt_clients;
#[cfg(test)]
mod mqtt_topics;
#[cfg(test)]
#[path = "../../../device-linux/tests/network_manager/private_bus.rs"]
#[expect(
    dead_code,
    reason = "the mock of NetworkManager is shared with the tests of `device-linux`, which use more of it"
)]
mod private_bus;
#[cfg(test)]
mod process;
#[cfg(test)]
mod release_survives_restart;
#[cfg(test)]
mod rescue;
#[cfg(test)]
mod scanners;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod server;
#[cfg(test)]
mod start_failures;
#[cfg(test)]
mod story;
#[cfg(test)]
mod third_party_clients;
#[cfg(test)]
mod up;
