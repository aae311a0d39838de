//! Which cryptography TLS uses: ring's, as for the database.

/// Chooses it for the whole process; must have been called before an HTTP client is made. Calling it again changes nothing.
pub fn install() {
    // An error says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
