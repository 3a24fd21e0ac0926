//! What an operator does with keys: making, inspecting and verifying them, and setting their high-water marks. Nothing
//! here signs.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use quartet_types::PublicKey;
use quartet_xmss::{ForeignKey, ForeignTree, KeyMaterial, Scheme, SecretKey, Threads};
use rand::{
    SeedableRng as _,
    rngs::{StdRng, SysRng},
};

use crate::{
    EncryptionError, KeyError, KeyFileProblem, KeyFormat, Keystore, MachineLocks, MarkReport,
    OnProgress, Passphrase, files,
    guard::Guard,
    keystore::{self, scheme_name},
    load::import,
    mark,
    marked::{create_or_raise_mark, inspect_mark, mark_path},
    trees::{self, Cached},
};

/// What a new key shall be.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// The signature scheme.
    pub scheme: Scheme,
    /// The first epoch to sign in.
    pub activation_epoch: u64,
    /// How many epochs to sign in. Making the key takes time for these alone; only
    /// [whole trees](Scheme::whole_trees) can be exported.
    pub active_epochs: u64,
    /// Encrypts the secret, where given.
    pub passphrase: Option<&'a Passphrase>,
    /// Marks the secret as public: nobody is warned that others may read it.
    pub public_test_key: bool,
}

/// What is known of a key without computing anything.
#[derive(Clone, Debug)]
pub struct KeyReport {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: KeyFormat,
    /// The name of its scheme.
    pub scheme: &'static str,
    /// The public key that it states.
    pub public_key: PublicKey,
    /// The epochs that it can sign.
    pub active: Range<u64>,
    /// Whether a passphrase is needed.
    pub encrypted: bool,
    /// Whether the secret is meant to be public.
    pub public_test_key: bool,
    /// Whether others than the owner may read the file.
    pub readable_by_others: bool,
    /// The state of its prepared trees.
    pub trees: TreesReport,
    /// Its high-water mark.
    pub mark: MarkReport,
}

/// The state of the prepared trees beside a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreesReport {
    /// Whole, and prepared for these epochs.
    Whole(Vec<Range<u64>>),
    /// Prepared for these epochs; other trees are damaged, and rebuilt when their epochs come.
    Damaged(Vec<Range<u64>>),
    /// There are none; they are rebuilt when the key is loaded.
    Missing,
    /// The file cannot be used for the reason given; it is rebuilt when the key is loaded.
    Unusable(String),
    /// The key is encrypted, and without its passphrase they cannot be checked.
    Unchecked,
}

/// Makes a new key at `path`, with its trees beside it. This computes the one-time key of each of its epochs, some
/// 40 µs each, on all of rayon's threads.
///
/// # Errors
/// When there is a file already, it cannot be written, or there are no epochs or some beyond the scheme's lifetime.
pub fn generate(
    path: &Path,
    new: &NewKey<'_>,
    progress: OnProgress<'_>,
) -> Result<PublicKey, KeyError> {
    // Checked again when it is written, but better before the minutes are spent.
    if path.exists() {
        return Err(KeyFileProblem::Exists.in_file(path));
    }
    let generate = || {
        let mut rng = StdRng::try_from_rng(&mut SysRng).map_err(|error| {
            KeyFileProblem::Encryption(EncryptionError::NoRandomness(error.to_string()))
        })?;
        KeyMaterial::generate(
            new.scheme,
            new.activation_epoch,
            new.active_epochs,
            &mut rng,
        )
        .map_err(|error| KeyFileProblem::material(&error, new.scheme))
    };
    let material = generate().map_err(|problem| problem.in_file(path))?;
    let key = SecretKey::build(material, Threads::Pool, progress);
    let free_from = (!new.public_test_key).then_some(0);
    write(&key, path, new.passphrase, free_from)
}

/// Writes a key with its trees and its mark; a key without a mark is a public test key.
pub(crate) fn write(
    key: &SecretKey,
    path: &Path,
    passphrase: Option<&Passphrase>,
    free_from: Option<u64>,
) -> Result<PublicKey, KeyError> {
    let in_file = |problem: KeyFileProblem| problem.in_file(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| in_file(KeyFileProblem::Unwritable(e)))?;
    }
    let keystore = Keystore::of_key(key, passphrase)
        .map_err(|error| in_file(KeyFileProblem::Encryption(error)))?;
    let keystore = if free_from.is_none() {
        keystore.into_public_test_key()
    } else {
        keystore
    };
    // Before the key, so that no crash leaves a key without its mark.
    if let Some(free_from) = free_from {
        create_or_raise_mark(path, &keystore.public_key(), free_from)?;
    }
    keystore.write_new(path)?;
    let trees = trees::path_beside(path);
    trees::store(&key.trees().to_bytes(), &trees)
        .map_err(|error| KeyFileProblem::Unwritable(error).in_file(&trees))?;
    Ok(keystore.public_key())
}

/// Creates a key's high-water mark, or raises it: nothing will be signed below `free_from`. Returns what it leaves free
/// now, which may be more: a mark is never lowered.
///
/// # Errors
/// When the key is in use or cannot be read, or its mark is damaged or cannot be written.
pub fn set_mark(path: &Path, free_from: u64) -> Result<u64, KeyError> {
    let public_key = inspect(path, None)?.public_key;
    let _guard = Guard::lock(path, &public_key, &MachineLocks::default())?;
    let mark = mark::create_or_raise(&mark_path(path)?, &public_key, free_from)
        .map_err(|error| KeyFileProblem::Mark(error).in_file(path))?;
    Ok(mark.found().max(free_from))
}

/// Looks at a key without computing anything. The passphrase is only needed to check the trees.
///
/// # Errors
/// When the file cannot be read or is malformed, or the passphrase is wrong.
pub fn inspect(path: &Path, passphrase: Option<&Passphrase>) -> Result<KeyReport, KeyError> {
    let format = KeyFormat::of(path)?;
    let mut file = keystore::open(path)?;
    let readable_by_others = files::readable_by_others(&file);
    let in_file = |problem: KeyFileProblem| problem.in_file(path);
    if let KeyFormat::Foreign(foreign) = format {
        let key = foreign.read(&mut file).and_then(|key| import(&key));
        let key = key.map_err(in_file)?;
        return Ok(KeyReport {
            path: path.to_owned(),
            format,
            scheme: scheme_name(key.material().instance().scheme),
            public_key: PublicKey(key.public_key().to_bytes()),
            active: key.active(),
            encrypted: false,
            public_test_key: false,
            readable_by_others,
            trees: TreesReport::Whole(key.stored_tree_epochs()),
            mark: inspect_mark(path, &PublicKey(key.public_key().to_bytes()), false),
        });
    }
    let keystore = Keystore::read(&mut file).map_err(in_file)?;
    let trees = match (keystore.is_encrypted(), passphrase) {
        (true, None) => TreesReport::Unchecked,
        _ => inspect_trees(&keystore, path, passphrase).map_err(in_file)?,
    };
    Ok(KeyReport {
        path: path.to_owned(),
        format,
        scheme: scheme_name(keystore.scheme()),
        public_key: keystore.public_key(),
        active: keystore.active(),
        encrypted: keystore.is_encrypted(),
        public_test_key: keystore.is_public_test_key(),
        readable_by_others,
        trees,
        mark: if keystore.is_public_test_key() {
            MarkReport::Exempt
        } else {
            inspect_mark(path, &keystore.public_key(), keystore.requires_mark())
        },
    })
}

fn inspect_trees(
    keystore: &Keystore,
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<TreesReport, KeyFileProblem> {
    let material = keystore.material(passphrase)?;
    let cached = trees::load(&material, &keystore.public_key(), &trees::path_beside(path))?;
    Ok(match cached {
        Cached::Whole(key) => TreesReport::Whole(key.stored_tree_epochs()),
        Cached::Partly(key, _) => TreesReport::Damaged(key.stored_tree_epochs()),
        Cached::Missing => TreesReport::Missing,
        Cached::Unusable(error) => TreesReport::Unusable(error.to_string()),
    })
}

/// Computes a key again from its secret, seconds to minutes, and compares everything that its file states: the public
/// key, and every node that is kept of its trees.
///
/// # Errors
/// When the file cannot be read, or its secret makes another public key or, in a foreign key, another node.
/// Damaged trees beside one of our own keys are no error, but in the report.
pub fn verify(
    path: &Path,
    expected: Option<&PublicKey>,
    passphrase: Option<&Passphrase>,
    progress: OnProgress<'_>,
) -> Result<KeyReport, KeyError> {
    let in_file = |problem: KeyFileProblem| problem.in_file(path);
    let report = inspect(path, passphrase)?;
    if let Some(expected) = expected
        && *expected != report.public_key
    {
        let expected = *expected;
        return Err(in_file(KeyFileProblem::WrongKey { expected }));
    }
    let mut file = keystore::open(path)?;
    let (material, foreign) = match report.format {
        KeyFormat::Keystore => {
            let keystore = Keystore::read(&mut file).map_err(in_file)?;
            (keystore.material(passphrase).map_err(in_file)?, None)
        }
        KeyFormat::Foreign(format) => {
            let foreign = format.read(&mut file).map_err(in_file)?;
            let key = import(&foreign).map_err(in_file)?;
            (key.material().clone(), Some(foreign))
        }
    };
    let key = SecretKey::build(material, Threads::Pool, progress);
    let made = PublicKey(key.public_key().to_bytes());
    if made != report.public_key {
        return Err(in_file(KeyFileProblem::PublicKey { made }));
    }
    // Our own trees need no comparison: they lead to the same public key, and no other nodes do.
    if let Some(foreign) = foreign {
        compare(&foreign, &key).map_err(in_file)?;
    }
    Ok(report)
}

/// Compares a foreign key with the one computed from its secret, node by node.
fn compare(foreign: &ForeignKey, key: &SecretKey) -> Result<(), KeyFileProblem> {
    let scheme = key.material().instance().scheme;
    let per_tree = scheme.epochs_per_tree();
    let epoch = foreign.left_bottom_tree_index.saturating_mul(per_tree);
    let made = ForeignKey::export(key, epoch, Threads::Pool, &|_| {})
        .map_err(|error| KeyFileProblem::foreign(&error, scheme))?;
    let trees = [
        ("top tree", &foreign.top_tree, &made.top_tree),
        (
            "left bottom tree",
            &foreign.left_bottom_tree,
            &made.left_bottom_tree,
        ),
        (
            "right bottom tree",
            &foreign.right_bottom_tree,
            &made.right_bottom_tree,
        ),
    ];
    for (tree, found, expected) in trees {
        if let Some((layer, index)) = first_difference(found, expected) {
            return Err(KeyFileProblem::Node { tree, layer, index });
        }
    }
    Ok(())
}

/// Layer, from the tree's lowest, and index of the first node that differs.
fn first_difference(found: &ForeignTree, expected: &ForeignTree) -> Option<(usize, u64)> {
    let root = expected.layers.len().checked_sub(1)?;
    let mut layers = found.layers.iter().zip(&expected.layers).enumerate();
    layers.find_map(|(height, (found, expected))| {
        // Beside the root, leanSig adds a random node that is never used.
        let count = if height == root {
            1
        } else {
            expected.nodes.len()
        };
        let mut nodes = found.nodes.iter().zip(&expected.nodes).take(count);
        let at = nodes.position(|(found, expected)| found != expected)?;
        Some((height, expected.start_index + at as u64))
    })
}
