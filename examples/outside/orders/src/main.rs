//! Typed calls of Acme's own document under Keyway's session.
//!
//! `acme.yaml` is what Acme publishes: no marks, in-line schemas, ids missing. `acme.overlay.yaml` says what only a person can,
//! `build.rs` makes the calls of both, and here a session is put under them. Acme listens in this process.

mod issuer;
mod vendor;

keyway::include_document!(acme);

use acme::types::{Card, CreateOrderAnswer, Order, OrderAnswer, PaymentAnswer, Problem};
use keyway::{Error, ErrorKind, File, custom};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vendor = vendor::start().await;
    let issuer = issuer::Acme { password: "open sesame".into() };
    let session = custom::Client::builder(vendor.uri()).issuer(issuer).principal("till-7");
    // What Acme means by a failure, where its status does not say.
    let session = session.judge(|failure| {
        let none = failure.operation() == "download_invoice" && failure.status() == 404;
        none.then(|| Error::declined("Acme has not written this invoice yet"))
    });
    let session = session.build()?;
    let acme = acme::Client::new(&session);

    let call = acme.api().get_orders().limit(2).filter_customer("Ada & Bob");
    let orders = call.status(vec!["open".into(), "paid".into()]).send().await?;
    orders.iter().for_each(|order| println!("{}", shown(order)));

    // A choice of the document is an enum; what only answers have is not there to be set.
    let card: Card = Card::builder().by("card").last4("1881").try_into()?;
    let order = Order::builder().payment(card).url_2("https://shop.example");
    match acme.api().create_order().body(order).send().await?.into_inner() {
        CreateOrderAnswer::Ticket(ticket) => println!("it is being made: {}", ticket.ticket.unwrap_or_default()),
        other => println!("it was made: {other:?}"),
    }

    println!("as CSV: {}", acme.api().order_as_csv().id("a/1").send().await?.trim_end());
    let invoice = acme.api().download_invoice().id("1").send().await?.into_inner().bytes(1 << 20).await?;
    println!("its invoice has {} bytes", invoice.len());
    let file = File::new(invoice).named("invoice.pdf").media_type("application/pdf");
    let sent = acme.api().upload_invoice().id("1").body_map(|body| body.file(file).note("as agreed")).send().await?;
    println!("sent back: {}", sent.status());

    let error = acme.api().download_invoice().id("2").send().await.expect_err("it has none yet");
    assert_eq!(error.kind(), ErrorKind::Declined);
    println!("{error}: {}", error.detail::<Problem>().and_then(|problem| problem.title.as_deref()).unwrap_or("?"));
    let error = acme.api().get_orders().limit(101).send().await.expect_err("Acme's document allows 100");
    assert_eq!(error.kind(), ErrorKind::Validation);
    println!("{error}");
    acme.session().sign_out().await?;
    Ok(())
}

fn shown(order: &OrderAnswer) -> String {
    let by = match &order.payment {
        Some(PaymentAnswer::Card(card)) => format!("a card that ends with {}", card.last4.as_deref().unwrap_or("?")),
        Some(PaymentAnswer::Transfer(transfer)) => format!("transfer from {}", transfer.iban.as_deref().unwrap_or("?")),
        _ => "other means".to_owned(),
    };
    format!("order {} is paid by {by}", order.id.as_deref().unwrap_or("?"))
}
