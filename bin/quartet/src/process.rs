//! Limits of this process: no core dumps or debuggers, since its memory has keys, and many open files.

/// Has no core dump of this process or its children be written. Nothing is said where the system does not let us: it is one
/// precaution of several.
#[cfg(unix)]
pub(crate) fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
}

/// Has neither a debugger of the same user nor a collector of crashes look into this process.
#[cfg(target_os = "linux")]
pub(crate) fn forbid_looking_in() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Allows as many open files as the system lets us: each key takes three, and many shells allow 1,024 at first.
#[cfg(unix)]
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, most);
}

#[cfg(not(unix))]
pub(crate) fn forbid_core_dumps() {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn forbid_looking_in() {}

#[cfg(not(unix))]
pub(crate) fn raise_open_files() {}
