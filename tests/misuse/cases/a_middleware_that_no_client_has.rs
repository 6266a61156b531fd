#![deny(unused_must_use)]

fn forgotten(vms: &keyway::vms::Client) {
    vms.middleware();
}

fn main() {}
