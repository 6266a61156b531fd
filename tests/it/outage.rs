//! Twenty seconds in which the vendor refuses, resets, tears and declines, then recovers: the same client goes on.

use crate::vitamojo_client_at;
use keyway::{
    ErrorKind,
    testing::{FakeVitaMojo, ManualClock},
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
enum Weather {
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

const OUTAGE: [Weather; 5] =
    [Weather::Refused, Weather::Reset, Weather::HalfHead, Weather::HalfBody, Weather::Unavailable];

/// One address, whose weather changes.
struct Road {
    address: SocketAddr,
    vendor: String,
    /// Holds the port while nobody listens, so that no other test gets it.
    _place: TcpSocket,
    weather: Option<JoinHandle<()>>,
    /// Requests that came while the weather was not fine.
    lost: Arc<AtomicUsize>,
}

impl Road {
    async fn to(fake: &FakeVitaMojo) -> Self {
        let place = socket();
        place.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = place.local_addr().unwrap();
        let vendor = fake.uri().trim_start_matches("http://").to_owned();
        let mut road = Self { address, vendor, _place: place, weather: None, lost: Arc::default() };
        road.turns(Weather::Fine).await;
        road
    }

    fn client(&self, clock: &ManualClock) -> keyway::vitamojo::Client {
        let client = vitamojo_client_at(&format!("http://{}", self.address), clock);
        // Every request has a connection of its own, so that each is met by the weather of its time.
        client.http(|http| http.pool_max_idle_per_host(0)).build().unwrap()
    }

    async fn turns(&mut self, weather: Weather) {
        if let Some(before) = self.weather.take() {
            before.abort();
            let _ = before.await;
        }
        if weather == Weather::Refused {
            return;
        }
        let socket = socket();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(64).unwrap();
        let (vendor, lost) = (self.vendor.clone(), self.lost.clone());
        self.weather = Some(tokio::spawn(serve(listener, weather, vendor, lost)));
    }

    /// The requests that were lost since the last look.
    fn lost(&self) -> usize {
        self.lost.swap(0, Ordering::SeqCst)
    }
}

fn socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket
}

async fn serve(listener: TcpListener, weather: Weather, vendor: String, lost: Arc<AtomicUsize>) {
    let mut guests = JoinSet::new();
    while let Ok((guest, _)) = listener.accept().await {
        let (vendor, lost) = (vendor.clone(), lost.clone());
        guests.spawn(async move { receive(guest, weather, &vendor, &lost).await.ok() });
    }
}

async fn receive(mut guest: TcpStream, weather: Weather, vendor: &str, lost: &AtomicUsize) -> std::io::Result<()> {
    if weather == Weather::Fine {
        let mut vendor = TcpStream::connect(vendor).await?;
        return tokio::io::copy_bidirectional(&mut guest, &mut vendor).await.map(drop);
    }
    read_request(&mut guest).await?;
    lost.fetch_add(1, Ordering::SeqCst);
    match weather {
        Weather::Reset => reset(guest),
        Weather::HalfHead => guest.write_all(b"HTTP/1.1 200 OK\r\ncontent-ty").await,
        Weather::HalfBody => {
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

async fn start() -> (FakeVitaMojo, ManualClock, Road, keyway::vitamojo::Client) {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let road = Road::to(&fake).await;
    let client = road.client(&clock);
    (fake, clock, road, client)
}

/// A refused connection is tried three times; lets the waits between them pass. `others` sleep beside it.
async fn pass_waits(clock: &ManualClock, weather: Weather, others: usize) {
    if weather == Weather::Refused {
        for wait in [200, 400] {
            clock.until_sleeping(others + 1).await;
            clock.advance(Duration::from_millis(wait));
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn calls_go_on_after_an_outage_of_twenty_seconds() {
    let (fake, clock, mut road, client) = start().await;
    client.session().lease().await.unwrap();
    for weather in OUTAGE {
        road.turns(weather).await;
        for _ in 0..4 {
            let call = tokio::spawn(client.http().get("/order/v1/orders").send());
            pass_waits(&clock, weather, 0).await;
            match (weather, call.await.unwrap()) {
                (Weather::Unavailable, answer) => assert_eq!(answer.unwrap().status(), 503),
                (Weather::HalfBody, answer) => assert!(answer.unwrap().bytes().await.is_err()),
                (_, answer) => assert_eq!(answer.unwrap_err().kind(), ErrorKind::Outage, "{weather:?}"),
            }
            clock.advance(SECOND);
        }
        assert_eq!(road.lost(), if weather == Weather::Refused { 0 } else { 4 }, "{weather:?}");
    }
    road.turns(Weather::Fine).await;
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("other"), fake.count("auth"), fake.count("refresh_token")), (1, 1, 0));
}

/// One kind of trouble after the other, each for as long as the failure before it cools down: 23 s at least. In between
/// a hundred callers are answered from memory. Tells how many requests each kind has cost.
async fn sit_out(clock: &ManualClock, road: &mut Road, client: &keyway::vitamojo::Client) -> Vec<usize> {
    let began = keyway::Clock::monotonic(clock);
    let mut cost = Vec::new();
    for weather in OUTAGE {
        road.turns(weather).await;
        let session = client.session().clone();
        let caller = tokio::spawn(async move { session.lease().await.unwrap_err() });
        // The caller's own patience with the flight is a sleeper too.
        pass_waits(clock, weather, 1).await;
        let error = caller.await.unwrap();
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Outage, true), "{weather:?}: {error}");
        for _ in 0..100 {
            assert!(client.session().lease().await.unwrap_err().is_local());
        }
        cost.push(road.lost());
        clock.advance(error.retry_after().unwrap());
    }
    assert!(keyway::Clock::monotonic(clock) - began >= 20 * SECOND);
    road.turns(Weather::Fine).await;
    cost
}

#[tokio::test]
async fn a_sign_in_works_after_an_outage_of_twenty_seconds() {
    let (fake, clock, mut road, client) = start().await;
    assert_eq!(sit_out(&clock, &mut road, &client).await, [0, 1, 1, 1, 1]);
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("auth"), fake.count("refresh_token")), (1, 0));
}

#[tokio::test]
async fn a_renewal_works_after_an_outage_of_twenty_seconds() {
    let (fake, clock, mut road, client) = start().await;
    client.session().lease().await.unwrap();
    clock.advance(Duration::from_secs(11 * 60));
    // Where nobody knows whether the token was spent, one further try is made.
    assert_eq!(sit_out(&clock, &mut road, &client).await, [0, 2, 2, 2, 1]);
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, 1, 0));
}
