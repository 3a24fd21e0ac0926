//! The directory of vectors and the files in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Names the directory; without it, the directory beside the checkout is taken.
const VARIABLE: &str = "LEAN_VECTORS";
/// Where the vectors are beside the checkout, from the workspace on.
const BESIDE_THE_CHECKOUT: &str = "../shared/vectors";

/// All files of the directory.
#[derive(Debug)]
pub struct Vectors {
    root: PathBuf,
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
    /// Lists the files of the directory, sorted by name; `None` if there is no directory and none was asked for.
    ///
    /// # Errors
    /// When the directory was asked for by `LEAN_VECTORS` and cannot be read.
    pub fn find() -> Result<Option<Self>> {
        // Tests run in their package's folder, but a relative path is meant from where cargo was called.
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = match env::var_os(VARIABLE) {
            Some(path) => workspace.join(path),
            None => {
                let default = workspace.join(BESIDE_THE_CHECKOUT);
                if !default.is_dir() {
                    return Ok(None);
                }
                default
            }
        };
        let mut files = Vec::new();
        collect(&root, "", &mut files)
            .with_context(|| format!("cannot read {VARIABLE}={}", root.display()))?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let root = root.canonicalize().unwrap_or(root);
        Ok(Some(Self { root, files }))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files, sorted by name.
    pub fn files(&self) -> &[VectorFile] {
        &self.files
    }
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
