//! From PEM files to what TLS connections need.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::stores::StoreErrorKind;
use crate::stores::cql::error::failure;
use crate::stores::cql::options::TlsFiles;
use crate::stores::record::StoreResult;

/// What connections are secured with; the error names the file that is wrong.
pub(super) fn tls_config(files: &TlsFiles) -> StoreResult<Arc<ClientConfig>> {
    let wrong = |message: String| failure(StoreErrorKind::Unavailable, "tls", message);
    let certificates = |path: &std::path::Path| {
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(format!("{} is no PEM file: {error}", path.display())))
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(&files.authorities)?);
    if added == 0 {
        let path = files.authorities.display();
        return Err(wrong(format!(
            "{path} holds no certificate of an authority"
        )));
    }
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots);
    let config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let shown = key.display();
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| wrong(format!("{shown} is no PEM file with a key: {error}")))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, secret)
                .map_err(|error| wrong(format!("{shown} does not fit cert=: {error}")))?
        }
    };
    Ok(Arc::new(config))
}
