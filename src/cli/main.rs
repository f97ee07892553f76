//! The command `tollgate`: what an operator needs around the filter.

mod commands;
mod kit;

fn main() -> std::process::ExitCode {
    commands::main()
}
