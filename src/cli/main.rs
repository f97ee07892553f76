//! The command `tollgate`: tools for operators of the filter.

mod commands;
mod kit;

fn main() -> std::process::ExitCode {
    commands::main()
}
