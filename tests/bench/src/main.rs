//! `make bench`.

fn main() {
    tollgate_bench::main();
}
