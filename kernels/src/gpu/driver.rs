//! What the driver of a software device is told. Drivers read the environment, and nothing else.

use std::fs::File;
use std::io::{self, Read};

/// Mesa's software drivers leave out the instructions that came after these.
const INSTRUCTIONS: (&str, &str) = ("GALLIUM_OVERRIDE_CPU_CAPS", "avx");

/// Enough of `/proc/cpuinfo` for its first processor; each further one takes the system some time.
const FIRST_PROCESSOR: u64 = 4096;

/// Has lavapipe compile shaders without AVX-512 where stores are slow with it, unless the environment says itself what it is to
/// use. A store goes through its lanes one by one and takes the address of each from a vector of eight, which is written to the
/// stack and read back for every lane: with AVX-512 it is one register of 512 bits, with AVX2 two of 256. Results are the same
/// bits, and so is everything else of the program, whose own kernels know nothing of this.
///
/// To be called before threads start: where the system does not say that there is one only, it does nothing.
pub fn prepare_software_driver() {
    let (name, value) = INSTRUCTIONS;
    if std::env::var_os(name).is_some() || !first_processor().is_ok_and(|text| stores_slowly(&text)) {
        return;
    }
    if threads().is_ok_and(|count| count == 1) {
        // SAFETY: this is the only thread, so no other reads or writes the environment.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Whether a lane is stored slowly with AVX-512 by the processor of that text: those of Intel take 14 cycles to read back a
/// part of 512 bits that were just written, and 5 with 256; others were quick with it.
fn stores_slowly(processor: &str) -> bool {
    let field = |name| {
        let mut lines = processor.lines().filter_map(|line| line.split_once(':'));
        lines.find_map(|(field, value)| (field.trim() == name).then_some(value.trim()))
    };
    field("vendor_id") == Some("GenuineIntel")
        && field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "avx512f"))
}

fn first_processor() -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open("/proc/cpuinfo")?.take(FIRST_PROCESSOR).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Threads of this process, where Linux lists them.
fn threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

#[cfg(test)]
mod tests {
    use super::{INSTRUCTIONS, prepare_software_driver, stores_slowly};

    #[test]
    fn only_processors_that_store_slowly_go_without() {
        let text =
            |vendor, flags| format!("processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags} avx\n");
        assert!(stores_slowly(&text("GenuineIntel", "avx512f avx512bw")));
        assert!(!stores_slowly(&text("GenuineIntel", "avx2")));
        assert!(!stores_slowly(&text("AuthenticAMD", "avx512f")));
        assert!(!stores_slowly(""));
    }

    #[test]
    fn nothing_is_set_beside_other_threads() {
        let (name, _) = INSTRUCTIONS;
        let before = std::env::var_os(name);
        std::thread::scope(|scope| {
            scope.spawn(prepare_software_driver);
        });
        assert_eq!(std::env::var_os(name), before);
    }
}
