//! What the hotspot answers: pure request to response.
