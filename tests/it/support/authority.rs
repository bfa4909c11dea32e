//! A certificate authority of a test's own, made by the `openssl` program (which Debian's
//! PostgreSQL brings along): `Authority::new()`, its certificate as a file for clients, and
//! certificates that it signs for servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Scratch;

/// The authority; its files go with it.
pub(crate) struct Authority {
    scratch: Scratch,
}

/// What a server presents: certificate and key as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self {
            scratch: Scratch::new("authority"),
        };
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-days",
            "2",
            "-subj",
            "/CN=an authority",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ]);
        authority
    }

    /// Its certificate, for those who trust it.
    pub(crate) fn file(&self) -> PathBuf {
        self.scratch.path().join("ca.pem")
    }

    /// Signs for a server of this name.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
            "-subj",
            "/CN=a server",
        ]);
        self.scratch
            .write("server.ext", &format!("subjectAltName=DNS:{name}\n"));
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "server.ext",
            "-out",
            "server.pem",
        ]);
        let read = |name: &str| std::fs::read_to_string(self.scratch.path().join(name)).unwrap();
        Identity {
            certificate: read("server.pem"),
            key: read("server.key"),
        }
    }

    fn openssl(&self, arguments: &[&str]) {
        let folder: &Path = self.scratch.path();
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(folder)
            .output()
            .expect("`openssl` is installed (apt-get install openssl)");
        assert!(
            output.status.success(),
            "openssl {arguments:?}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
