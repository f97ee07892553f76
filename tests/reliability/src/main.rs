//! `make soak`, `make chaos` and `make load`.

fn main() {
    tollgate_reliability::main();
}
