//! The tables that belong to each instance of the scheme, computed when they are first needed.

use std::sync::LazyLock;

use crate::{
    field::{DIGEST_ELEMENTS, to_montgomery},
    hypercube::Hypercube,
    lanes::{Lanes, Row, Scalar, Vector, load_rows, store_rows},
    parameters::{
        CAPACITY_ELEMENTS, Instance, PARAMETER_ELEMENTS, Parameters, Scheme, TWEAK_ELEMENTS,
    },
    poseidon2::{self, ConstantOrder, Constants},
    tweak,
};

/// Everything that hashing in one instance needs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) parameters: &'static Parameters,
    pub(crate) hypercube: &'static Hypercube,
    pub(crate) constants: &'static Constants,
    /// What the capacity of a leaf's sponge starts with: it separates inputs by their shape.
    pub(crate) leaf_capacity: [u32; CAPACITY_ELEMENTS],
}

static INTEROP_CONSTANTS: LazyLock<Constants> =
    LazyLock::new(|| Constants::new(ConstantOrder::Interop));
static SPEC_CONSTANTS: LazyLock<Constants> = LazyLock::new(|| Constants::new(ConstantOrder::Spec));
static PRODUCTION_HYPERCUBE: LazyLock<Hypercube> =
    LazyLock::new(|| Hypercube::new(Scheme::Production.parameters()));
static TEST_HYPERCUBE: LazyLock<Hypercube> =
    LazyLock::new(|| Hypercube::new(Scheme::Test.parameters()));
static CONTEXTS: [LazyLock<Context>; 4] = [
    LazyLock::new(|| Context::new(Scheme::Production, &INTEROP_CONSTANTS)),
    LazyLock::new(|| Context::new(Scheme::Production, &SPEC_CONSTANTS)),
    LazyLock::new(|| Context::new(Scheme::Test, &INTEROP_CONSTANTS)),
    LazyLock::new(|| Context::new(Scheme::Test, &SPEC_CONSTANTS)),
];

impl Instance {
    pub(crate) fn context(self) -> &'static Context {
        match (self.scheme, self.order) {
            (Scheme::Production, ConstantOrder::Interop) => &CONTEXTS[0],
            (Scheme::Production, ConstantOrder::Spec) => &CONTEXTS[1],
            (Scheme::Test, ConstantOrder::Interop) => &CONTEXTS[2],
            (Scheme::Test, ConstantOrder::Spec) => &CONTEXTS[3],
        }
    }
}

impl Context {
    fn new(scheme: Scheme, constants: &'static Constants) -> Self {
        let parameters = scheme.parameters();
        let hypercube: &'static Hypercube = match scheme {
            Scheme::Production => &PRODUCTION_HYPERCUBE,
            Scheme::Test => &TEST_HYPERCUBE,
        };
        let lengths = [
            PARAMETER_ELEMENTS,
            TWEAK_ELEMENTS,
            parameters.dimension,
            DIGEST_ELEMENTS,
        ];
        Self {
            parameters,
            hypercube,
            constants,
            leaf_capacity: domain_separator(constants, lengths),
        }
    }
}

/// The sponge's domain separator: four lengths packed into one number, in base p, compressed
/// (leanSpec: `PoseidonXmss.safe_domain_separator`).
pub(crate) fn domain_separator(
    constants: &Constants,
    lengths: [usize; 4],
) -> [u32; CAPACITY_ELEMENTS] {
    let packed = lengths
        .iter()
        .fold(0, |acc: u128, length| acc << 32 | *length as u128);
    let mut rows = [Row::ZERO; 24];
    for (row, limb) in rows.iter_mut().zip(tweak::base_p::<5>(packed)) {
        row.0[0] = to_montgomery(limb);
    }
    let input = load_rows::<Scalar, 24>(&rows);
    let mut state = input;
    poseidon2::permute24::<Scalar, CAPACITY_ELEMENTS>(&mut state, constants);
    let mut output = [Scalar::splat(0); CAPACITY_ELEMENTS];
    for ((output, state), input) in output.iter_mut().zip(state).zip(input) {
        *output = state.add(input);
    }
    store_rows(&output).map(|row| row.0[0])
}
