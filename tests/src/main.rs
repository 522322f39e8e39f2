//! The program that the end-to-end tests start.

fn main() -> std::process::ExitCode {
    pipeline::main()
}
