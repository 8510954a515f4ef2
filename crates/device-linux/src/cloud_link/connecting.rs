//! From the addresses of a name to one TCP connection, as RFC 8305 ("Happy Eyeballs") asks.
//!
//! A network whose IPv6 leads nowhere swallows connections without an answer. One address after the other would spend
//! the whole time on the first.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

/// Wait before the next address is tried as well. Source: RFC 8305, section 5, "Connection Attempt Delay".
const NEXT_ADDRESS_WAIT: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried; a server far larger than ours has no more.
const ADDRESS_COUNT_MAX: usize = 16;

/// Returns the first connection that comes up. An address that does not answer delays the next one by
/// [`NEXT_ADDRESS_WAIT`], one that refuses not at all; all stay in the race.
///
/// # Errors
/// The last failure, when every address failed.
///
/// # Cancel safety
/// Dropping the future gives up all attempts.
pub(super) async fn connect_first<T, C: Future<Output = io::Result<T>>>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> C,
) -> io::Result<T> {
    let mut waiting = take_turns(addresses);
    let mut running = FuturesUnordered::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.pop_front() {
            running.push(connect(address));
        }
        let ended = if waiting.is_empty() {
            running.next().await
        } else {
            match tokio::time::timeout(NEXT_ADDRESS_WAIT, running.next()).await {
                Ok(ended) => ended,
                Err(_elapsed) => continue,
            }
        };
        match ended {
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(error)) => failure = error,
            None => return Err(failure),
        }
    }
}

/// Puts the addresses of both families in turn, the family of the first one first. Source: RFC 8305, section 4.
fn take_turns(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses = addresses.into_iter().take(ADDRESS_COUNT_MAX).peekable();
    let is_first_v6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.partition(|address| address.is_ipv6() == is_first_v6);
    let mut in_turn = VecDeque::new();
    while !first.is_empty() || !second.is_empty() {
        in_turn.extend(first.pop_front());
        in_turn.extend(second.pop_front());
    }
    in_turn
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tokio::time::Instant;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_families_take_turns_and_the_systems_first_choice_stays_first() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1"]);
        let expected = addresses(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "[::3]:1"]);
        assert_eq!(take_turns(given), expected);
        let given = addresses(&["10.0.0.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(take_turns(given), addresses(&["10.0.0.1:1", "[::1]:1", "[::2]:1"]));
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_silent_ipv6_addresses_costs_a_quarter_of_a_second() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"]);
        let began = Instant::now();
        let connected =
            connect_first(
                given,
                async |address: SocketAddr| {
                    if address.is_ipv6() { std::future::pending().await } else { Ok(address) }
                },
            )
            .await;
        assert_eq!(connected.unwrap(), addresses(&["10.0.0.1:1"])[0]);
        assert_eq!(began.elapsed(), NEXT_ADDRESS_WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_costs_nothing_and_a_slow_answer_still_counts() {
        let tried = RefCell::new(Vec::new());
        let given = addresses(&["[::1]:1", "10.0.0.1:1", "10.0.0.2:1"]);
        let began = Instant::now();
        let connected = connect_first(given.clone(), async |address: SocketAddr| {
            tried.borrow_mut().push(address);
            if address == given[1] {
                tokio::time::sleep(Duration::from_secs(3)).await;
                return Ok(address);
            }
            Err(io::Error::from(io::ErrorKind::ConnectionRefused))
        })
        .await;
        assert_eq!(connected.unwrap(), given[1]);
        assert_eq!(began.elapsed(), Duration::from_secs(3));
        assert_eq!(*tried.borrow(), given);
    }

    #[tokio::test(start_paused = true)]
    async fn no_address_at_all_and_only_refusing_ones_are_failures() {
        let refuse =
            async |_address: SocketAddr| Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused));
        let none = connect_first([], refuse).await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::AddrNotAvailable);
        let given = addresses(&["[::1]:1", "10.0.0.1:1"]);
        assert_eq!(connect_first(given, refuse).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    /// Linux drops what comes to a listener whose queue is full, without an answer, as a black hole does.
    #[tokio::test]
    async fn a_listener_that_never_answers_does_not_keep_the_next_one_away() {
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(0).unwrap();
        let silent_address = silent.local_addr().unwrap();
        let _fills_the_queue = TcpStream::connect(silent_address).await.unwrap();
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let given = [silent_address, good.local_addr().unwrap()];
        let connected =
            tokio::time::timeout(Duration::from_secs(10), connect_first(given, TcpStream::connect));
        let connected = connected.await.expect("the silent one holds nothing up").unwrap();
        assert_eq!(connected.peer_addr().unwrap(), good.local_addr().unwrap());
    }
}
