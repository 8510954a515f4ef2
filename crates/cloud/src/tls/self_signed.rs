//! The server's own small certificate authority and the certificate it signs.
//!
//! The authority lives for 20 years, because devices hold it as a trust anchor; its key stays in the data folder. The
//! server's certificate lives for about a year and is renewed 30 days before its end, or when the names change.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use registry::UtcTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::{OpenTlsError, load_pair};
use crate::secret_file::{hex, read_text_file, write_secret_file};

/// 20 years.
const CA_LIFETIME: Duration = Duration::days(20 * 365);
/// 364 days: with the day of [`CLOCK_TOLERANCE`] it stays within the 366 days of Mozilla's recommendation for servers.
const LEAF_LIFETIME: Duration = Duration::days(364);
/// Renewed when fewer than 30 days are left.
const RENEW_BEFORE_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// Starts a day in the past, for clients whose clock is behind.
const CLOCK_TOLERANCE: Duration = Duration::days(1);

/// Name of the authority's certificate inside the folder.
const CA_FILE: &str = "ca.pem";
/// Name of the authority's key.
const CA_KEY_FILE: &str = "ca-key.pem";
/// Name of the server's certificate.
pub(super) const LEAF_FILE: &str = "server.pem";
/// Name of the server's key.
pub(super) const LEAF_KEY_FILE: &str = "server-key.pem";

/// What [`open`] found or made.
pub(super) struct Opened {
    pub(super) leaf_path: PathBuf,
    pub(super) leaf_key_path: PathBuf,
    pub(super) ca_pem: String,
}

/// What the certificate in the folder was made for; kept beside it so that nothing needs to parse certificates.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LeafNote {
    expires_at_unix_ms: i64,
    names: Vec<String>,
    ca_sha256: String,
}

/// Opens the certificate in `folder`; makes what is missing, and the certificate anew when it is due.
pub(super) fn open(folder: &Path, names: &[String], now: UtcTime) -> Result<Opened, OpenTlsError> {
    let file_error = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenTlsError::File { path, source }
    };
    fs::create_dir_all(folder).map_err(file_error(folder))?;
    let authority = open_authority(folder, now)?;
    let leaf_path = folder.join(LEAF_FILE);
    let leaf_key_path = folder.join(LEAF_KEY_FILE);
    let note_path = folder.join("server.json");
    let note = read_text_file(&note_path).map_err(file_error(&note_path))?;
    let note: Option<LeafNote> = note.and_then(|text| serde_json::from_str(&text).ok());
    let is_current = note.is_some_and(|note| {
        note.expires_at_unix_ms.saturating_sub(now.unix_ms()) > RENEW_BEFORE_MS
            && note.names == names
            && note.ca_sha256 == authority.fingerprint()
    });
    if !is_current || !leaf_path.exists() || !leaf_key_path.exists() {
        let generated = issue_leaf(&authority, names, now)
            .map_err(|source| OpenTlsError::Generate { folder: folder.to_owned(), source })?;
        // The note goes first away and last back: a crash in between makes the certificate anew at the next start.
        match fs::remove_file(&note_path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file_error(&note_path)(error));
            }
            _ => {}
        }
        write_secret_file(&leaf_key_path, generated.key_pem.as_bytes())
            .map_err(file_error(&leaf_key_path))?;
        write_secret_file(&leaf_path, generated.chain_pem.as_bytes()).map_err(file_error(&leaf_path))?;
        let note =
            serde_json::to_vec(&generated.note).map_err(|error| file_error(&note_path)(error.into()))?;
        write_secret_file(&note_path, &note).map_err(file_error(&note_path))?;
    }
    Ok(Opened { leaf_path, leaf_key_path, ca_pem: authority.certificate_pem })
}

struct Authority {
    key: KeyPair,
    certificate_pem: String,
}

impl Authority {
    fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.certificate_pem.as_bytes()))
    }
}

/// Reads what there is of the authority and makes sure that it can be used; makes nothing.
pub(super) fn read_authority(folder: &Path) -> Result<(Option<KeyPair>, Option<String>), OpenTlsError> {
    let key_path = folder.join(CA_KEY_FILE);
    let certificate_path = folder.join(CA_FILE);
    let read = |path: &Path| {
        read_text_file(path).map_err(|source| OpenTlsError::File { path: path.to_owned(), source })
    };
    let certificate_pem = read(&certificate_path)?;
    let key = match read(&key_path)? {
        Some(pem) => {
            Some(KeyPair::from_pem(&pem).map_err(|_source| OpenTlsError::Pem { path: key_path.clone() })?)
        }
        None => None,
    };
    match (&key, &certificate_pem) {
        (None, Some(_)) => return Err(OpenTlsError::HalfCa { folder: folder.to_owned() }),
        // Boards are given the certificate to trust, so one that does not belong to the key would strand them.
        (Some(_), Some(_)) => drop(load_pair(&certificate_path, &key_path)?),
        (_, None) => {}
    }
    Ok((key, certificate_pem))
}

fn open_authority(folder: &Path, now: UtcTime) -> Result<Authority, OpenTlsError> {
    let key_path = folder.join(CA_KEY_FILE);
    let certificate_path = folder.join(CA_FILE);
    let generate_error = |source| OpenTlsError::Generate { folder: folder.to_owned(), source };
    match read_authority(folder)? {
        (Some(key), Some(certificate_pem)) => Ok(Authority { key, certificate_pem }),
        (key, _none) => {
            // The key is written first, so a key alone is a start that was interrupted: it is used.
            let key = match key {
                Some(key) => key,
                None => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(generate_error)?,
            };
            let certificate = ca_params(&key, now).self_signed(&key).map_err(generate_error)?;
            for (path, content) in [(&key_path, key.serialize_pem()), (&certificate_path, certificate.pem())]
            {
                write_secret_file(path, content.as_bytes())
                    .map_err(|source| OpenTlsError::File { path: path.clone(), source })?;
            }
            Ok(Authority { key, certificate_pem: certificate.pem() })
        }
    }
}

struct Leaf {
    chain_pem: String,
    key_pem: String,
    note: LeafNote,
}

fn issue_leaf(authority: &Authority, names: &[String], now: UtcTime) -> Result<Leaf, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, names.last().map_or("localhost", String::as_str));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_of(now) - CLOCK_TOLERANCE;
    params.not_after = date_of(now) + LEAF_LIFETIME;
    let issuer = Issuer::new(ca_params(&authority.key, now), &authority.key);
    let certificate = params.signed_by(&key, &issuer)?;
    let lifetime_ms = i64::try_from(LEAF_LIFETIME.whole_milliseconds()).unwrap_or(i64::MAX);
    Ok(Leaf {
        chain_pem: format!("{}{}", certificate.pem(), authority.certificate_pem),
        key_pem: key.serialize_pem(),
        note: LeafNote {
            expires_at_unix_ms: now.plus_ms(lifetime_ms).unix_ms(),
            names: names.to_vec(),
            ca_sha256: authority.fingerprint(),
        },
    })
}

/// The authority's name carries its key's fingerprint, so that two servers' authorities never have the same name; it is
/// the same at every start because it depends on the key alone.
fn ca_params(key: &KeyPair, now: UtcTime) -> CertificateParams {
    let digest = Sha256::digest(rcgen::PublicKeyData::der_bytes(key));
    let key_name = hex(digest.first_chunk::<4>().map_or(&[], |first| first));
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Rehome server authority {key_name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_of(now) - CLOCK_TOLERANCE;
    params.not_after = date_of(now) + CA_LIFETIME;
    params
}

fn date_of(time: UtcTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.unix_ms() / 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: UtcTime = UtcTime::from_unix_ms(1_795_000_000_000);

    fn names() -> Vec<String> {
        vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
    }

    #[test]
    fn the_second_start_finds_what_the_first_one_made() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), &names(), NOW).unwrap();
        let leaf = fs::read(&first.leaf_path).unwrap();
        let second = open(folder.path(), &names(), NOW.plus_ms(1)).unwrap();
        assert_eq!(first.ca_pem, second.ca_pem);
        assert_eq!(leaf, fs::read(&second.leaf_path).unwrap());
        for file in ["ca-key.pem", "server-key.pem"] {
            let mode = fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn the_certificate_is_renewed_before_its_end_and_the_authority_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), &names(), NOW).unwrap();
        let leaf = fs::read(&first.leaf_path).unwrap();
        let later = NOW.plus_ms(380 * 24 * 3_600 * 1_000);
        let second = open(folder.path(), &names(), later).unwrap();
        assert_eq!(first.ca_pem, second.ca_pem);
        assert_ne!(leaf, fs::read(&second.leaf_path).unwrap());
    }

    #[test]
    fn a_new_host_name_gets_a_new_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), &names(), NOW).unwrap();
        let leaf = fs::read(&first.leaf_path).unwrap();
        open(folder.path(), &["cloud.example.org".to_owned()], NOW).unwrap();
        assert_ne!(leaf, fs::read(&first.leaf_path).unwrap());
    }

    #[test]
    fn an_authority_that_boards_could_not_use_is_refused_and_left_alone() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        open(folder.path(), &names(), NOW).unwrap();
        open(other.path(), &names(), NOW).unwrap();
        let foreign = fs::read_to_string(other.path().join(CA_FILE)).unwrap();
        let path = folder.path().join(CA_FILE);
        for content in ["garbage", &foreign] {
            fs::write(&path, content).unwrap();
            let refused = open(folder.path(), &names(), NOW);
            assert!(
                matches!(refused, Err(OpenTlsError::Pem { .. } | OpenTlsError::Pair { .. })),
                "{content}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_not_replaced_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), &names(), NOW).unwrap();
        fs::remove_file(folder.path().join("ca-key.pem")).unwrap();
        assert!(matches!(open(folder.path(), &names(), NOW), Err(OpenTlsError::HalfCa { .. })));
    }
}
