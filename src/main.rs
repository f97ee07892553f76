//! The command `tollgate`: what an operator needs around the filter.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
