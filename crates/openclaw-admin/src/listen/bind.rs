//! Opening a listener, or saying in one sentence why not and what to do.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

use super::tls::Acceptor;
use crate::access::{AccessPolicy, Role, Roles};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 4096;

/// Where a service listens, and how its operator changes that.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The listener's name in logs and metrics.
    pub name: &'static str,
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// The configuration key that holds the address.
    pub key: &'static str,
    /// The command-line flag that does, where there is one.
    pub flag: Option<&'static str>,
    /// The roles that its routes ask for: on an address that other machines reach, each needs a token.
    pub roles: Roles,
}

/// What protects the listeners of a process.
#[derive(Clone, Debug, Default)]
pub struct Exposure {
    /// Who may do what.
    pub access: AccessPolicy,
    /// Certificate chain, PEM.
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub key_file: Option<PathBuf>,
    /// How often the two files are looked at for changes, which are taken over; zero for never.
    pub watch_interval: Duration,
    /// The operator takes responsibility for listeners without tokens, or without the TLS they began to set up.
    pub insecure: bool,
}

/// A listener that holds its port; [`serve`](super::serve) makes it answer.
#[derive(Debug)]
pub struct BoundListener {
    pub(super) name: &'static str,
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Acceptor>,
}

impl BoundListener {
    /// The address it has, with the port that was taken where port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Why a listener cannot be opened. Each message is one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port is in use.
    #[error("port {} on {} is taken by another process; choose another with {change}", address.port(), address.ip())]
    Taken {
        /// What was asked for.
        address: SocketAddr,
        /// The flag and key that change it.
        change: String,
    },
    /// The port needs a privilege.
    #[error("port {} on {} may not be opened by this user; choose one above 1023 with {change}", address.port(), address.ip())]
    NotPermitted {
        /// What was asked for.
        address: SocketAddr,
        /// The flag and key that change it.
        change: String,
    },
    /// The address is another machine's.
    #[error("{} is not an address of this machine; choose another with {change}", address.ip())]
    NotHere {
        /// What was asked for.
        address: SocketAddr,
        /// The flag and key that change it.
        change: String,
    },
    /// Anything else that the operating system said.
    #[error("cannot listen on {address}: {source}; choose another address with {change}")]
    Other {
        /// What was asked for.
        address: SocketAddr,
        /// The flag and key that change it.
        change: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Other machines could use the listener without a token.
    #[error(
        "{key} is {address}, which other machines can reach, but no token is set for {roles}; set {keys}, listen on 127.0.0.1, or accept it with --insecure"
    )]
    Exposed {
        /// The key that holds the address.
        key: &'static str,
        /// What was asked for.
        address: SocketAddr,
        /// The roles without token.
        roles: String,
        /// The keys that would set them.
        keys: String,
    },
    /// A certificate without its key, or the reverse.
    #[error("{present} is set but {missing} is not; set both for TLS, or serve without TLS by --insecure")]
    HalfTls {
        /// The key that is set.
        present: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// The files hold no usable certificate and key.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// Which file, what was wrong, what to do.
        reason: String,
    },
}

/// Opens the listener of `endpoint`; must be called within a tokio runtime.
///
/// # Errors
/// Where the address cannot be had, where other machines could use it without a token, or where TLS is set
/// up by halves or wrongly.
pub fn bind(endpoint: &Endpoint, exposure: &Exposure) -> Result<BoundListener, ListenError> {
    check_exposure(endpoint, exposure)?;
    let tls = tls_files(exposure)?
        .map(|(cert, key)| Acceptor::from_files(cert, key, exposure.watch_interval))
        .transpose()?;
    let listener = open(endpoint.address).map_err(|error| explain(endpoint, error))?;
    let address = listener.local_addr().map_err(|error| explain(endpoint, error))?;
    Ok(BoundListener { name: endpoint.name, listener, address, tls })
}

/// The rule by which [`bind`] refuses to let other machines in; public so that a check of the configuration
/// can apply it without opening a port.
///
/// # Errors
/// [`ListenError::Exposed`].
pub fn check_exposure(endpoint: &Endpoint, exposure: &Exposure) -> Result<(), ListenError> {
    if exposure.insecure || endpoint.address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let open: Roles = endpoint
        .roles
        .iter()
        // The admin role is never open: without a token nobody has it.
        .filter(|role| *role != Role::Admin && !exposure.access.configured().contains(*role))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = open.iter().map(Role::name).collect();
    let keys: Vec<_> = open.iter().map(Role::tokens_key).collect();
    Err(ListenError::Exposed {
        key: endpoint.key,
        address: endpoint.address,
        roles: names.join(" and "),
        keys: keys.join(" and "),
    })
}

/// Whether certificate and key can be used, where both are set; public so that a check of the configuration can tell
/// without opening a port. Reads both files.
///
/// # Errors
/// [`ListenError::Tls`].
pub fn check_certificate(exposure: &Exposure) -> Result<(), ListenError> {
    match (&exposure.cert_file, &exposure.key_file) {
        (Some(cert), Some(key)) => Acceptor::from_files(cert, key, Duration::ZERO).map(|_| ()),
        _ => Ok(()),
    }
}

fn tls_files(exposure: &Exposure) -> Result<Option<(&PathBuf, &PathBuf)>, ListenError> {
    const CERT: &str = "tls.certFile";
    const KEY: &str = "tls.keyFile";
    let half = |present, missing| {
        if exposure.insecure {
            tracing::warn!(
                "{present} is set but {missing} is not: serving without TLS, as --insecure allows"
            );
            return Ok(None);
        }
        Err(ListenError::HalfTls { present, missing })
    };
    match (&exposure.cert_file, &exposure.key_file) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        (Some(_), None) => half(CERT, KEY),
        (None, Some(_)) => half(KEY, CERT),
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted service takes its port back at once; on Windows the option would let two share it.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn explain(endpoint: &Endpoint, error: io::Error) -> ListenError {
    let address = endpoint.address;
    let mut change = String::new();
    if let Some(flag) = endpoint.flag {
        let _ = write!(change, "{flag} or ");
    }
    change.push_str(endpoint.key);
    match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { address, change },
        io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address, change },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { address, change },
        _ => ListenError::Other { address, change, source: error },
    }
}
