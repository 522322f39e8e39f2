//! `pipeline data fetch`: gets a published set.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use stages::echo::shown;

use super::super::Global;
use super::super::folder::variable;
use super::super::given::path;
use crate::download::published::{ComesAs, Published, SETS};
use crate::download::{Wanted, sha256, unpack};
use crate::error::Error;
use crate::output;
use crate::output::transfer::Transfer;

/// Download a published set, checked against its digests: cifar10, cifar100, fashion-mnist or mnist
///
/// What a connection that was cut has brought is gone on with. Where there is no network, put the file that the message names at
/// the place that it names, and give the same command: then it is checked and unpacked.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline data fetch cifar10
  pipeline data fetch fashion-mnist --to sets/fashion
  pipeline data fetch mnist --from https://example.org/mnist/")]
pub(super) struct Fetch {
    /// cifar10, cifar100, fashion-mnist or mnist
    name: String,
    /// Folder of the set [default: nas-pipeline/NAME in the user's data folder]
    #[arg(long, value_name = "DIR", value_parser = path())]
    to: Option<PathBuf>,
    /// Address of the folder that holds its files, in place of the usual one
    #[arg(long, value_name = "URL")]
    from: Option<String>,
}

#[derive(Serialize)]
struct FetchJson {
    name: &'static str,
    /// What `--data` takes.
    folder: PathBuf,
}

/// How long to wait before a new try.
const PAUSE: Duration = Duration::from_secs(1);

impl Fetch {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let set = self.set()?;
        let to = self.folder(set)?;
        fs::create_dir_all(&to).map_err(|error| unusable(&to, &error))?;
        let folder = match set.comes_as {
            ComesAs::Archive { url, sha256, folder } => {
                self.archive(set, (url, sha256), &to, &to.join(folder))?
            }
            ComesAs::Files { url } => self.files(set, url, to)?,
        };
        if global.json {
            return output::json(&FetchJson { name: set.name, folder });
        }
        output::result(&format!("{} is in {}", output::heading(set.title), shown(folder.display())))
    }

    fn set(&self) -> Result<&'static Published, Error> {
        SETS.iter().find(|set| set.name == self.name).ok_or_else(|| {
            let known: Vec<&str> = SETS.iter().map(|set| set.name).collect();
            let problem = format!("is no set that is published here; there are {}", known.join(", "));
            Error::Flag { flag: "fetch", value: self.name.clone(), problem }
        })
    }

    fn folder(&self, set: &Published) -> Result<PathBuf, Error> {
        if let Some(folder) = &self.to {
            return Ok(folder.clone());
        }
        let user = match variable("XDG_DATA_HOME")? {
            Some(folder) => Some(folder),
            None => variable("HOME")?.map(|home| home.join(".local/share")),
        };
        user.map(|folder| folder.join("nas-pipeline").join(set.name)).ok_or_else(|| Error::Flag {
            flag: "--to",
            value: String::new(),
            problem: "there is no home folder to keep the set in; give --to DIR".to_owned(),
        })
    }

    /// The address of a file: in the folder that was given, if one was.
    fn address(&self, name: &str, usual: String) -> String {
        let given = self.from.as_ref().map(|folder| format!("{}/{name}", folder.trim_end_matches('/')));
        given.unwrap_or(usual)
    }

    fn archive(
        &self,
        set: &Published,
        (url, digest): (&str, &str),
        to: &Path,
        folder: &Path,
    ) -> Result<PathBuf, Error> {
        let is_right = |file: &crate::download::published::File| {
            let path = folder.join(file.name);
            file.sha256.map_or(path.is_file(), |digest| sha256(&path).is_ok_and(|found| found == digest))
        };
        if set.files.iter().all(is_right) {
            return Ok(folder.to_path_buf());
        }
        let name = url.rsplit('/').next().unwrap_or(url);
        let archive = to.join(name);
        get(&self.address(name, url.to_owned()), digest, &archive)?;
        fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
        let names: Vec<&str> = set.files.iter().map(|file| file.name).collect();
        unpack(&archive, &names, folder)?;
        // It has served, and takes as much room as the set.
        let _ = fs::remove_file(&archive);
        Ok(folder.to_path_buf())
    }

    fn files(&self, set: &Published, url: &str, to: PathBuf) -> Result<PathBuf, Error> {
        for file in set.files {
            let address = self.address(file.name, format!("{url}{}", file.name));
            get(&address, file.sha256.unwrap_or_default(), &to.join(file.name))?;
        }
        Ok(to)
    }
}

/// Gets a file, and shows how far it has come.
fn get(url: &str, sha256: &str, to: &Path) -> Result<(), Error> {
    let transfer = Transfer::bytes(to.file_name().map(|name| name.to_string_lossy().into_owned()));
    let got = Wanted { url, sha256, to, pause: PAUSE }.get(&|done, whole| transfer.at(done, whole));
    transfer.ended();
    got
}

fn unusable(folder: &Path, error: &std::io::Error) -> Error {
    let problem = format!("cannot be made ({error}); give --to DIR, a folder that may be written to");
    Error::Flag { flag: "--to", value: folder.display().to_string(), problem }
}
