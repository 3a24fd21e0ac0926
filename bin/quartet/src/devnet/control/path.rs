//! Where the socket is, however long the name of the directory.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The socket's name in the devnet's directory.
pub(super) const SOCKET: &str = "control.sock";

/// Bytes of a path that systems take for a socket's address: 108 on Linux and 104 elsewhere, with its end.
const MAX_PATH: usize = 103;

/// A path by which a socket in some directory is reached, for as long as this lives.
#[derive(Debug)]
pub(super) struct Reachable {
    pub(super) path: PathBuf,
    /// Keeps a short path valid.
    _directory: Option<File>,
}

impl Reachable {
    /// The path of `name` in `directory`, or a shorter one to the same place.
    ///
    /// # Errors
    /// When the directory cannot be opened, or its path is too long for this system.
    pub(super) fn new(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(name);
        if path.as_os_str().len() <= MAX_PATH {
            return Ok(Self {
                path,
                _directory: None,
            });
        }
        Self::shortened(directory, name)
    }

    #[cfg(target_os = "linux")]
    fn shortened(directory: &Path, name: &str) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        let directory = File::open(directory)?;
        let path = Path::new("/proc/self/fd")
            .join(directory.as_raw_fd().to_string())
            .join(name);
        Ok(Self {
            path,
            _directory: Some(directory),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn shortened(directory: &Path, _name: &str) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{} is too long for a socket: give a shorter --data-dir",
                directory.display()
            ),
        ))
    }
}
