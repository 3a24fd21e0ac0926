use std::fs;

use super::*;

const KEY: PublicKey = PublicKey([7; 52]);

struct Fixture {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    Fixture {
        path: directory.path().join("validator_0.mark"),
        _directory: directory,
    }
}

#[test]
fn a_mark_is_raised_and_never_lowered() {
    let Fixture { path, _directory } = fixture();
    assert_eq!(read(&path, &KEY).unwrap(), None);
    let mark = create_or_raise(&path, &KEY, 0).unwrap();
    assert!(mark.is_raised(0) && !mark.is_raised(1));
    mark.raise(41).unwrap();
    mark.raise(7).unwrap();
    assert!(mark.is_raised(41) && !mark.is_raised(42));
    assert_eq!(read(&path, &KEY).unwrap(), Some(41));
    drop(mark);
    assert_eq!(create_or_raise(&path, &KEY, 9).unwrap().found(), 41);
    assert_eq!(create_or_raise(&path, &KEY, u64::MAX).unwrap().found(), 41);
    assert_eq!(read(&path, &KEY).unwrap(), Some(u64::MAX));
}

#[test]
fn a_write_torn_at_any_byte_leaves_what_was_durable_before() {
    let Fixture { path, _directory } = fixture();
    drop(create_or_raise(&path, &KEY, 41).unwrap());
    let before = fs::read(&path).unwrap();
    let after = [encode(&KEY, 43), encode(&KEY, 43)].concat();
    for at in 0..=FILE_BYTES {
        // The first line is durable before the second is begun.
        fs::write(&path, [&after[..at], &before[at..]].concat()).unwrap();
        let found = read(&path, &KEY).unwrap().unwrap();
        assert!(
            found == 43 || found == 41 && at < LINE_BYTES,
            "{at}: {found}"
        );
    }
    for at in 0..LINE_BYTES {
        let garbage = vec![0xff; LINE_BYTES - at];
        let torn = [&after[..at], &garbage, &before[LINE_BYTES..]].concat();
        fs::write(&path, torn).unwrap();
        assert_eq!(read(&path, &KEY).unwrap(), Some(41), "{at}");
    }
}

#[test]
fn what_is_no_whole_mark_of_this_key_is_an_error_and_stays() {
    let Fixture { path, _directory } = fixture();
    drop(create_or_raise(&path, &KEY, 41).unwrap());
    let whole = fs::read(&path).unwrap();
    let longer = [whole.as_slice(), b" "].concat();
    for damaged in [
        &b""[..],
        &[0; FILE_BYTES],
        &[b' '; FILE_BYTES],
        &whole[..LINE_BYTES],
        &whole[..FILE_BYTES - 1],
        &longer,
        b"41\n",
    ] {
        fs::write(&path, damaged).unwrap();
        for error in [
            read(&path, &KEY).unwrap_err(),
            create_or_raise(&path, &KEY, 90).unwrap_err(),
        ] {
            assert!(matches!(error, MarkError::Damaged { .. }), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }
    fs::write(&path, &whole).unwrap();
    let other = PublicKey([8; 52]);
    assert!(matches!(
        create_or_raise(&path, &other, 0),
        Err(MarkError::AnotherKey { .. })
    ));
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_mark_that_cannot_be_written_is_not_raised_and_stays_unusable() {
    let Fixture { path, _directory } = fixture();
    let mark = create_or_raise(&path, &KEY, 5).unwrap();
    // A handle that cannot be written to stands in for a failing disk.
    mark.written().file = File::open(&path).unwrap();
    assert!(matches!(mark.raise(6), Err(MarkError::Io { .. })));
    assert!(!mark.is_raised(6) && !mark.is_raised(5));
    assert!(matches!(mark.raise(3), Err(MarkError::Unusable { .. })));
    // It takes every write, and cannot be synced.
    let mark = create_or_raise(&path, &KEY, 5).unwrap();
    mark.written().file = OpenOptions::new().write(true).open("/dev/null").unwrap();
    assert!(matches!(
        mark.raise(6),
        Err(MarkError::Io { action: "sync", .. })
    ));
    assert!(!mark.is_raised(6));
}

#[test]
fn many_marks_are_raised_together_and_one_that_fails_is_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let key = |number| PublicKey([number; 52]);
    let path = |number| directory.path().join(format!("validator_{number}.mark"));
    let marks: Vec<_> = (0..100)
        .map(|n| create_or_raise(&path(n), &key(n), 0).unwrap())
        .collect();
    marks[37].written().file = File::open(path(37)).unwrap();
    let wanted: Vec<_> = marks.iter().zip(1..).collect();
    for (number, raised) in (0..).zip(raise_many(&wanted)) {
        assert_eq!(raised.is_ok(), number != 37, "{number}");
        let expected = if number == 37 {
            0
        } else {
            u64::from(number) + 1
        };
        assert_eq!(read(&path(number), &key(number)).unwrap(), Some(expected));
    }
}

#[test]
fn all_forms_of_a_key_share_one_mark_wherever_links_lead() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("safe")).unwrap();
    for name in [
        "safe/validator_0.yaml",
        "safe/validator_0_sk.ssz",
        "safe/validator_0_sk.json",
    ] {
        fs::write(at(name), "").unwrap();
        let expected = at("safe").canonicalize().unwrap().join("validator_0.mark");
        assert_eq!(path_beside(&at(name)).unwrap(), expected);
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("safe/validator_0.yaml", at("validator_9.yaml")).unwrap();
        let linked = path_beside(&at("validator_9.yaml")).unwrap();
        assert_eq!(linked, path_beside(&at("safe/validator_0.yaml")).unwrap());
    }
    assert!(path_beside(&at("missing.yaml")).is_err());
}
