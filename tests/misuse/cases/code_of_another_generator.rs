keyway::__fits!(0, "0.0.9");

fn main() {}
