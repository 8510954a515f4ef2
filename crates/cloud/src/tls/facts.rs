//! What a certificate says about itself.

use registry::UtcTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// Life and names of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    pub(crate) not_before: UtcTime,
    pub(crate) not_after: UtcTime,
    /// Host names, in small letters.
    pub(crate) names: Vec<String>,
}

impl CertificateFacts {
    /// Reads a certificate; `None` when it cannot be read.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let time = |seconds: i64| UtcTime::from_unix_ms(seconds.saturating_mul(1_000));
        let validity = certificate.validity();
        let names = certificate.subject_alternative_name().ok().flatten().map(|extension| {
            let names = extension.value.general_names.iter();
            names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                    _ => None,
                })
                .collect()
        });
        Some(Self {
            not_before: time(validity.not_before.timestamp()),
            not_after: time(validity.not_after.timestamp()),
            names: names.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_and_names_are_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["a.example.org".to_owned(), "192.0.2.1".to_owned(), "B.example.org".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 11, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 30);
        let facts = CertificateFacts::read(params.self_signed(&key).unwrap().der()).unwrap();
        assert_eq!(facts.names, ["a.example.org", "b.example.org"]);
        assert_eq!(facts.not_after.unix_ms() - facts.not_before.unix_ms(), 90 * 24 * 3_600 * 1_000);
        assert_eq!(CertificateFacts::read(b"no certificate"), None);
    }
}
