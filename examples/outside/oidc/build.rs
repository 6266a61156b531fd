fn main() -> keyway_build::Result {
    keyway_build::document("userinfo.yaml").strict().generate("userinfo")
}
