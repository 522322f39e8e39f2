//! The program as a person at a terminal sees it.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::sandbox::Sandbox;

/// What the program writes to standard error where that is a terminal, with what moves its cursor.
pub(crate) fn shown(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    tcsetwinsize(&screen, Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut command = sandbox.command(arguments);
    command.env("TERM", "xterm").stdout(Stdio::null()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    // The last to have the terminal open is then the program, and reading ends with it: on Linux by an error.
    drop(command);
    let (mut screen, mut bytes) = (File::from(screen), Vec::new());
    let _ = screen.read_to_end(&mut bytes);
    assert!(child.wait().unwrap().success());
    String::from_utf8(bytes).unwrap()
}
