fn main() -> keyway_build::Result {
    keyway_build::document("acme.yaml").generate("acme")
}
