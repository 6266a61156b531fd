//! Stands between the callers and wiremock, and decides how an answer is delivered: later, torn, or never.
//!
//! wiremock answers one request at a time, from a synchronous function, and never closes a connection early; so an
//! answer can be neither held nor cut in there. The proxy speaks no HTTP: it passes the bytes of one request on, takes
//! all bytes of the answer, and reads the label that our responder put into its head.

use super::{fault::Cut, gate::Hold, time::Time};
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

/// The header that names a delivery. No caller sees it.
pub(super) const LABEL: &str = "x-keyway-delivery";

/// How one answer is to be delivered.
#[derive(Default)]
pub(super) struct Delivery {
    pub(super) gate: Option<(Arc<Hold>, usize)>,
    pub(super) delay: Option<Duration>,
    /// How long the second half of the body is kept back.
    pub(super) pause: Option<Duration>,
    pub(super) cut: Option<Cut>,
    /// Whether its `Date` is taken off.
    pub(super) dateless: bool,
}

/// Answers that are on their way and need care, by label.
pub(super) struct Deliveries {
    clock: Time,
    waiting: Mutex<(u64, HashMap<u64, Delivery>)>,
}

impl Deliveries {
    pub(super) fn new(clock: Time) -> Self {
        Self { clock, waiting: Mutex::default() }
    }

    /// Takes an order, and gives the label to put on the answer.
    pub(super) fn order(&self, delivery: Delivery) -> u64 {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0 += 1;
        let label = waiting.0;
        waiting.1.insert(label, delivery);
        label
    }

    fn take(&self, label: u64) -> Option<Delivery> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&label)
    }
}

pub(super) struct Proxy {
    vendor: SocketAddr,
    deliveries: Arc<Deliveries>,
    /// wiremock answers one at a time anyhow. More connections would only use up the process's file descriptors.
    permits: Semaphore,
}

impl Proxy {
    pub(super) fn to(vendor: SocketAddr, deliveries: Arc<Deliveries>) -> Self {
        Self { vendor, deliveries, permits: Semaphore::new(16) }
    }

    /// Serves one connection, request after request.
    pub(super) async fn attend(&self, mut caller: TcpStream) -> io::Result<()> {
        caller.set_nodelay(true)?;
        while caller.peek(&mut [0]).await? > 0 {
            let answer = self.ask_vendor(&mut caller).await?;
            let delivery = label(&answer).and_then(|label| self.deliveries.take(label)).unwrap_or_default();
            let answer = unlabelled(answer, delivery.dateless);
            self.wait_for(&delivery).await;
            let (first, second) = answer.split_at(middle(&answer));
            match (delivery.cut, delivery.pause) {
                (Some(Cut::Everything), _) => return Ok(()),
                (Some(Cut::Halfway), _) => return caller.write_all(first).await,
                (None, None) => caller.write_all(&answer).await?,
                (None, Some(pause)) => {
                    caller.write_all(first).await?;
                    self.deliveries.clock.sleep(pause).await;
                    caller.write_all(second).await?;
                }
            }
        }
        Ok(())
    }

    /// Carries one request to wiremock and its whole answer back: our responder asks it to close the connection then.
    async fn ask_vendor(&self, caller: &mut TcpStream) -> io::Result<Vec<u8>> {
        let _permit = self.permits.acquire().await.map_err(io::Error::other)?;
        let mut vendor = TcpStream::connect(self.vendor).await?;
        let (mut from_vendor, mut to_vendor) = vendor.split();
        let (mut from_caller, _) = caller.split();
        let mut answer = Vec::new();
        tokio::select! {
            biased;
            read = from_vendor.read_to_end(&mut answer) => read?,
            _ = tokio::io::copy(&mut from_caller, &mut to_vendor) => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        // No answer at all: the responder panicked. The caller sees a closed connection.
        if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
    }

    /// Waits until the answer may go.
    async fn wait_for(&self, delivery: &Delivery) {
        if let Some((hold, number)) = &delivery.gate {
            hold.pass(*number).await;
        }
        if let Some(delay) = delivery.delay {
            self.deliveries.clock.sleep(delay).await;
        }
    }
}

fn label(answer: &[u8]) -> Option<u64> {
    let head = String::from_utf8_lossy(&answer[..end_of_head(answer)]);
    let (_, value) = head.split("\r\n").filter_map(|line| line.split_once(':')).find(|(name, _)| *name == LABEL)?;
    value.trim().parse().ok()
}

/// Takes the label off an answer, and with it the word that the connection ends: this is between wiremock and us.
fn unlabelled(answer: Vec<u8>, dateless: bool) -> Vec<u8> {
    let head_ends = end_of_head(&answer);
    let head = String::from_utf8_lossy(&answer[..head_ends]);
    let is_kept = |line: &&str| match line.split_once(':') {
        Some((LABEL | "connection", _)) => false,
        Some(("date", _)) => !dateless,
        _ => true,
    };
    let kept: String = head.split_inclusive("\r\n").filter(is_kept).collect();
    let mut unlabelled = kept.into_bytes();
    unlabelled.extend_from_slice(&answer[head_ends..]);
    unlabelled
}

/// Where the second half of the body begins.
fn middle(answer: &[u8]) -> usize {
    let head_ends = end_of_head(answer);
    head_ends + (answer.len() - head_ends) / 2
}

fn end_of_head(answer: &[u8]) -> usize {
    answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |position| position + 4)
}
