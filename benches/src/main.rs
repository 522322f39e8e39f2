//! The program once more, under a name of its own: Cargo tells a benchmark only where the programs of its own package are.

fn main() -> std::process::ExitCode {
    pipeline::main()
}
