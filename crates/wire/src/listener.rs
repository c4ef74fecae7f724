//! Accepts connections, up to a limit.

use std::{fmt, io, net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;

use crate::stream::Stream;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindAddress {
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a Unix domain socket.
    Unix(PathBuf),
}

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a Unix domain socket, so from this machine.
    Local,
}

impl PeerAddress {
    /// Whether the peer is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Local => true,
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Local => formatter.write_str("anonymous unix socket:27017"),
        }
    }
}

/// A bound socket and the number of connections it may still accept.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    slots: Arc<Semaphore>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, PathBuf),
}

/// A connection that was accepted. Its slot is free again when `slot` is dropped.
#[derive(Debug)]
pub struct Accepted {
    /// The raw stream; see [`Accepted::secure`].
    pub stream: Stream,
    /// Who connected.
    pub peer: PeerAddress,
    /// Holds one of the listener's slots.
    pub slot: OwnedSemaphorePermit,
}

impl Listener {
    /// Binds `address`. `slots` is shared by listeners that have one limit together. Only the user
    /// who runs the program can connect to a Unix domain socket. A socket file that a killed
    /// program left behind is replaced, one that somebody listens on is not, nor any other file.
    ///
    /// # Errors
    /// What the system says, for instance that the address is in use.
    pub async fn bind(address: &BindAddress, slots: Arc<Semaphore>) -> io::Result<Self> {
        let socket = match address {
            BindAddress::Tcp(address) => Socket::Tcp(TcpListener::bind(address).await?),
            #[cfg(unix)]
            BindAddress::Unix(path) => Socket::Unix(unix::bind(path).await?, path.clone()),
            #[cfg(not(unix))]
            BindAddress::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self { socket, slots })
    }

    /// The TCP address, with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(..) => None,
        }
    }

    /// Waits for a connection; `None` when it had to be closed at once for want of a slot.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// What the system says; the next call may succeed.
    pub async fn accept(&self) -> io::Result<Option<Accepted>> {
        let (stream, peer) = match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                (Stream::Tcp(stream), PeerAddress::Tcp(address))
            }
            #[cfg(unix)]
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                (Stream::Unix(stream), PeerAddress::Local)
            }
        };
        Ok(Arc::clone(&self.slots).try_acquire_owned().ok().map(|slot| Accepted {
            stream,
            peer,
            slot,
        }))
    }
}

#[cfg(unix)]
mod unix {
    use std::{
        fs, io,
        os::unix::fs::{FileTypeExt, PermissionsExt},
        path::Path,
    };

    use tokio::net::{UnixListener, UnixStream};

    pub(super) async fn bind(path: &Path) -> io::Result<UnixListener> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path).await => {
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            other => other?,
        };
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        Ok(listener)
    }

    /// Whether it is a socket on which nobody listens.
    async fn is_abandoned(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
            && UnixStream::connect(path)
                .await
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Socket::Unix(_, path) = &self.socket {
            // The socket file means nothing once nobody listens; it may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Accepted {
    /// Shakes hands for TLS on a TCP stream; other streams stay as they are.
    ///
    /// # Errors
    /// What the handshake says.
    pub async fn secure(self, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let stream = match self.stream {
            Stream::Tcp(stream) => Stream::Tls(Box::new(acceptor.accept(stream).await?)),
            other => other,
        };
        Ok(Self { stream, ..self })
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_connection_above_the_limit_is_closed() {
        let address = BindAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = Listener::bind(&address, Arc::new(Semaphore::new(1))).await.unwrap();
        let local = listener.local_addr().unwrap();

        let _first = TcpStream::connect(local).await.unwrap();
        let accepted = listener.accept().await.unwrap().unwrap();
        assert!(accepted.peer.is_loopback());
        let mut second = TcpStream::connect(local).await.unwrap();
        assert!(listener.accept().await.unwrap().is_none());
        assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0);

        drop(accepted);
        let _third = TcpStream::connect(local).await.unwrap();
        assert!(listener.accept().await.unwrap().is_some());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_unix_socket_file_is_private_and_goes_with_its_listener() {
        use std::os::unix::fs::PermissionsExt;

        let (folder, path) = folder_and_path("goes");
        let listener = bind_unix(&path).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(listener);
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let (folder, path) = folder_and_path("replaced");
        // As after `kill -9`: the file stays.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = bind_unix(&path).await.unwrap();
        assert_eq!(bind_unix(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);

        std::fs::write(&path, "not a socket").unwrap();
        assert_eq!(bind_unix(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a socket");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    fn folder_and_path(name: &str) -> (PathBuf, PathBuf) {
        let folder =
            std::env::temp_dir().join(format!("fieldveil-wire-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("test.sock");
        (folder, path)
    }

    #[cfg(unix)]
    async fn bind_unix(path: &std::path::Path) -> io::Result<Listener> {
        Listener::bind(&BindAddress::Unix(path.to_owned()), Arc::new(Semaphore::new(1))).await
    }
}
