//! Directus' document is Directus': it comes with the npm package `@directus/specs`, and is not copied.

fn main() -> keyway_build::Result {
    println!("cargo::rerun-if-env-changed=DIRECTUS_DOCUMENT");
    let document = std::env::var("DIRECTUS_DOCUMENT").unwrap_or_else(|_| "openapi.json".to_owned());
    keyway_build::document(document).overlay("directus.overlay.yaml").generate("directus")
}
