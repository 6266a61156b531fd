//! Twenty seconds in which the vendor refuses, resets, tears and declines, then recovers: the same client goes on.

use crate::laws::{Surface, for_every_surface};
use keyway::{
    Clock, Error, ErrorKind, Http, Session,
    testing::{ClientSetup, Fake, Fault, ManualClock},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// What becomes of those who come to the vendor's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    /// Nobody listens.
    Refused,
    /// The connection is reset once the request is there.
    Reset,
    /// The answer ends within its head.
    HalfHead,
    /// The answer ends within its body.
    HalfBody,
    /// 503.
    Unavailable,
    /// The vendor answers.
    Fine,
}

const OUTAGE: [Network; 5] =
    [Network::Refused, Network::Reset, Network::HalfHead, Network::HalfBody, Network::Unavailable];

/// One address, whose network changes.
struct Road {
    address: SocketAddr,
    vendor: String,
    /// Holds the port while nobody listens, so that no other test gets it.
    _place: TcpSocket,
    network: Option<JoinHandle<()>>,
    /// Requests that came while the network was not fine.
    lost: Arc<AtomicUsize>,
}

impl Road {
    async fn to(fake: &Fake) -> Self {
        let place = socket();
        place.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = place.local_addr().unwrap();
        let vendor = fake.uri().trim_start_matches("http://").to_owned();
        let mut road = Self { address, vendor, _place: place, network: None, lost: Arc::default() };
        road.turns(Network::Fine).await;
        road
    }

    async fn turns(&mut self, network: Network) {
        if let Some(before) = self.network.take() {
            before.abort();
            let _ = before.await;
        }
        if network == Network::Refused {
            return;
        }
        let socket = socket();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(64).unwrap();
        let (vendor, lost) = (self.vendor.clone(), self.lost.clone());
        self.network = Some(tokio::spawn(serve(listener, network, vendor, lost)));
    }

    /// The requests that were lost since the last look.
    fn lost(&self) -> usize {
        self.lost.swap(0, Ordering::SeqCst)
    }
}

fn socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    // One of them holds the address while nobody listens there.
    #[cfg(unix)]
    socket.set_reuseport(true).unwrap();
    #[cfg(not(unix))]
    socket.set_reuseaddr(true).unwrap();
    socket
}

async fn serve(listener: TcpListener, network: Network, vendor: String, lost: Arc<AtomicUsize>) {
    let mut guests = JoinSet::new();
    while let Ok((guest, _)) = listener.accept().await {
        let (vendor, lost) = (vendor.clone(), lost.clone());
        guests.spawn(async move { receive(guest, network, &vendor, &lost).await.ok() });
    }
}

async fn receive(mut guest: TcpStream, network: Network, vendor: &str, lost: &AtomicUsize) -> std::io::Result<()> {
    if network == Network::Fine {
        let mut vendor = TcpStream::connect(vendor).await?;
        return tokio::io::copy_bidirectional(&mut guest, &mut vendor).await.map(drop);
    }
    read_request(&mut guest).await?;
    lost.fetch_add(1, Ordering::SeqCst);
    match network {
        Network::Reset => reset(guest),
        Network::HalfHead => guest.write_all(b"HTTP/1.1 200 OK\r\ncontent-ty").await,
        Network::HalfBody => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"payload\":";
            guest.write_all(head).await
        }
        _ => guest.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await,
    }
}

#[allow(deprecated, reason = "a linger of zero is what resets, and it does not block")]
fn reset(guest: TcpStream) -> std::io::Result<()> {
    guest.set_linger(Some(Duration::ZERO))
}

/// All of it: a connection that is closed over unread bytes would be reset.
async fn read_request(guest: &mut TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        if guest.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Ok(());
        }
    }
}

/// A client at the end of a road to its vendor. No fake keeps a connection, so each request is met by the network of its
/// time.
struct Fixture<S> {
    surface: S,
    clock: ManualClock,
    road: Road,
    http: Http,
    session: Session,
}

impl<S: Surface> Fixture<S> {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let surface = S::start(&clock, S::LIFE).await;
        surface.fake().serve(S::PATH);
        let road = Road::to(surface.fake()).await;
        let (http, session) = surface.client(&ClientSetup::at(format!("http://{}", road.address), &clock));
        Self { surface, clock, road, http, session }
    }

    /// The requests that have reached the vendor: calls, and those that obtain tokens.
    fn arrived(&self) -> (usize, Vec<usize>) {
        let fake = self.surface.fake();
        (fake.count("other"), S::OBTAIN.iter().map(|operation| fake.count(operation)).collect())
    }

    async fn call(&self) -> Result<u16, Error> {
        self.http.get(S::PATH).send().await.map(|answer| answer.status().as_u16())
    }

    /// One kind of trouble after the other, each for as long as the failure before it cools down: 23 s at least. In
    /// between a hundred callers are answered from memory. Tells how many requests each kind has cost.
    async fn sit_out(&mut self) -> Vec<usize> {
        let began = self.clock.monotonic();
        let mut cost = Vec::new();
        for network in OUTAGE {
            self.road.turns(network).await;
            let session = self.session.clone();
            let caller = tokio::spawn(async move { session.lease().await.unwrap_err() });
            // The deadline of the run is a sleeper too.
            let error = pass_waits(&self.clock, caller, 1).await;
            assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Outage, true), "{network:?}: {error}");
            for _ in 0..100 {
                assert!(self.session.lease().await.unwrap_err().is_local());
            }
            cost.push(self.road.lost());
            self.clock.advance(error.retry_after().unwrap());
        }
        assert!(self.clock.monotonic() - began >= 20 * SECOND);
        self.road.turns(Network::Fine).await;
        cost
    }
}

/// A connection that was refused is tried for again, twice at most; lets the waits before that pass. `others` sleep
/// beside it.
async fn pass_waits<T>(clock: &ManualClock, mut task: JoinHandle<T>, others: usize) -> T {
    for wait in [200, 400] {
        tokio::select! {
            biased;
            done = &mut task => return done.unwrap(),
            () = clock.until_sleeping(others + 1) => clock.advance(Duration::from_millis(wait)),
        }
    }
    task.await.unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

async fn calls_go_on_after_an_outage_of_twenty_seconds<S: Surface>() {
    let mut fixture = Fixture::<S>::new().await;
    fixture.session.lease().await.unwrap();
    let before = fixture.arrived();
    for network in OUTAGE {
        fixture.road.turns(network).await;
        for _ in 0..4 {
            let call = tokio::spawn(fixture.http.get(S::PATH).send());
            match (network, pass_waits(&fixture.clock, call, 0).await) {
                (Network::Unavailable, answer) => assert_eq!(answer.unwrap().status(), 503),
                (Network::HalfBody, answer) => assert!(answer.unwrap().bytes().await.is_err()),
                (_, answer) => assert_eq!(answer.unwrap_err().kind(), ErrorKind::Outage, "{network:?}"),
            }
            fixture.clock.advance(SECOND);
        }
        assert_eq!(fixture.road.lost(), if network == Network::Refused { 0 } else { 4 }, "{network:?}");
    }
    fixture.road.turns(Network::Fine).await;
    assert_eq!(fixture.call().await.unwrap(), 200);
    assert_eq!(fixture.arrived(), (before.0 + 1, before.1));
}

async fn a_sign_in_works_after_an_outage_of_twenty_seconds<S: Surface>() {
    let mut fixture = Fixture::<S>::new().await;
    assert_eq!(fixture.sit_out().await, [0, 1, 1, 1, 1]);
    assert_eq!(fixture.call().await.unwrap(), 200);
    let mut once = vec![0; S::OBTAIN.len()];
    once[0] = 1;
    assert_eq!(fixture.arrived(), (1, once));
}

async fn a_renewal_works_after_an_outage_of_twenty_seconds<S: Surface>() {
    let mut fixture = Fixture::<S>::new().await;
    fixture.session.lease().await.unwrap();
    end_the_token(&fixture).await;
    let (calls, before) = fixture.arrived();
    // Where a token rotates and nobody knows whether it was spent, one further try is made.
    let torn = if S::RENEWS_BY_ROTATION { 2 } else { 1 };
    assert_eq!(fixture.sit_out().await, [0, torn, torn, torn, 1]);
    assert_eq!(fixture.call().await.unwrap(), 200);
    let (calls, after) = (fixture.arrived().0 - calls, fixture.arrived().1);
    assert_eq!((calls, after.iter().sum::<usize>()), (1, before.iter().sum::<usize>() + 1));
    assert_eq!(after.last(), before.last().map(|renewals| renewals + 1).as_ref());
}

/// By the clock; where nobody knows when a token ends, by a 401, at a time when no other one is to be had.
async fn end_the_token<S: Surface>(fixture: &Fixture<S>) {
    if let Some(life) = S::LIFE {
        return fixture.clock.advance(2 * life);
    }
    fixture.surface.forget();
    S::OBTAIN.iter().for_each(|operation| fixture.surface.fake().next(operation, Fault::Empty(503)));
    let error = fixture.call().await.unwrap_err();
    fixture.clock.advance(error.retry_after().unwrap());
}

for_every_surface! {
    calls_go_on_after_an_outage_of_twenty_seconds
    a_sign_in_works_after_an_outage_of_twenty_seconds
    a_renewal_works_after_an_outage_of_twenty_seconds
}
