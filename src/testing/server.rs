//! The server behind every fake: wiremock, on a thread of its own, behind a proxy.

use super::{
    proxy::{Deliveries, Proxy},
    runtime::Runtime,
};
use std::{io, net::SocketAddr, sync::Arc, thread};
use tokio::{net::TcpListener, runtime, sync::oneshot};
use wiremock::{Mock, MockServer, Respond, matchers::any};

/// A running server. It belongs to no runtime of the test; dropping it closes the port and all connections.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Listens on this port of 127.0.0.1; 0 is any free one.
    pub(super) async fn start(respond: impl Respond + 'static, deliveries: Arc<Deliveries>, port: u16) -> Self {
        let (started, listens) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the fake can be made");
        let handle = Runtime::of(&runtime);
        let serve = move || runtime.block_on(serve(respond, deliveries, port, started, stopped));
        let thread = thread::Builder::new().name("keyway-fake".to_owned()).spawn(serve);
        let address = listens
            .await
            .expect("the fake's server starts")
            .unwrap_or_else(|error| panic!("a fake cannot listen on port {port} of 127.0.0.1: {error}"));
        Self {
            thread: Some(thread.expect("a thread for the fake can be started")),
            address,
            runtime: handle,
            stop: Some(stop),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(()); // gone already: as good
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // so that a client which connects after the drop is refused
        }
    }
}

async fn serve(
    respond: impl Respond + 'static,
    deliveries: Arc<Deliveries>,
    port: u16,
    started: oneshot::Sender<io::Result<SocketAddr>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let vendor = MockServer::builder().disable_request_recording().start().await;
    Mock::given(any()).respond_with(respond).mount(&vendor).await;
    let listener = match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => listener,
        Err(error) => return drop(started.send(Err(error))),
    };
    let _ = started.send(listener.local_addr());
    let proxy = Arc::new(Proxy::to(*vendor.address(), deliveries));
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => if let Ok((caller, _)) = accepted {
                let proxy = proxy.clone();
                // An error here is a connection that broke: the caller has noticed it too.
                tokio::spawn(async move { proxy.attend(caller).await.ok() });
            },
        }
    }
}
