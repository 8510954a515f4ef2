//! Every address the server listens on: bound here, or handed over by a service manager.

use std::io;
use std::net::{SocketAddr, TcpListener as PassedListener};

use tokio::net::TcpListener;
use tracing::info;

use super::StartServerError;
use crate::app::Addresses;
use crate::config::Config;
use crate::listener::{Transport, bind};

/// Every bound address.
pub(super) struct Listening {
    pub(super) plain_addr: SocketAddr,
    pub(super) tls_addr: SocketAddr,
    pub(super) listeners: Vec<(TcpListener, Transport)>,
}

impl Listening {
    /// Where devices find the server.
    pub(super) fn addresses_for_devices(&self, config: &Config) -> Addresses {
        Addresses {
            host: config.host_for_devices(),
            plain_port: self.plain_addr.port(),
            tls_port: self.tls_addr.port(),
        }
    }

    /// Listens on every configured address, on the passed socket where there is one for it.
    pub(super) fn bind(config: &Config, passed: Vec<PassedListener>) -> Result<Self, StartServerError> {
        let mut passed = Passed::new(passed)?;
        let (plain, plain_addr) = passed.take_or_bind(config.listen)?;
        let (tls, tls_addr) = passed.take_or_bind(config.listen_tls)?;
        let mut listeners = vec![(plain, Transport::Plain), (tls, Transport::Tls)];
        for address in &config.listen_extra {
            listeners.push((passed.take_or_bind(*address)?.0, Transport::Plain));
        }
        for address in &config.listen_tls_extra {
            listeners.push((passed.take_or_bind(*address)?.0, Transport::Tls));
        }
        // Whoever connects to a socket that nobody serves would wait for ever.
        match passed.0.into_iter().next() {
            Some((address, _)) => Err(StartServerError::UnexpectedSocket { address }),
            None => Ok(Self { plain_addr, tls_addr, listeners }),
        }
    }
}

/// The sockets that were passed and not taken yet.
struct Passed(Vec<(SocketAddr, PassedListener)>);

impl Passed {
    fn new(passed: Vec<PassedListener>) -> Result<Self, StartServerError> {
        let unusable = |source| StartServerError::PassedSocket { source };
        let with_address = |listener: PassedListener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        Ok(Self(passed.into_iter().map(with_address).collect::<io::Result<_>>().map_err(unusable)?))
    }

    fn take_or_bind(&mut self, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartServerError> {
        let Some(index) = self.0.iter().position(|(bound, _)| *bound == address) else {
            return bind_one(address);
        };
        let (bound, listener) = self.0.swap_remove(index);
        info!(%address, "the socket on {address} was handed over by the service manager");
        let listener =
            TcpListener::from_std(listener).map_err(|source| StartServerError::PassedSocket { source })?;
        Ok((listener, bound))
    }
}

fn bind_one(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartServerError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartServerError::AddressInUse { address },
        io::ErrorKind::PermissionDenied => StartServerError::NotPermitted { address },
        _ => StartServerError::Listen { address, source },
    };
    let listener = bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed() -> (PassedListener, SocketAddr) {
        let listener = PassedListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn config() -> Config {
        let any = ([127, 0, 0, 1], 0).into();
        Config { listen: any, listen_tls: any, ..Config::default() }
    }

    #[tokio::test]
    async fn a_passed_socket_takes_the_place_of_its_address_and_the_others_are_bound() {
        let (first, first_addr) = passed();
        let (second, second_addr) = passed();
        let config = Config { listen_tls: first_addr, listen_extra: vec![second_addr], ..config() };
        // While the sockets are open, nobody else could bind their addresses.
        let listening = Listening::bind(&config, vec![second, first]).unwrap();
        assert_eq!(listening.tls_addr, first_addr);
        assert_ne!(listening.plain_addr.port(), 0);
        let bound: Vec<_> =
            listening.listeners.iter().map(|(listener, _)| listener.local_addr().unwrap()).collect();
        assert_eq!(bound, [listening.plain_addr, first_addr, second_addr]);
        assert_eq!(listening.listeners[2].1, Transport::Plain);
    }

    #[tokio::test]
    async fn a_passed_socket_that_nobody_asked_for_is_named() {
        let (stray, stray_addr) = passed();
        let refused = Listening::bind(&config(), vec![stray]).err().unwrap();
        assert!(matches!(refused, StartServerError::UnexpectedSocket { address } if address == stray_addr));
    }
}
