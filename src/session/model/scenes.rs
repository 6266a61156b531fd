//! What is explored.

use super::{explore::explore, *};

pub(super) const NONE: Left = Left {
    calls: 0,
    renews: 0,
    sign_ins: 0,
    sign_outs: 0,
    rejects: 0,
    resumes: 0,
    closes: 0,
    waits: 0,
    days: 0,
    misfortunes: 0,
    crashes: 0,
    skews: 0,
};

pub(super) const ONE: Scene = Scene {
    processes: 1,
    renewal: Renewal::RefreshToken { rotates: true },
    seed: false,
    foreign: false,
    wants: VendorWants::Nothing,
    budget: None,
    slow: false,
    left: Left { calls: 1, renews: 1, misfortunes: 1, ..NONE },
    broken: None,
};

/// What is explored, by name: every day, and with `KEYWAY_MODEL=long`.
fn scenes() -> Vec<(&'static str, Scene, Scene)> {
    let two = |left| Scene { processes: 2, left, ..ONE };
    let one = |left| Scene { left, ..ONE };
    let quiet = |scene| Scene { renewal: Renewal::SignIn, ..scene };
    let steady = |scene| Scene { renewal: Renewal::RefreshToken { rotates: false }, ..scene };
    let out = Left { calls: 1, sign_outs: 1, sign_ins: 1, ..NONE };
    let scene = |name, every_day, long| (name, every_day, long);
    let asks = |wants, left| Scene { wants, ..one(left) };
    vec![
        scene(
            "two renew",
            two(Left { calls: 2, renews: 1, misfortunes: 1, waits: 1, ..NONE }),
            two(Left { calls: 2, renews: 1, misfortunes: 2, waits: 1, ..NONE }),
        ),
        scene("two sign out", two(Left { misfortunes: 1, ..out }), two(Left { misfortunes: 1, calls: 2, ..out })),
        scene(
            "one, and everything befalls it",
            one(Left { misfortunes: 1, renews: 1, ..out }),
            one(Left { misfortunes: 2, waits: 1, renews: 1, ..out }),
        ),
        scene(
            "two, and one crashes",
            two(Left { calls: 2, renews: 1, crashes: 1, ..NONE }),
            two(Left { calls: 2, renews: 1, crashes: 1, misfortunes: 1, ..NONE }),
        ),
        scene(
            "tokens end, are rejected, and clocks are wrong",
            two(Left { calls: 2, days: 1, rejects: 1, skews: 1, ..NONE }),
            two(Left { calls: 2, days: 1, rejects: 1, skews: 1, sign_outs: 1, misfortunes: 1, ..NONE }),
        ),
        scene(
            "three",
            Scene { processes: 3, ..two(Left { calls: 2, renews: 1, sign_outs: 1, ..NONE }) },
            Scene { processes: 3, ..two(Left { calls: 3, renews: 1, sign_outs: 1, misfortunes: 1, ..NONE }) },
        ),
        scene(
            "no refresh token",
            quiet(two(Left { misfortunes: 1, ..out })),
            quiet(two(Left { misfortunes: 1, calls: 2, days: 1, ..out })),
        ),
        scene(
            "refresh tokens that do not rotate",
            steady(two(Left { calls: 1, renews: 1, sign_outs: 1, misfortunes: 1, ..NONE })),
            steady(two(Left { calls: 2, renews: 1, days: 1, misfortunes: 1, ..out })),
        ),
        scene(
            "a seed",
            Scene { seed: true, ..two(Left { calls: 2, sign_outs: 1, crashes: 1, ..NONE }) },
            Scene {
                seed: true,
                ..two(Left { calls: 2, sign_outs: 1, sign_ins: 1, crashes: 1, misfortunes: 1, ..NONE })
            },
        ),
        scene(
            "two credentials",
            Scene { foreign: true, ..two(Left { calls: 2, renews: 1, sign_outs: 1, ..NONE }) },
            Scene { foreign: true, ..two(Left { calls: 2, renews: 1, misfortunes: 1, sign_outs: 1, ..NONE }) },
        ),
        scene(
            "a captcha, answered late and twice",
            asks(VendorWants::Captcha, Left { calls: 1, sign_outs: 1, resumes: 2, misfortunes: 1, ..NONE }),
            asks(VendorWants::Captcha, Left { resumes: 2, misfortunes: 1, waits: 1, days: 1, ..out }),
        ),
        scene(
            "a person at hand",
            asks(VendorWants::Person, Left { calls: 2, rejects: 1, sign_outs: 1, misfortunes: 1, ..NONE }),
            asks(VendorWants::Person, Left { calls: 2, rejects: 1, resumes: 1, misfortunes: 2, waits: 1, ..out }),
        ),
        scene(
            "a device code",
            asks(VendorWants::DeviceCode, Left { calls: 1, resumes: 2, waits: 2, sign_outs: 1, ..NONE }),
            asks(VendorWants::DeviceCode, Left { resumes: 2, misfortunes: 1, waits: 2, ..out }),
        ),
        scene(
            "one session at most",
            Scene {
                wants: VendorWants::OneSession,
                ..quiet(two(Left { calls: 2, rejects: 1, misfortunes: 1, ..NONE }))
            },
            Scene {
                wants: VendorWants::OneSession,
                ..quiet(two(Left { rejects: 2, misfortunes: 1, calls: 2, ..out }))
            },
        ),
        scene(
            "a budget",
            Scene { budget: Some(1), ..quiet(two(Left { calls: 2, renews: 1, ..NONE })) },
            Scene { budget: Some(1), ..quiet(two(Left { calls: 2, renews: 2, sign_ins: 1, crashes: 1, ..NONE })) },
        ),
        scene(
            "answers that take their time",
            Scene { slow: true, ..one(Left { misfortunes: 1, ..out }) },
            Scene { slow: true, ..two(Left { renews: 1, misfortunes: 1, ..out }) },
        ),
        scene(
            "an orderly end",
            two(Left { calls: 1, renews: 1, closes: 1, misfortunes: 1, ..NONE }),
            two(Left { calls: 1, renews: 1, closes: 1, misfortunes: 1, waits: 1, ..out }),
        ),
    ]
}

#[apply(leak_checked!)]
fn whatever_befalls_them_sessions_keep_what_is_promised() {
    let long = std::env::var("KEYWAY_MODEL").is_ok_and(|size| size == "long");
    let only = std::env::var("KEYWAY_MODEL_ONLY").unwrap_or_default();
    let scenes = scenes().into_iter().filter(|(name, ..)| name.contains(&only)).collect::<Vec<_>>();
    let (scenes, broken) = (Mutex::new(scenes), Mutex::new(Vec::new()));
    let next = || scenes.lock().expect("whole").pop();
    // Threads of this test have its name, so that what they make is known to be its own.
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let thread = std::thread::Builder::new().name(name.clone());
            let search = || {
                while let Some((name, every_day, larger)) = next() {
                    let found = explore(if long { larger } else { every_day });
                    eprintln!("{name}: {found:?}");
                    broken.lock().expect("whole").extend(found.err().map(|found| format!("{name}: {found}")));
                }
            };
            thread.spawn_scoped(scope, search).expect("a thread");
        }
    });
    let broken = broken.into_inner().expect("whole");
    assert!(broken.is_empty(), "{broken:#?}");
}
