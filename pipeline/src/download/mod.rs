//! Getting published sets: files by HTTP, gone on with where they were cut, and checked before they get their names.
//!
//! Only this module knows the HTTP client.

pub(crate) mod published;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::error::Error;

/// How long to wait for a connection, for an answer, and for more of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Tries in a row that bring nothing.
const TRIES: u32 = 4;
/// Bytes that are read together.
const CHUNK_BYTES: usize = 1 << 16;

/// A file to get.
pub(crate) struct Wanted<'a> {
    pub(crate) url: &'a str,
    /// SHA-256 of the whole file, in hexadecimal digits.
    pub(crate) sha256: &'a str,
    /// Where it goes.
    pub(crate) to: &'a Path,
    /// How long to wait before the first new try; twice as long before each of the next.
    pub(crate) pause: Duration,
}

/// Why a try brought no whole file.
enum Cut {
    /// Another one may go on.
    Again(String),
    /// The rest of the file was asked for and not given; another one begins anew.
    Anew(String),
    /// Another one would end as this one.
    Final(String),
}

impl Wanted<'_> {
    /// Gets the file, unless it is there and right. What a connection that was cut has brought stays beside it, under a name
    /// that ends with `.part`, and is gone on with, now or by the next call. `tell` hears how many bytes there are, and of how
    /// many, where that is known.
    ///
    /// # Errors
    /// When the server cannot be reached or has no such file, the file is another one, or cannot be written.
    pub(crate) fn get(&self, tell: &dyn Fn(u64, Option<u64>)) -> Result<(), Error> {
        if self.to.is_file() {
            return self.check(self.to);
        }
        let part = self.part();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build()
            .into();
        let (mut tries, mut pause) = (0, self.pause);
        // How far this call has come, and why it could not go on from there.
        let (mut farthest, mut unranged) = (0, None);
        loop {
            let before = length(&part);
            let problem = match self.go_on(&agent, &part, before, tell) {
                Ok(()) => break,
                Err(Cut::Final(problem)) => return Err(self.error(problem)),
                Err(Cut::Again(problem)) => problem,
                Err(Cut::Anew(problem)) => {
                    // What an earlier call has left may be of another file: then this one can be got all the same.
                    if farthest > 0 {
                        unranged = Some(problem.clone());
                    }
                    problem
                }
            };
            // To get again what was thrown away is no progress: with a server that cuts, and gives no parts, it would
            // go on for ever.
            let have = length(&part);
            if have > before && have > farthest {
                (tries, pause, farthest) = (0, self.pause, have);
            }
            tries += 1;
            if tries >= TRIES {
                return Err(
                    unranged.map_or_else(|| self.error(problem), |why| self.cannot_go_on(farthest, &why))
                );
            }
            sleep(pause);
            pause *= 2;
        }
        if let Err(error) = self.check(&part) {
            // What is wrong is not gone on with.
            let _ = fs::remove_file(&part);
            return Err(error);
        }
        fs::rename(&part, self.to).map_err(|source| self.unwritten(&source))
    }

    fn part(&self) -> PathBuf {
        let mut name = self.to.as_os_str().to_owned();
        name.push(".part");
        name.into()
    }

    /// One try to get what is missing behind the first `have` bytes.
    fn go_on(
        &self,
        agent: &ureq::Agent,
        part: &Path,
        have: u64,
        tell: &dyn Fn(u64, Option<u64>),
    ) -> Result<(), Cut> {
        let mut request = agent.get(self.url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let answer = request.call().map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Cut::Final(error.to_string()),
            error => Cut::Again(error.to_string()),
        })?;
        let (status, headers) = (answer.status().as_u16(), answer.headers());
        let begins_at = |range: &str| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok();
        let range = headers.get("Content-Range").and_then(|range| range.to_str().ok()).and_then(begins_at);
        let (begin, file) = match status {
            206 if range == Some(have) => (have, OpenOptions::new().append(true).open(part)),
            // It cannot give parts.
            200 => (0, File::create(part)),
            // What is here is longer than the file there, or cannot be gone on with.
            206 | 416 => {
                let _ = fs::remove_file(part);
                return Err(Cut::Anew(format!(
                    "asked for what is behind {have} bytes it answered with status {status}"
                )));
            }
            500..=599 | 408 | 429 => return Err(Cut::Again(format!("it answered with status {status}"))),
            _ => return Err(Cut::Final(format!("it answered with status {status}"))),
        };
        let mut file = file.map_err(|source| Cut::Final(unwritten_text(part, &source)))?;
        let mut body = answer.into_body();
        let whole = body.content_length().map(|rest| begin + rest);
        let cut = |problem: String| match begin {
            0 if have > 0 => {
                Cut::Anew(format!("asked for what is behind {have} bytes it gave all; {problem}"))
            }
            _ => Cut::Again(problem),
        };
        let mut reader = body.as_reader();
        let (mut done, mut chunk) = (begin, vec![0; CHUNK_BYTES]);
        loop {
            let read = reader.read(&mut chunk).map_err(|error| cut(format!("it was cut: {error}")))?;
            if read == 0 {
                break;
            }
            file.write_all(&chunk[..read]).map_err(|source| Cut::Final(unwritten_text(part, &source)))?;
            done += read as u64;
            tell(done, whole);
        }
        match whole {
            Some(whole) if done < whole => Err(cut(format!("it was cut at {done} of {whole} bytes"))),
            _ => file.sync_all().map_err(|source| Cut::Final(unwritten_text(part, &source))),
        }
    }

    /// Finds out whether a file is the one that is wanted.
    fn check(&self, path: &Path) -> Result<(), Error> {
        let found = sha256(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        if found == self.sha256 {
            return Ok(());
        }
        let (what, remedy) = if path == self.to {
            (path.display().to_string(), "remove it, and give the same command again")
        } else {
            (self.url.to_owned(), "try again later, or get it from elsewhere (--from)")
        };
        let problem = format!("is another file: SHA-256 {found}, published {}", self.sha256);
        Err(Error::Download { what, problem, remedy: remedy.to_owned() })
    }

    /// The server cuts the file, and does not give the rest of it.
    fn cannot_go_on(&self, farthest: u64, why: &str) -> Error {
        let problem = format!(
            "it was cut {TRIES} times without coming farther than {farthest} bytes, and its server gives no parts of \
             it, so that each try begins anew ({why})"
        );
        let to = stages::echo::shown(self.to.display());
        let remedy = format!(
            "get it from elsewhere (--from), or get the file by other means, put it at {to}, and give the same command"
        );
        Error::Download { what: self.url.to_owned(), problem, remedy }
    }

    fn error(&self, problem: String) -> Error {
        let to = stages::echo::shown(self.to.display());
        let remedy = format!(
            "give the same command again to go on, or, where there is no network, get the file elsewhere, put it at {to}, and \
             give the same command"
        );
        Error::Download { what: self.url.to_owned(), problem, remedy }
    }

    fn unwritten(&self, source: &io::Error) -> Error {
        self.error(unwritten_text(self.to, source))
    }
}

fn unwritten_text(path: &Path, source: &io::Error) -> String {
    format!("{} cannot be written ({source})", stages::echo::shown(path.display()))
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

/// SHA-256 of a file, in hexadecimal digits.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(hexadecimal(&hasher.finalize()));
        }
        hasher.update(&chunk[..read]);
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Unpacks the named files of a gzipped tar archive into a folder, wherever in the archive they lie. Nothing else of it is
/// written.
///
/// # Errors
/// When the archive cannot be read, lacks one of them, or a file cannot be written.
pub(crate) fn unpack(archive: &Path, names: &[&str], folder: &Path) -> Result<(), Error> {
    let error = |problem: String| Error::File { path: archive.to_path_buf(), problem };
    let read = |source: io::Error| error(format!("cannot be unpacked ({source}); remove it, and try again"));
    let file = File::open(archive).map_err(read)?;
    let mut missing = names.to_vec();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries().map_err(read)? {
        let mut entry = entry.map_err(read)?;
        let path = entry.path().map_err(read)?.into_owned();
        let Some(place) = missing.iter().position(|name| path.file_name().is_some_and(|file| file == *name))
        else {
            continue;
        };
        let to = folder.join(missing.swap_remove(place));
        // Who may read it is what it is for any new file.
        let permissions = std::fs::Permissions::from_mode(0o666);
        let mut unfinished =
            tempfile::Builder::new().permissions(permissions).tempfile_in(folder).map_err(read)?;
        io::copy(&mut entry, &mut unfinished).map_err(read)?;
        unfinished.persist(&to).map_err(|failed| read(failed.error))?;
    }
    match missing.first() {
        Some(name) => Err(error(format!("holds no {name}; it is not the archive of the set"))),
        None => Ok(()),
    }
}
