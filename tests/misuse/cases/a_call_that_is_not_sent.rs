#![deny(unused_must_use)]

use keyway::vms;

async fn nothing_happens(vms: &vms::Client) {
    vms.http().get("/api/v1/cameras");
    vms.api().list_sessions();
    vms.session();
    vms.session().lease();
}

fn main() {}
