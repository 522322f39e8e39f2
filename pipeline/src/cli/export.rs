//! `pipeline export`: a trained architecture as files for other programs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use stages::Architecture;
use stages::echo::shown;
use stages::export::{Export as Exported, Format};

use super::Global;
use super::asked::{Asked, Training};
use super::given::path;
use super::weights::WeightsArgs;
use crate::error::Error;
use crate::output;

/// Write a trained architecture as files for other programs
///
/// weights.safetensors, as `train --save` writes it; network.onnx, for ONNX Runtime and what reads ONNX; network.py, a PyTorch
/// module that builds the network and reads the weights; and of a network made of cells the genotype in every text form that it
/// has, and cells.svg, a picture of both cells. Everything is made before the first file is written.
#[derive(Args)]
#[command(after_help = "Examples:
  pipeline train --genotype DARTS_V2 --budget BPE-1 --save w.safetensors
  pipeline export --genotype DARTS_V2 --budget BPE-1 --weights w.safetensors --out darts-v2
  pipeline export --genotype DARTS_V2 --budget BPE-1 --weights w.safetensors --out app --format onnx --with-preprocessing
  pipeline export --genotype @mine.txt --budget BPE-1 --out picture --format svg,genotype
  pipeline export --architecture resnet18 --recipe imagenet-mobile --data stream:imagenet --weights w.safetensors --out resnet")]
pub(crate) struct Export {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Folder to write to: a new one, or an empty one
    #[arg(long, value_name = "DIR", value_parser = path())]
    out: PathBuf,
    /// What to write, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMAT,...")]
    format: Vec<FormatName>,
    /// The ONNX file reads 8-bit images of the data set's size, and resizes and normalises them itself
    #[arg(long)]
    with_preprocessing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// weights.safetensors
    Safetensors,
    /// network.onnx
    Onnx,
    /// network.py
    Python,
    /// genotype.txt and its other text forms
    Genotype,
    /// cells.svg
    Svg,
}

impl FormatName {
    fn format(self) -> Format {
        match self {
            Self::Safetensors => Format::Safetensors,
            Self::Onnx => Format::Onnx,
            Self::Python => Format::Python,
            Self::Genotype => Format::Genotype,
            Self::Svg => Format::Svg,
        }
    }
}

impl Export {
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let formats = self.formats()?;
        let is_new = self.is_new()?;
        let Training { job, data, .. } = self.asked.read(global)?;
        self.weights.check(&job, global)?;
        let formats = self.made_of(&job.architecture, formats)?;
        let (weights, with_preprocessing) = (self.weights.file(), self.with_preprocessing);
        let exported = Exported { job: &job, data: &data, weights, with_preprocessing };
        let made = exported.files(&formats).map_err(Error::of_input)?;
        for note in &made.notes {
            output::message(note);
        }
        write_all(&self.out, is_new, &made.files)?;
        let heading = format!("{}\n  {}", output::heading(&shown(self.asked.text())), job.budget);
        output::export::print(&heading, &self.out, &made.files, global.json)
    }

    /// The formats that are asked for, each once.
    fn formats(&self) -> Result<Vec<Format>, Error> {
        let wanted = |format: &Format| {
            self.format.is_empty() || self.format.iter().any(|name| name.format() == *format)
        };
        let formats: Vec<Format> = Format::ALL.into_iter().filter(wanted).collect();
        if self.weights.file().is_none() && formats.iter().any(|format| format.needs_weights()) {
            let problem = "is missing, and safetensors and onnx hold weights; give a file of `pipeline train --save`, a \
                           checkpoint (--checkpoint), or formats that hold none: --format python,genotype,svg";
            return Err(flag("--weights", "F", problem));
        }
        if self.with_preprocessing && !formats.contains(&Format::Onnx) {
            let problem = "has no ONNX file, which --with-preprocessing changes; add onnx to it";
            return Err(flag("--format", &self.given(), problem));
        }
        Ok(formats)
    }

    /// The formats without those of cells, where an architecture has none; they must not have been asked for by name.
    fn made_of(&self, architecture: &Architecture, formats: Vec<Format>) -> Result<Vec<Format>, Error> {
        if architecture.cells().is_some() {
            return Ok(formats);
        }
        let (of_cells, others): (Vec<_>, Vec<_>) =
            formats.into_iter().partition(|format| matches!(format, Format::Genotype | Format::Svg));
        if self.format.is_empty() || of_cells.is_empty() {
            return Ok(others);
        }
        let problem = "asks for a genotype or a picture of cells, and this network is not made of cells; leave them out";
        Err(flag("--format", &self.given(), problem))
    }

    /// The formats as they were given.
    fn given(&self) -> String {
        let names = self.format.iter().filter_map(ValueEnum::to_possible_value);
        names.map(|name| name.get_name().to_owned()).collect::<Vec<_>>().join(",")
    }

    /// Whether the folder is not there yet. One that is there must be empty.
    fn is_new(&self) -> Result<bool, Error> {
        let refused = |problem: &str| Err(flag("--out", &self.out.display().to_string(), problem));
        match fs::read_dir(&self.out) {
            Ok(mut entries) => match entries.next() {
                None => Ok(false),
                Some(_) => refused("is not empty, and nothing in it is overwritten; give a new folder"),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = self.out.parent().filter(|parent| !parent.as_os_str().is_empty());
                if !parent.is_none_or(Path::is_dir) {
                    return refused("cannot be made, for the folder that it would be in is not there");
                }
                Ok(true)
            }
            Err(error) => refused(&format!("cannot be read as a folder ({error}); give a new folder")),
        }
    }
}

fn flag(flag: &'static str, value: &str, problem: &str) -> Error {
    Error::Flag { flag, value: value.to_owned(), problem: problem.to_owned() }
}

/// Writes files to an empty folder, or to a new one. Where one cannot be written, none is left.
fn write_all(folder: &Path, is_new: bool, files: &[(&'static str, Vec<u8>)]) -> Result<(), Error> {
    let unwritten = |path: &Path, source| Error::Unwritten { path: path.to_path_buf(), source };
    if is_new {
        fs::create_dir(folder).map_err(|source| unwritten(folder, source))?;
    }
    for (place, (name, bytes)) in files.iter().enumerate() {
        let path = folder.join(name);
        if let Err(source) = kernels::file::write(&path, bytes) {
            // What cannot be removed either is whole, at least.
            for (written, _) in &files[..place] {
                let _ = fs::remove_file(folder.join(written));
            }
            if is_new {
                let _ = fs::remove_dir(folder);
            }
            return Err(unwritten(&path, source));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn where_one_file_cannot_be_written_none_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let files = [("a", b"a".to_vec()), ("no/b", b"b".to_vec()), ("c", b"c".to_vec())];
        let error = write_all(&out, true, &files).unwrap_err().to_string();
        assert!(error.contains("no/b"), "{error}");
        assert!(!out.exists());
        fs::create_dir(&out).unwrap();
        write_all(&out, false, &files).unwrap_err();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
        write_all(&out, false, &files[..1]).unwrap();
        assert_eq!(fs::read(out.join("a")).unwrap(), b"a");
    }
}
