//! Files that must neither be read by others nor be half written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Makes files that are created with these options readable and writable by their owner only.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Writes and syncs a private file beside `path`, ready to be renamed to it.
pub(crate) fn write_beside(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<(File, PathBuf)> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    // A leftover of a crash may have other permissions.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let mut file = private(&mut options).open(&temporary)?;
    let written = write(&mut file).and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok((file, temporary)),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Creates or replaces a private file: after a crash there is the old one or the new one, whole.
pub(crate) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let (_, temporary) = write_beside(path, write)?;
    if let Err(error) = fs::rename(&temporary, path) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_parent(path)
}

/// As [`write_atomically`], but fails where there is a file already: keys are never replaced.
pub(crate) fn write_new(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let (_, temporary) = write_beside(path, write)?;
    // Unlike a rename, a link fails where the name is taken.
    let linked = match fs::hard_link(&temporary, path) {
        // Not all file systems have links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
            fs::rename(&temporary, path)
        }
        linked => linked,
    };
    let _ = fs::remove_file(&temporary);
    linked?;
    sync_parent(path)
}

/// Reads a whole file of at most `limit` bytes into memory that is wiped afterwards.
pub(crate) fn read_wiped(file: &mut File, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = file.metadata()?.len();
    file.rewind()?;
    if length > limit {
        let message = format!("{length} bytes exceed the limit of {limit}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(length).unwrap_or(0)]);
    // Not to the end: growing would leave copies behind.
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Makes the creation or renaming of a file durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    // Only Unix can sync a directory, and only there it is needed.
    if cfg!(unix) {
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Whether others than the owner may read the file.
#[cfg(unix)]
pub(crate) fn readable_by_others(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

/// Whether others than the owner may read the file; unknown here, so not warned about.
#[cfg(not(unix))]
pub(crate) fn readable_by_others(_file: &File) -> bool {
    false
}
