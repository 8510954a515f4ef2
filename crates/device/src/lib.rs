//! The one shell that runs lifecycle, portal and wire over a platform.
