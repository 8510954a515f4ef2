//! The virtual bench: virtual air, homes and boards, live or in virtual time.
