//! The Blynk binary protocol: frames to bytes and back, both directions, without allocation.
