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
    /// Binds `address`. `slots` is shared by listeners that have one limit together.
    ///
    /// # Errors
    /// What the system says, for instance that the address is in use.
    pub async fn bind(address: &BindAddress, slots: Arc<Semaphore>) -> io::Result<Self> {
        let socket = match address {
            BindAddress::Tcp(address) => Socket::Tcp(TcpListener::bind(address).await?),
            #[cfg(unix)]
            BindAddress::Unix(path) => {
                Socket::Unix(tokio::net::UnixListener::bind(path)?, path.clone())
            }
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
    async fn a_unix_socket_file_goes_with_its_listener() {
        let folder = std::env::temp_dir().join(format!("fieldveil-wire-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("test.sock");
        let listener =
            Listener::bind(&BindAddress::Unix(path.clone()), Arc::new(Semaphore::new(1)))
                .await
                .unwrap();
        assert!(path.exists());
        drop(listener);
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
