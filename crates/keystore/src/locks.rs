//! A lock that allows one signer of a key on this machine, wherever the key's file has been copied to.
//!
//! The lock on a key's file is on that file only: a copy has none, nor has a file that an editor saves in its place. So
//! a process that signs also holds a name that is made of the public key. On Linux it is an abstract socket address,
//! which the system frees with its process: no directory has to be writable, no file is left behind or deleted by
//! accident, and it works across users. Containers with a network of their own do not see it. On other Unix systems it
//! is a locked file in `/tmp`.

use std::io;

use quartet_types::PublicKey;
use sha2::{Digest as _, Sha256};

/// Where names are held: the machine, or a part of it for a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineLocks {
    scope: String,
}

/// A name that is held, until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct MachineLock {
    _held: Option<system::Held>,
}

/// Another process holds the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken;

impl MachineLocks {
    /// For tests: names exclude each other within a scope only, so that two scopes can sign with one key.
    pub fn scoped(scope: impl Into<String>) -> Self {
        let scope = scope.into();
        Self { scope }
    }

    /// Takes a key's name. On a system without such names there is only a warning: the key file's lock, the mark and
    /// the record remain.
    pub(crate) fn take(&self, public_key: &PublicKey) -> Result<MachineLock, Taken> {
        let mut name = Sha256::new();
        name.update(b"quartet signs with this key");
        name.update(self.scope.as_bytes());
        name.update(public_key.as_bytes());
        let name = format!("quartet-key-{}", const_hex::encode(&name.finalize()[..16]));
        match system::take(&name) {
            Ok(held) => Ok(MachineLock { _held: Some(held) }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Taken),
            Err(error) => {
                tracing::warn!(
                    %public_key, %error,
                    "cannot see to it that nothing else on this machine signs with a copy of this key"
                );
                Ok(MachineLock { _held: None })
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::{
        io,
        os::{
            linux::net::SocketAddrExt as _,
            unix::net::{SocketAddr, UnixDatagram},
        },
    };

    pub(super) type Held = UnixDatagram;

    pub(super) fn take(name: &str) -> io::Result<Held> {
        UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
mod system {
    use std::{
        fs::{File, OpenOptions, TryLockError},
        io,
        path::Path,
    };

    pub(super) type Held = File;

    pub(super) fn take(name: &str) -> io::Result<Held> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        // Other users lock it, too.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o666);
        let file = options.open(Path::new("/tmp").join(name))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AddrInUse.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    pub(super) enum Held {}

    impl std::fmt::Debug for Held {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Ok(())
        }
    }

    pub(super) fn take(_name: &str) -> io::Result<Held> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_once_in_a_scope_until_it_is_let_go() {
        let scope = format!("test {}", std::process::id());
        let locks = MachineLocks::scoped(scope);
        let held = locks.take(&PublicKey([1; 52])).unwrap();
        assert_eq!(locks.take(&PublicKey([1; 52])).unwrap_err(), Taken);
        locks.take(&PublicKey([2; 52])).unwrap();
        let elsewhere = MachineLocks::scoped("elsewhere");
        elsewhere.take(&PublicKey([1; 52])).unwrap();
        drop(held);
        locks.take(&PublicKey([1; 52])).unwrap();
    }
}
