//! A log file of bounded size: when it is full it is set aside, and the oldest one that was set aside goes.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Writes lines to `path`, and keeps older files as `path.1`, the newest, `path.2` and so on.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    limits: FileLimits,
    /// Opened again for the next line after something went wrong with it.
    file: Option<File>,
    size: u64,
    /// A line was cut off, so the next one begins with a line break.
    is_torn: bool,
}

/// How much a log takes on the disk: `(keep + 1) × bytes`, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileLimits {
    /// Size of a file. A single line may be longer.
    pub(super) bytes: u64,
    /// How many files are kept beside the one that is written.
    pub(super) keep: u16,
}

impl Rotating {
    /// Opens the file for appending.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(path: &Path, limits: FileLimits) -> io::Result<Self> {
        let mut rotating = Self {
            path: path.to_owned(),
            limits,
            file: None,
            size: 0,
            is_torn: false,
        };
        rotating.file()?;
        Ok(rotating)
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                let file = options.create(true).append(true).open(&self.path)?;
                self.size = file.metadata()?.len();
                file
            }
        };
        Ok(self.file.insert(file))
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        self.file()?;
        if self.size > 0 && self.size.saturating_add(length) > self.limits.bytes {
            self.rotate()?;
        }
        let is_torn = self.is_torn;
        let file = self.file()?;
        if is_torn {
            file.write_all(b"\n")?;
        }
        file.write_all(line)?;
        self.size = self.size.saturating_add(length);
        self.is_torn = false;
        Ok(())
    }

    /// Sets the file aside. What cannot be moved stays where it is, and nothing is written until it can: else the files would
    /// grow beyond their limit.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        match self.limits.keep {
            0 => fs::remove_file(&self.path)?,
            keep => {
                for number in (1..keep).rev() {
                    move_if_there(&self.aside(number), &self.aside(number + 1))?;
                }
                move_if_there(&self.path, &self.aside(1))?;
            }
        }
        self.file().map(drop)
    }

    fn aside(&self, number: u16) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl Write for Rotating {
    /// Takes a whole line or nothing.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.write_line(line) {
            Ok(()) => Ok(line.len()),
            Err(error) => {
                // A part may have been written.
                self.is_torn = self.file.is_some();
                self.file = None;
                metrics::counter!("quartet_log_lines_lost_total").increment(1);
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FileLimits = FileLimits { bytes: 10, keep: 2 };

    /// What the log has, the oldest file first.
    fn read(directory: &Path) -> Vec<(String, String)> {
        let files = fs::read_dir(directory).unwrap();
        let name = |file: io::Result<fs::DirEntry>| file.unwrap().file_name();
        let mut names: Vec<String> = files.map(|f| name(f).into_string().unwrap()).collect();
        names.sort_by(|a, b| b.cmp(a));
        let text = |name: &String| fs::read_to_string(directory.join(name)).unwrap();
        names.iter().map(|n| (n.clone(), text(n))).collect()
    }

    fn expected(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        files.iter().map(owned).collect()
    }

    #[test]
    fn full_files_are_set_aside_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = Rotating::open(&path, LIMITS).unwrap();
        for number in 0..9 {
            writeln!(log, "line").unwrap_or_else(|error| panic!("{number}: {error}"));
        }
        let files = [
            ("log.2", "line\nline\n"),
            ("log.1", "line\nline\n"),
            ("log", "line\n"),
        ];
        assert_eq!(read(directory.path()), expected(&files));
        // A restart appends; a line longer than a file has a file of its own.
        drop(log);
        let mut log = Rotating::open(&path, LIMITS).unwrap();
        log.write_all(b"next\n").unwrap();
        log.write_all(b"a line that is too long\n").unwrap();
        log.write_all(b"end\n").unwrap();
        let files = [
            ("log.2", "line\nnext\n"),
            ("log.1", "a line that is too long\n"),
            ("log", "end\n"),
        ];
        assert_eq!(read(directory.path()), expected(&files));
    }

    #[test]
    fn no_older_log_file_is_kept_where_none_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let limits = FileLimits { keep: 0, ..LIMITS };
        let mut log = Rotating::open(&directory.path().join("log"), limits).unwrap();
        for line in [b"one\n", b"two\n", b"six\n"] {
            log.write_all(line).unwrap();
        }
        assert_eq!(read(directory.path()), expected(&[("log", "six\n")]));
    }

    #[test]
    fn the_log_goes_on_once_its_directory_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("logs");
        fs::create_dir(&inner).unwrap();
        let mut log = Rotating::open(&inner.join("log"), LIMITS).unwrap();
        log.write_all(b"12345678\n").unwrap();
        fs::remove_dir_all(&inner).unwrap();
        // It has to be set aside, which cannot be.
        assert!(log.write_all(b"lost\n").is_err());
        assert!(log.write_all(b"lost\n").is_err());
        fs::create_dir(&inner).unwrap();
        log.write_all(b"back\n").unwrap();
        assert_eq!(read(&inner), expected(&[("log", "back\n")]));
    }

    #[test]
    fn a_log_file_that_cannot_be_rotated_never_grows_beyond_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        // No file can take the place of a directory that holds something.
        fs::create_dir_all(directory.path().join("log.1/full")).unwrap();
        let limits = FileLimits { keep: 1, ..LIMITS };
        let mut log = Rotating::open(&path, limits).unwrap();
        log.write_all(b"12345678\n").unwrap();
        for _ in 0..3 {
            assert!(log.write_all(b"lost\n").is_err());
        }
        assert_eq!(fs::read_to_string(path).unwrap(), "12345678\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_each_time() {
        let mut log = Rotating::open(Path::new("/dev/full"), LIMITS).unwrap();
        for _ in 0..3 {
            let error = log.write_all(b"line\n").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }
}
