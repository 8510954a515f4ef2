//! Cloud core without I/O: pins, values, connection lifecycle.
