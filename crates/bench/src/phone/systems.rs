//! How phones and computers find out that a network has a portal, each in its own way.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::{AskPortalError, Phone, PhoneAnswer};

/// Redirects that a browser follows at most; real ones stop at 20.
const REDIRECT_COUNT_MAX: usize = 8;

/// Who looks for a portal. Sources: the systems' own documents, as of 2026; decision 0011.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneSystem {
    /// iOS and macOS.
    Apple,
    /// Android and `ChromeOS`.
    Android,
    /// Windows 10 and 11.
    Windows,
    /// Firefox on any system.
    Firefox,
    /// GNOME and every desktop with NetworkManager.
    NetworkManager,
}

/// What a system thinks of the network it is in.
#[derive(Clone, Debug)]
pub enum NetworkVerdict {
    /// There is a portal; this is the page that opens by itself, and the address it ended at.
    Portal {
        /// The page.
        page: PhoneAnswer,
        /// Where the redirects led.
        url: String,
    },
    /// The system takes the network for the internet.
    Internet,
    /// The system sees a network without internet and shows nothing.
    Nothing(PhoneAnswer),
}

impl PhoneSystem {
    /// Every system.
    pub const ALL: [Self; 5] =
        [Self::Apple, Self::Android, Self::Windows, Self::Firefox, Self::NetworkManager];

    /// The address that is probed.
    #[must_use]
    pub const fn probe_url(self) -> &'static str {
        match self {
            Self::Apple => "http://captive.apple.com/hotspot-detect.html",
            Self::Android => "http://connectivitycheck.gstatic.com/generate_204",
            Self::Windows => "http://www.msftconnecttest.com/connecttest.txt",
            Self::Firefox => "http://detectportal.firefox.com/canonical.html",
            Self::NetworkManager => "http://nmcheck.gnome.org/check_network_status.txt",
        }
    }

    /// The address that opens when there is a portal.
    #[must_use]
    pub const fn page_url(self) -> &'static str {
        match self {
            Self::Windows => "http://www.msftconnecttest.com/redirect",
            Self::NetworkManager => "http://nmcheck.gnome.org/",
            Self::Apple | Self::Android | Self::Firefox => self.probe_url(),
        }
    }

    /// Whether the answer to the probe is the maker's server's.
    fn is_internet(self, answer: &PhoneAnswer) -> bool {
        let body = answer.text();
        match self {
            Self::Apple => answer.status == 200 && body.contains("<BODY>Success</BODY>"),
            Self::Android => answer.status == 204 || (answer.status == 200 && body.is_empty()),
            Self::Windows => answer.status == 200 && body == "Microsoft Connect Test",
            Self::Firefox => answer.status == 200 && body.contains("success"),
            Self::NetworkManager => {
                answer.header("x-networkmanager-status").is_some_and(|value| value == "online")
                    || (answer.status == 200 && body.starts_with("NetworkManager is online"))
            }
        }
    }

    /// Whether the answer makes the system open its portal window.
    fn shows_portal(self, answer: &PhoneAnswer) -> bool {
        match self {
            Self::Apple | Self::Firefox | Self::Windows => matches!(answer.status, 200 | 301..=308),
            Self::Android => matches!(answer.status, 200..=399),
            // A page in place of the answer is a portal too.
            Self::NetworkManager => matches!(answer.status, 200 | 301..=308 | 511),
        }
    }
}

impl Phone {
    /// Does what a system does after it joined: asks the probe, and opens the portal's page where it sees one.
    ///
    /// # Errors
    /// When a name is not resolved, no answer comes, or the redirects go round.
    pub async fn check_network(&self, system: PhoneSystem) -> Result<NetworkVerdict, AskPortalError> {
        let answer = self.fetch("GET", system.probe_url(), "").await?;
        if system.is_internet(&answer) {
            return Ok(NetworkVerdict::Internet);
        }
        if !system.shows_portal(&answer) {
            return Ok(NetworkVerdict::Nothing(answer));
        }
        let (url, page) = self.browse(system.page_url()).await?;
        Ok(NetworkVerdict::Portal { page, url })
    }

    /// Opens an address in a browser, which follows redirects; returns where it ended and what is there.
    ///
    /// # Errors
    /// As [`Phone::check_network`].
    pub async fn browse(&self, url: &str) -> Result<(String, PhoneAnswer), AskPortalError> {
        let mut url = url.to_owned();
        let mut seen = BTreeSet::new();
        for _ in 0..=REDIRECT_COUNT_MAX {
            if !seen.insert(url.clone()) {
                return Err(AskPortalError::RedirectsGoRound);
            }
            let answer = self.fetch("GET", &url, "Accept: text/html,*/*;q=0.8\r\n").await?;
            if !matches!(answer.status, 301..=308) {
                return Ok((url, answer));
            }
            let target = answer.header("location").ok_or(AskPortalError::NotHttp)?;
            url = if target.starts_with('/') {
                let (host, _) = split_url(&url).ok_or(AskPortalError::NotHttp)?;
                format!("http://{host}{target}")
            } else {
                target
            };
        }
        Err(AskPortalError::RedirectsGoRound)
    }

    /// Asks for an address with a method and extra header lines, each with its line end.
    ///
    /// # Errors
    /// When the name is not resolved to the hotspot, or no answer comes.
    pub async fn fetch(&self, method: &str, url: &str, headers: &str) -> Result<PhoneAnswer, AskPortalError> {
        let (host, path) = split_url(url).ok_or(AskPortalError::UnknownName)?;
        let name = host.split(':').next().unwrap_or(host);
        let address = name.parse().ok().or_else(|| self.resolve(name)).ok_or(AskPortalError::UnknownName)?;
        if address != self.gateway() {
            return Err(AskPortalError::Elsewhere { address });
        }
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n");
        self.ask(&request).await
    }

    fn gateway(&self) -> Ipv4Addr {
        self.lease().router.unwrap_or(portal::HOTSPOT_ADDRESS)
    }
}

/// Splits `http://host/path`; browsers try no other scheme in a portal.
fn split_url(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(at)?;
    Some((host, if path.is_empty() { "/" } else { path }))
}
