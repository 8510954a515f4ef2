//! Tells protocols apart by the first byte of a connection.

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1, WebSocket included.
    Http,
    /// Blynk binary.
    Blynk,
    /// MQTT 3.1.1 or 5.
    Mqtt,
    /// A TLS handshake on a port without TLS.
    Tls,
}

impl Protocol {
    /// Recognises a protocol by its first byte.
    ///
    /// One byte is enough, because the first frame of a device must be a login (29, or 2 from old libraries). HTTP starts
    /// with the capital letter of a method, TLS with the record type `16`, MQTT with the fixed header `10` of CONNECT; in
    /// Blynk's protocol that is a sync, which may not come before a login. What is none of these goes to the gateway,
    /// which closes whatever does not log in.
    pub(crate) fn of_first_byte(byte: u8) -> Self {
        match byte {
            // Methods that the server does not serve are told so in HTTP.
            b'A'..=b'Z' => Self::Http,
            0x10 => Self::Mqtt,
            0x16 => Self::Tls,
            _ => Self::Blynk,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Blynk => "blynk",
            Self::Mqtt => "mqtt",
            Self::Tls => "tls",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn every_method_is_http_and_both_logins_are_blynk() {
        for method in ["GET ", "POST", "PUT ", "HEAD", "OPTI", "PATC", "DELE", "TRAC", "CONN", "QUER", "LOCK"]
        {
            assert_eq!(Protocol::of_first_byte(method.as_bytes()[0]), Protocol::Http, "{method}");
        }
        for login in [29, 2] {
            assert_eq!(Protocol::of_first_byte(login), Protocol::Blynk);
        }
        assert_eq!(Protocol::of_first_byte(0x10), Protocol::Mqtt);
    }
}
