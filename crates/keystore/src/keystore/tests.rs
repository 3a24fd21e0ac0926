use proptest::prelude::*;
use quartet_xmss::Threads;

use super::*;

fn keystore(passphrase: Option<&Passphrase>) -> Keystore {
    let node = |index| PaddingNode {
        layer: 4,
        index,
        node: [index as u8; 32],
    };
    let material = KeyMaterial::from_parts(
        Scheme::Test,
        Derivation::Spec,
        [7; 32],
        &[0; 20],
        32,
        32,
        &[],
    )
    .unwrap();
    let key = SecretKey::build(material, Threads::One, &|_| {});
    let mut keystore = Keystore::of_key(&key, passphrase)
        .unwrap()
        .into_public_test_key();
    keystore.padding = vec![node(1), node(6)];
    keystore
}

fn is_same(one: &Keystore, other: &Keystore) -> bool {
    let secrets = match (&one.secret, &other.secret) {
        (Secret::Plain(one), Secret::Plain(other)) => one == other,
        (Secret::Encrypted(one), Secret::Encrypted(other)) => one == other,
        _ => false,
    };
    secrets
        && format!("{one:?}") == format!("{other:?}")
        && one.padding == other.padding
        && one.parameter == other.parameter
        && one.derivation == other.derivation
        && one.purpose == other.purpose
}

#[test]
fn what_is_written_is_read_back() {
    let passphrase = Passphrase::new("hush".to_owned());
    for passphrase in [None, Some(&passphrase)] {
        let keystore = keystore(passphrase);
        let text = keystore.to_yaml().unwrap();
        assert!(is_same(&Keystore::parse(&text).unwrap(), &keystore));
    }
}

#[test]
fn the_secret_is_taken_with_and_without_quotes_and_prefix() {
    let keystore = keystore(None);
    let text = keystore.to_yaml().unwrap();
    let digits = "07".repeat(32);
    let line = format!("prf_key: \"0x{digits}\"");
    assert!(text.contains(&line));
    for other in [
        format!("prf_key: {digits}"),
        format!("prf_key: '0x{digits}'"),
    ] {
        let parsed = Keystore::parse(&text.replace(&line, &other)).unwrap();
        assert!(is_same(&parsed, &keystore));
    }
}

proptest! {
    #[test]
    fn a_changed_text_is_refused_or_read_and_never_shows_its_secret(
        at in 0..2000usize, with in "[ -~\n]{0,3}", cut in 0..4usize,
    ) {
        let text = keystore(None).to_yaml().unwrap();
        let (start, secret) = (at % text.len(), "0707070707");
        let end = (start + cut).min(text.len());
        let changed = format!("{}{with}{}", &text[..start], &text[end..]);
        if let Err(error) = Keystore::parse(&changed) {
            let message = error.to_string();
            prop_assert!(!message.contains(secret), "{}", message);
        }
    }
}

/// A secret whose every part can be told from all else.
pub(crate) const SECRET: [u8; 32] = [
    0x1f, 0xb3, 0x84, 0x5e, 0xc9, 0x77, 0xd2, 0x06, 0xe8, 0x3a, 0x91, 0x4c, 0xf5, 0x60, 0xab, 0x2d,
    0x98, 0x43, 0x7e, 0xbc, 0x15, 0xd9, 0x64, 0xa0, 0x3b, 0xc7, 0x52, 0xfe, 0x89, 0x26, 0xda, 0x71,
];

fn with_secret(passphrase: Option<&Passphrase>) -> Keystore {
    let mut keystore = keystore(passphrase);
    if let Secret::Plain(secret) = &mut keystore.secret {
        *secret = Zeroizing::new(SECRET);
    }
    keystore
}

/// Whether a text shows four digits in a row of the secret, of a value with three or more of its bytes, or its text.
pub(crate) fn shows_secret(text: &str) -> bool {
    let digits = const_hex::encode(SECRET);
    let text = text.to_lowercase();
    let hex = (0..=digits.len() - 5).any(|at| text.contains(&digits[at..at + 5]));
    let decimal = SECRET.windows(4).any(|bytes| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let numbers = [u32::from_le_bytes(bytes), u32::from_be_bytes(bytes)];
        numbers
            .iter()
            .any(|number| text.contains(&number.to_string()))
    });
    hex || decimal
}

/// Everything that an error says to anybody.
pub(crate) fn said(problem: KeyFileProblem) -> String {
    let debug = format!("{problem:?}");
    let error = problem.in_file(Path::new("validator_0.yaml"));
    format!("{error} {error:?} {debug}")
}

/// Places where the secret ends up by mistake.
#[test]
fn a_misplaced_secret_is_never_quoted() {
    let text = with_secret(None).to_yaml().unwrap();
    let line = text.lines().find(|line| line.starts_with("prf_key"));
    let line = line.unwrap().to_owned();
    let digits = const_hex::encode(SECRET);
    let public_key = keystore(None).public_key.to_string();
    let cases = [
        // The issue's own: the value on the next line.
        text.replace("prf_key: ", "prf_key:\n  "),
        text.replace("prf_key: ", "prf_key: >\n  "),
        text.replace("prf_key: ", "- prf_key: "),
        text.replace("prf_key: ", "version: "),
        text.replace("version: 1", &format!("version: {digits}")),
        text.replace("version: 1", &format!("version: '{}'", &digits[..9])),
        text.replace("version: 1", &format!("{digits}: 1\n{digits}: 2")),
        text.replace("purpose: public-test-key", &format!("high_water_mark: {digits}")),
        text.replace("scheme: SIGTop", &format!("scheme: {digits}")),
        text.replace("derivation: ", &format!("derivation: {digits}")),
        text.replace("derivation: spec", &format!("derivation: !{digits} spec")),
        text.replace("derivation: spec", &format!("derivation: *{digits}")),
        text.replace("activation_epoch: 32", &format!("activation_epoch: {digits}")),
        text.replace("activation_epoch: 32", "activation_epoch: 0x1fb3845ec977d206"),
        text.replace("active_epochs: 32", "active_epochs: 0x1fb3845e"),
        text.replace(&public_key, &format!("0x{digits}")),
        text.replace(&public_key, &format!("0x{digits}{}", "00".repeat(20))),
        text.replace("layer: 4", &format!("layer: {digits}")),
        text.replace("layer: 4", "layer: 0x1fb3845e"),
        text.replace("index: 6", "index: 0x1fb3845ec977d206"),
        text.replace(&line, &format!("{line}\n{line}")),
        text.replace(&line, &line.replace(&digits, &digits[..63])),
        text.replace(&line, &format!("encrypted_prf_key: {{kdf: {digits}}}")),
        text.replace(&line, &format!("encrypted_prf_key: {digits}")),
        text.replace(&line, &format!("encrypted_prf_key: {{kdf: '{digits}', memory_kib: 1, passes: 1, lanes: 1, salt: '0x{}', cipher: a, nonce: '0x{}', ciphertext: '0x00'}}", "00".repeat(16), "00".repeat(24))),
        text.replace(&line, &format!("encrypted_prf_key: {{kdf: argon2id, memory_kib: 0x1fb3845e, passes: 1, lanes: 1, salt: '0x{}', cipher: xchacha20-poly1305, nonce: '0x{}', ciphertext: '0x00'}}", "00".repeat(16), "00".repeat(24))),
        text.replace("version: 1", &format!("{{ {digits}")),
        text.replace("version: 1", &format!("\"{digits}")),
        text.replace("version: 1", &format!("? [{digits}]\n: &{digits} x\n%{digits}")),
    ];
    let passphrase = Passphrase::new("hush".to_owned());
    for case in cases {
        assert_ne!(case, *text);
        let read = Keystore::parse(&case).and_then(|keystore| {
            let material = keystore.material(Some(&passphrase))?;
            let root = keystore.public_key;
            crate::trees::load(&material, &root, Path::new("nowhere")).map(drop)?;
            crate::guard::check(Some(&PublicKey([1; 52])), root)
        });
        let said = said(read.unwrap_err());
        assert!(!shows_secret(&said), "{case}\n{said}");
    }
}

#[test]
fn an_error_has_line_column_and_field() {
    let text = with_secret(None).to_yaml().unwrap();
    let message = |changed: &str| Keystore::parse(changed).unwrap_err().to_string();
    let soon = text.replace("activation_epoch: 32", "activation_epoch: soon");
    let line = 1 + text
        .lines()
        .position(|line| line.contains("activation"))
        .unwrap();
    assert_eq!(
        message(&soon),
        format!("not a keystore: malformed at line {line} column 19 (activation_epoch)")
    );
    let without = text.replace("derivation: spec\n", "");
    assert_eq!(message(&without), "derivation: is missing");
    let split = text.replace("prf_key: ", "prf_key:\n  ");
    assert_eq!(
        message(&split),
        "prf_key: its value must stand on the same line"
    );
}

#[test]
fn a_field_that_is_given_twice_is_refused_whichever_it_is() {
    let keystore = with_secret(None);
    let text = keystore.to_yaml().unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut fields = 0;
    for line in lines.filter(|line| line.contains(": ") && !line.starts_with(['-', ' '])) {
        let message = Keystore::parse(&format!("{}{line}\n", *text))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("a field is given twice at line"),
            "{line}: {message}"
        );
        fields += 1;
    }
    assert_eq!(fields, 9);
    for unknown in ["colour: red\ncolour: blue\n", "a: {b: 1, b: 2}\n"] {
        let message = Keystore::parse(&format!("{}{unknown}", *text))
            .unwrap_err()
            .to_string();
        assert!(message.contains("a field is given twice"), "{message}");
    }
    Keystore::parse(&format!("{}colour: red\n", *text)).unwrap();
}

/// Moves, doubles, cuts and changes pieces of the text, where lines and words begin and anywhere else.
fn mutated(text: &str, changes: &[(u8, usize, usize, usize, char)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (kind, at, length, to, with) in changes {
        let at = at % text.len().max(1);
        let end = (at + length % 80).min(text.len());
        let piece: Vec<char> = text[at..end].to_vec();
        let to = to % (text.len() + 1);
        match kind % 6 {
            0 => drop(text.splice(at..end, [])),
            1 => drop(text.splice(to..to, piece)),
            2 => drop(text.splice(at..at, [*with])),
            3 => drop(text.splice(at..end.min(at + 1), [*with])),
            4 => drop(text.splice(at..at, ['\n'])),
            _ => {
                // The secret's digits go somewhere else, too.
                let digits = const_hex::encode(SECRET);
                drop(text.splice(to..to, digits.chars().take(length % 65)));
            }
        }
        if text.is_empty() {
            break;
        }
    }
    text.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    #[test]
    fn no_error_about_a_mutated_file_shows_a_part_of_its_secret(
        changes in proptest::collection::vec(
            (any::<u8>(), any::<usize>(), any::<usize>(), any::<usize>(), prop::char::range(' ', '~')),
            1..5,
        ),
    ) {
        let text = with_secret(None).to_yaml().unwrap();
        let changed = mutated(&text, &changes);
        let read = Keystore::parse(&changed).and_then(|keystore| {
            crate::guard::check(Some(&PublicKey([1; 52])), keystore.public_key)?;
            Ok(keystore)
        });
        if let Err(problem) = read {
            let said = said(problem);
            prop_assert!(!shows_secret(&said), "{changed}\n{said}");
        }
    }
}
