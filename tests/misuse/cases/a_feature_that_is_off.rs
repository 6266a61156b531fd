fn main() {
    let _ = keyway::oauth2::Client::discover("https://id.example");
}
