//! Paths as people write them. A shell expands `~` where a word begins with it, but not in `--cache=~/x` nor in a file.

use std::path::{Component, Path, PathBuf};

/// The path that a person means: `~` is their home folder.
///
/// # Errors
/// The problem as text, when the home folder is not known, or is that of somebody else.
pub fn user_path(path: impl AsRef<Path>) -> Result<PathBuf, String> {
    expanded(path.as_ref(), std::env::home_dir().filter(|home| !home.as_os_str().is_empty()))
}

fn expanded(path: &Path, home: Option<PathBuf>) -> Result<PathBuf, String> {
    let Some(Component::Normal(first)) = path.components().next() else { return Ok(path.to_path_buf()) };
    if first == "~" {
        let home =
            home.ok_or("there is no home folder to put in the place of `~`; write the path in full")?;
        return Ok(home.join(path.components().skip(1).collect::<PathBuf>()));
    }
    let first = first.to_string_lossy();
    if first.starts_with('~') {
        return Err(format!(
            "`{first}` is the home folder of another user; write it in full, or ./{first} for a file of that name"
        ));
    }
    Ok(path.to_path_buf())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder_and_never_a_name() {
        let home = || Some(PathBuf::from("/home/me"));
        for (path, expected) in [
            ("~", "/home/me"),
            ("~/", "/home/me"),
            ("~/a/~/b", "/home/me/a/~/b"),
            ("./~", "./~"),
            ("a/~", "a/~"),
            ("a~b", "a~b"),
            ("/~", "/~"),
            ("", ""),
            ("..", ".."),
        ] {
            assert_eq!(expanded(path.as_ref(), home()).unwrap(), Path::new(expected), "{path}");
        }
        let refused = |path: &str, home| expanded(path.as_ref(), home).unwrap_err();
        assert!(refused("~", None).contains("write the path in full"));
        assert!(refused("~you/x", home()).contains("./~you"));
        assert_eq!(expanded("x".as_ref(), None).unwrap(), Path::new("x"));
    }
}
