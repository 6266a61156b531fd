//! What the crate tells through `tracing`: little, and never a secret.

use crate::vitamojo_client;
use keyway::testing::{FakeVitaMojo, Fault, ManualClock};
use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// The lines so far, of our crate only, and forgets them.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().filter(|line| line.contains("keyway:")).map(str::to_owned).collect()
    }
}

#[test]
fn a_renewal_tells_two_lines_a_failure_one_more_and_a_served_token_none() {
    // Whoever meets an event first decides whether anybody wants it: another test's thread, without this, that nobody does.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = ManualClock::new();
            let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
            let client = vitamojo_client(&fake, &clock).build().unwrap();
            client.session().lease().await.unwrap();
            let lines = log.take();
            assert_eq!(lines.len(), 2, "{lines:#?}");
            assert!(lines.iter().all(|line| line.contains("DEBUG")), "{lines:#?}");

            for _ in 0..100 {
                client.http().get("/order/v1/orders").send().await.unwrap();
            }
            assert_eq!(log.take(), Vec::<String>::new());

            clock.advance(Duration::from_secs(11 * 60));
            client.session().lease().await.unwrap();
            let lines = log.take();
            assert_eq!(lines.len(), 2, "{lines:#?}");
            for input in ["reason=Expired", "left_ms=0", "generation=", "took_ms=", "flight=2"] {
                assert!(lines[1].contains(input), "{input}: {}", lines[1]);
            }

            fake.always("refresh_token", Fault::Html(503));
            clock.advance(Duration::from_secs(11 * 60));
            for _ in 0..10 {
                client.session().lease().await.unwrap_err();
            }
            let lines = log.take();
            assert_eq!(lines.len(), 2, "{lines:#?}");
            assert!(lines[1].contains("WARN") && lines[1].contains("Outage"), "{lines:#?}");
            for secret in fake.secrets() {
                assert!(lines.iter().all(|line| !line.contains(&secret)));
            }
        });
    });
}
