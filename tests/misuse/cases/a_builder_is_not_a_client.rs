use keyway::vms;

async fn call() {
    let vms = vms::Client::builder("https://vms.example").password("operator@example.org", "secret");
    vms.session().lease().await;
}

fn main() {}
