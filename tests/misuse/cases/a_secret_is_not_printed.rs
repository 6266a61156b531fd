use keyway::Secret;

fn main() {
    let password = Secret::from("hunter2");
    println!("{password}");
    println!("{}", password.to_string());
}
