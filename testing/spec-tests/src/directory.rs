//! The directory of vectors and the files in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::archive::{self, LARGE_KEYS};

/// Names another directory than the archive's.
const VARIABLE: &str = "LEAN_VECTORS";

/// All files of a directory of vectors.
#[derive(Debug)]
pub struct Vectors {
    root: PathBuf,
    /// Whether it is the archive's.
    is_archive: bool,
    files: Vec<VectorFile>,
}

/// One file.
#[derive(Debug, Clone)]
pub struct VectorFile {
    /// Its path from the directory on, with `/` between components.
    pub name: String,
    path: PathBuf,
}

impl Vectors {
    /// The directory that `LEAN_VECTORS` names, or else the repository's archive, unpacked in `scratch`: a test says
    /// `env!("CARGO_TARGET_TMPDIR")`. Both can be done by any number of threads and processes at the same time.
    ///
    /// # Errors
    /// When the directory or the archive cannot be read, or nothing can be written to `scratch`.
    pub fn find(scratch: impl AsRef<Path>) -> Result<Self> {
        let asked_for = env::var_os(VARIABLE).filter(|path| !path.is_empty());
        let root = match &asked_for {
            // Tests run in their package's folder, but a relative path is meant from where cargo was called.
            Some(path) => Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../..")
                .join(path),
            None => archive::unpacked(scratch.as_ref())?,
        };
        let files = files(&root).with_context(|| format!("cannot read {}", root.display()))?;
        let root = root.canonicalize().unwrap_or(root);
        Ok(Self {
            root,
            is_archive: asked_for.is_none(),
            files,
        })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files, sorted by name.
    pub fn files(&self) -> &[VectorFile] {
        &self.files
    }

    /// Where a file or folder is, by its name from the directory on; `None` if it is one of the [`LARGE_KEYS`], which the
    /// archive has not.
    ///
    /// # Errors
    /// When there is no such file or folder, and it should be there.
    pub fn path(&self, name: &str) -> Result<Option<PathBuf>> {
        let path = self.root.join(name);
        if self.is_archive && LARGE_KEYS.contains(&name) {
            return Ok(None);
        }
        ensure!(path.exists(), "there is no {}", path.display());
        Ok(Some(path))
    }

    /// The files that are not there because the archive has them not.
    pub fn left_out(&self) -> &'static [&'static str] {
        if self.is_archive { &LARGE_KEYS } else { &[] }
    }
}

/// The files of a directory, sorted by name.
pub(crate) fn files(root: &Path) -> Result<Vec<VectorFile>> {
    let mut files = Vec::new();
    collect(root, "", &mut files)?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Whether a file is meant for people.
pub fn is_prose(name: &str) -> bool {
    name.ends_with(".md")
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<VectorFile>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            bail!("a file name is not UTF-8: {}", path.display());
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else {
            files.push(VectorFile { name, path });
        }
    }
    Ok(())
}

impl VectorFile {
    /// The file's content.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))
    }

    /// The file's content as JSON.
    ///
    /// # Errors
    /// When it cannot be read or is not JSON.
    pub fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.bytes()?)?)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's own name, without folders.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}
