//! Settings of the allocator for freed memory.

#![allow(unsafe_code, reason = "the allocator's settings are made in C")]

/// Has the allocator give large pieces back to the system when they are freed.
///
/// glibc moves its threshold for that upwards with what is freed, up to 32 MiB: after a few blocks of some megabytes a
/// process stays as large as it ever was. A threshold that is set stays where it is. Few arenas, since each keeps what it has.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    const LARGE: i32 = 128 << 10;
    const ARENAS: i32 = 2;
    let settings = [
        (libc::M_MMAP_THRESHOLD, LARGE),
        (libc::M_TRIM_THRESHOLD, LARGE),
        (libc::M_ARENA_MAX, ARENAS),
    ];
    for (setting, value) in settings {
        // SAFETY: it is called before there is a second thread, and changes nothing but what the allocator does from now on.
        // One that is refused leaves things as they are.
        let _ = unsafe { libc::mallopt(setting, value) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
