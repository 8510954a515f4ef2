//! Cloud core without I/O: templates, devices, tokens, releases, provisioning sessions.
