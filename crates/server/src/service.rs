//! What a server and a daemon have in common: accepting, reading, answering, draining.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use bson::RawDocumentBuf;
use fieldveil_wire::{
    Accepted, BindAddress, Compressor, Connection, Listener, Message, MsgFlags, OpMsg, OpReply,
    Operation, PeerAddress, Stream, WireError,
};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    codes,
    error::CommandError,
    request::{Request, reply_expected},
};

/// How long connections may take to finish what they are doing when the service ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long they may take after that to say that they were interrupted.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers requests; one value serves all connections.
pub(crate) trait Service: Send + Sync + 'static {
    /// What is kept for each connection.
    type Peer: Send + Sync + 'static;

    fn connected(&self, id: i32, address: PeerAddress) -> Arc<Self::Peer>;

    fn answer(
        self: &Arc<Self>,
        peer: &Arc<Self::Peer>,
        request: Request,
    ) -> impl Future<Output = Answer> + Send;

    /// A client closed its connection while its command runs; says whether to wait for the end of
    /// the command.
    fn hung_up(&self, peer: &Self::Peer) -> bool;

    fn disconnected(&self, peer: &Self::Peer);

    /// A message came, with so many bytes on the wire.
    fn received(&self, _wire_bytes: usize) {}

    /// An answer went, with so many bytes on the wire.
    fn sent(&self, _wire_bytes: usize) {}

    /// What is left of a reply that was sent; its bytes may be of use for others.
    fn recycle(&self, _reply: RawDocumentBuf) {}

    /// Makes what still runs end soon, with an error.
    fn interrupt(&self);
}

/// What to do with a request that was handled.
pub(crate) enum Answer {
    /// Send this.
    Reply(RawDocumentBuf),
    /// Send this, then handle the next request without waiting for it (exhaust).
    ReplyThen(RawDocumentBuf, Box<Request>),
    /// Close the connection without a reply.
    Close,
}

/// A running service: its listeners, and a way to end them.
#[derive(Debug)]
pub(crate) struct Running {
    shutdown: CancellationToken,
    listeners: JoinSet<()>,
    address: Option<SocketAddr>,
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub(crate) struct BindError {
    pub(crate) address: BindAddress,
    pub(crate) source: io::Error,
}

/// How to listen.
pub(crate) struct Endpoint {
    pub(crate) addresses: Vec<BindAddress>,
    pub(crate) max_connections: usize,
    pub(crate) tls: Option<TlsAcceptor>,
}

impl Running {
    /// Binds every address of `endpoint` and begins to accept.
    ///
    /// # Errors
    /// The first address that cannot be bound; nothing runs then.
    pub(crate) async fn start<S: Service>(
        service: Arc<S>,
        endpoint: Endpoint,
        shutdown: CancellationToken,
    ) -> Result<Self, BindError> {
        let slots = Arc::new(Semaphore::new(endpoint.max_connections));
        let ids = Arc::new(AtomicI32::new(1));
        let mut bound = Vec::new();
        for address in endpoint.addresses {
            let listener = Listener::bind(&address, Arc::clone(&slots)).await;
            bound.push(listener.map_err(|source| BindError { address, source })?);
        }
        let address = bound.iter().find_map(Listener::local_addr);
        let mut listeners = JoinSet::new();
        for listener in bound {
            let acceptor = Acceptor {
                service: Arc::clone(&service),
                tls: endpoint.tls.clone(),
                ids: Arc::clone(&ids),
                shutdown: shutdown.clone(),
            };
            listeners.spawn(acceptor.run(listener));
        }
        Ok(Self { shutdown, listeners, address })
    }

    /// The first TCP address that is listened on.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Stops accepting, lets running commands finish, closes.
    pub(crate) async fn shutdown(&mut self) {
        self.shutdown.cancel();
        while self.listeners.join_next().await.is_some() {}
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

struct Acceptor<S: Service> {
    service: Arc<S>,
    tls: Option<TlsAcceptor>,
    ids: Arc<AtomicI32>,
    shutdown: CancellationToken,
}

impl<S: Service> Acceptor<S> {
    async fn run(self, listener: Listener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = self.shutdown.cancelled() => break,
            };
            match accepted {
                Ok(Some(accepted)) => {
                    connections.spawn(self.serve(accepted));
                }
                Ok(None) => tracing::warn!("connection refused because too many are open"),
                Err(error) => {
                    // Out of file descriptors, mostly; accepting again at once would spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        drop(listener);
        if !drained(&mut connections, DRAIN_TIMEOUT).await {
            tracing::warn!("commands did not end in time and are interrupted");
            self.service.interrupt();
            if !drained(&mut connections, INTERRUPT_TIMEOUT).await {
                connections.shutdown().await;
            }
        }
    }

    fn serve(&self, accepted: Accepted) -> impl Future<Output = ()> + Send + use<S> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let service = Arc::clone(&self.service);
        let shutdown = self.shutdown.clone();
        let tls = self.tls.clone();
        async move {
            let accepted = match tls {
                None => accepted,
                Some(tls) => match timeout(HANDSHAKE_TIMEOUT, accepted.secure(&tls)).await {
                    Ok(Ok(accepted)) => accepted,
                    Ok(Err(error)) => {
                        tracing::info!(connection = id, %error, "TLS handshake failed");
                        return;
                    }
                    Err(_) => {
                        tracing::info!(connection = id, "TLS handshake took too long");
                        return;
                    }
                },
            };
            let Accepted { stream, peer, slot } = accepted;
            let peer = service.connected(id, peer);
            tracing::debug!(connection = id, "connection opened");
            let mut conversation = Conversation {
                service: Arc::clone(&service),
                peer: Arc::clone(&peer),
                connection: Connection::new(stream),
                shutdown,
                next_request_id: 1,
            };
            if let Err(error) = conversation.run().await {
                tracing::info!(connection = id, %error, "connection closed");
            }
            service.disconnected(&peer);
            tracing::debug!(connection = id, "connection ended");
            drop(slot);
        }
    }
}

/// Whether the service was ended or just dropped: what still runs then runs for nobody, and on a thread
/// that whoever ends the runtime waits for.
impl<S: Service> Drop for Acceptor<S> {
    fn drop(&mut self) {
        self.service.interrupt();
    }
}

/// Waits for connections to end; says whether all did.
async fn drained(connections: &mut JoinSet<()>, limit: Duration) -> bool {
    timeout(limit, async { while connections.join_next().await.is_some() {} }).await.is_ok()
}

struct Conversation<S: Service> {
    service: Arc<S>,
    peer: Arc<S::Peer>,
    connection: Connection<Stream>,
    shutdown: CancellationToken,
    next_request_id: i32,
}

impl<S: Service> Conversation<S> {
    /// Reads and answers until the peer closes, the service ends, or bytes make no sense.
    async fn run(&mut self) -> Result<(), WireError> {
        let shutdown = self.shutdown.clone();
        let mut ended = std::pin::pin!(shutdown.cancelled());
        loop {
            let received = tokio::select! {
                biased;
                () = &mut ended => return Ok(()),
                received = self.connection.read() => received,
            };
            let received = match received {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.complain(error).await?;
                    continue;
                }
            };
            self.service.received(received.wire_len);
            let reply_expected = reply_expected(&received.message);
            let asked = Asked {
                request_id: received.message.request_id,
                is_legacy: matches!(received.message.operation, Operation::Query(_)),
                with_checksum: has_checksum(&received.message),
                compressor: received.compressor,
            };
            match Request::from_operation(received.message.operation) {
                Ok(request) => {
                    if !self.answer(asked, request, reply_expected).await? {
                        return Ok(());
                    }
                }
                Err(error) if reply_expected => {
                    self.send(&asked, error.to_reply(), false).await?;
                }
                Err(_) => {}
            }
        }
    }

    /// Handles one request and what follows from it; says whether the connection goes on.
    async fn answer(
        &mut self,
        mut asked: Asked,
        mut request: Request,
        reply_expected: bool,
    ) -> Result<bool, WireError> {
        loop {
            match self.answer_unless_closed(request).await {
                Answer::Close => return Ok(false),
                Answer::Reply(_) | Answer::ReplyThen(..) if !reply_expected => return Ok(true),
                Answer::Reply(body) => {
                    self.send(&asked, body, false).await?;
                    return Ok(true);
                }
                Answer::ReplyThen(body, next) => {
                    asked.request_id = self.send(&asked, body, true).await?;
                    request = *next;
                    if self.shutdown.is_cancelled() {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Has a command answered; ends it early if it makes no sense without its client.
    async fn answer_unless_closed(&mut self, request: Request) -> Answer {
        let mut answering = std::pin::pin!(self.service.answer(&self.peer, request));
        tokio::select! {
            biased;
            answer = &mut answering => return answer,
            () = self.connection.closed() => {}
        }
        if self.service.hung_up(&self.peer) {
            answering.await;
        }
        Answer::Close
    }

    /// Answers a message whose frame is sound but whose document is not.
    async fn complain(&mut self, error: WireError) -> Result<(), WireError> {
        let WireError::InvalidBson { fault, request_id, reply_expected } = error else {
            return Err(error);
        };
        if !reply_expected {
            return Ok(());
        }
        let code = match fault {
            fieldveil_wire::BsonFault::TooDeep => codes::OVERFLOW,
            _ => codes::INVALID_BSON,
        };
        let asked = Asked { request_id, is_legacy: false, with_checksum: false, compressor: None };
        let reply = CommandError::new(code, format!("invalid BSON: {fault}")).to_reply();
        self.send(&asked, reply, false).await.map(|_| ())
    }

    async fn send(
        &mut self,
        asked: &Asked,
        body: RawDocumentBuf,
        more_to_come: bool,
    ) -> Result<i32, WireError> {
        let request_id = self.next_request_id;
        self.next_request_id = self.next_request_id.wrapping_add(1);
        let operation = if asked.is_legacy {
            Operation::Reply(OpReply::new(body))
        } else {
            let mut message = OpMsg::new(body);
            if more_to_come {
                message.flags = message.flags.with(MsgFlags::MORE_TO_COME);
            }
            if asked.with_checksum {
                message.flags = message.flags.with(MsgFlags::CHECKSUM_PRESENT);
            }
            Operation::Msg(message)
        };
        let message = Message { request_id, response_to: asked.request_id, operation };
        self.service.sent(self.connection.write(&message, asked.compressor).await?);
        if let Operation::Msg(message) = message.operation {
            self.service.recycle(message.body);
        }
        Ok(request_id)
    }
}

/// What a reply must know about the message it answers.
struct Asked {
    request_id: i32,
    is_legacy: bool,
    with_checksum: bool,
    compressor: Option<Compressor>,
}

fn has_checksum(message: &Message) -> bool {
    match &message.operation {
        Operation::Msg(message) => message.flags.contains(MsgFlags::CHECKSUM_PRESENT),
        Operation::Query(_) | Operation::Reply(_) => false,
    }
}
