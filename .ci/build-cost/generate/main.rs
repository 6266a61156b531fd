//! `generate DOCUMENT OVERLAY FILE`

use std::env::args;

fn main() -> keyway_build::Result {
    let [document, overlay, file] = [1, 2, 3].map(|n| args().nth(n).unwrap_or_default());
    keyway_build::document(document).overlay(overlay).generate_to(file)
}
