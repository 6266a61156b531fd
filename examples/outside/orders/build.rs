fn main() -> keyway_build::Result {
    keyway_build::document("acme.yaml").overlay("acme.overlay.yaml").generate("acme")
}
