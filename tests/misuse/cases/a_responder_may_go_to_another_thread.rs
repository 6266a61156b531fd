use keyway::{Captcha, Responder, Secret};
use std::rc::Rc;

struct Person;

impl Responder for Person {
    async fn captcha(&self, _: Captcha) -> Option<Secret> {
        let shown = Rc::new("a picture");
        tokio::task::yield_now().await;
        Some(Secret::from(*shown))
    }
}

fn main() {}
