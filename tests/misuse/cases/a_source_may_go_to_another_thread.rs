use keyway::{Secret, vms};
use std::rc::Rc;

fn main() {
    let kept = Rc::new("hunter2");
    let source = move || {
        let kept = kept.clone();
        async move { Ok::<_, std::io::Error>(Secret::from(*kept)) }
    };
    let _ = vms::Client::builder("https://vms.example").password_from("operator@example.org", source);
}
