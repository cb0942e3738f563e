//! Compares our classes with classes that were published: `truth [--if-present] FILE_OR_FOLDER…`.
//!
//! Of a folder every `published_classes*.csv` is read. Exit codes: 0 all reproduced, 1 nothing could be read, 2 wrong
//! usage, 3 a difference was found.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod published;

fn main() -> ExitCode {
    let mut if_present = false;
    let mut paths = Vec::new();
    for argument in std::env::args().skip(1) {
        if argument == "--if-present" {
            if_present = true;
        } else if argument.starts_with('-') {
            return usage();
        } else {
            paths.push(PathBuf::from(argument));
        }
    }
    if paths.is_empty() {
        return usage();
    }
    check(&paths, if_present)
}

fn usage() -> ExitCode {
    eprintln!("usage: truth [--if-present] FILE_OR_FOLDER…");
    ExitCode::from(2)
}

fn check(paths: &[PathBuf], if_present: bool) -> ExitCode {
    let (mut published, mut reproduced) = (0, 0);
    for path in paths {
        let files = match files_of(path) {
            Ok(files) if !files.is_empty() => files,
            Ok(_) => {
                eprintln!("{}: no published_classes*.csv here, nothing was compared", path.display());
                if if_present {
                    continue;
                }
                return ExitCode::from(1);
            }
            Err(problem) => {
                eprintln!("{}: {problem}; nothing was compared", path.display());
                if if_present && !path.exists() {
                    continue;
                }
                return ExitCode::from(1);
            }
        };
        for file in files {
            match published::compare(&file) {
                Ok(found) => {
                    for difference in &found.differences {
                        println!("{}: {difference}", file.display());
                    }
                    published += found.published;
                    reproduced += found.reproduced();
                }
                Err(problem) => {
                    eprintln!("{}: {problem}", file.display());
                    return ExitCode::from(1);
                }
            }
        }
    }
    println!("{reproduced} of {published} published classes reproduced");
    if reproduced == published { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

/// The file itself, or the published classes of a folder in order of name.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.exists() {
        return Err("there is no such file or folder".to_owned());
    }
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| error.to_string())? {
        let file = entry.map_err(|error| error.to_string())?.path();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("published_classes") && file.extension().is_some_and(|extension| extension == "csv") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
