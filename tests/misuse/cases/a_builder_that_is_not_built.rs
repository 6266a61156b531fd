#![deny(unused_must_use)]

use keyway::vms;

fn forgotten() {
    vms::Client::builder("https://vms.example").password("operator@example.org", "secret");
}

fn main() {}
