//! Every step of the scheme on its own, on canonical values: for test vectors only, not part of the interface.
#![allow(missing_docs)]

use crate::{
    MaterialError,
    encoding::{DecodeError, Signature},
    field::{DIGEST_ELEMENTS, P, from_u64, read_canonical, to_canonical, to_montgomery},
    hash::{self, LeafSponge},
    lanes::{Backend, Kernel, Lanes, broadcast, store_rows},
    parameters::{Instance, PARAMETER_ELEMENTS, Scheme},
    poseidon2::{self, ConstantOrder, Constants},
    prf::{self, ChainStarts, Derivation, Randomness},
    tweak,
};

/// Runs the permutation in all lanes, with lane l holding `state` rotated left by l; gives each lane's output.
pub fn permute<const W: usize>(
    backend: Backend,
    order: ConstantOrder,
    state: [u32; W],
) -> Vec<[u32; W]> {
    struct Permute<const W: usize>(Constants, [u32; W]);
    impl<const W: usize> Kernel for Permute<W> {
        type Output = Vec<[u32; W]>;
        #[inline(always)]
        fn run<L: Lanes>(self) -> Vec<[u32; W]> {
            let mut outputs = Vec::new();
            let mut lanes = [L::splat(0); W];
            for i in 0..W {
                let mut row = crate::lanes::Row::ZERO;
                for lane in 0..L::WIDTH {
                    row.0[lane] = self.1[(i + lane) % W];
                }
                lanes[i] = L::load(&row.0).to_montgomery();
            }
            if let Ok(state) = <&mut [L; 16]>::try_from(lanes.as_mut_slice()) {
                poseidon2::permute16::<L, 16>(state, &self.0);
            } else if let Ok(state) = <&mut [L; 24]>::try_from(lanes.as_mut_slice()) {
                poseidon2::permute24::<L, 24>(state, &self.0);
            }
            for lanes in &mut lanes {
                *lanes = lanes.to_canonical();
            }
            let rows = store_rows(&lanes);
            for lane in 0..L::WIDTH {
                outputs.push(rows.map(|row| row.0[lane]));
            }
            outputs
        }
    }
    backend.run(Permute(Constants::new(order), state))
}

/// Permutation plus the input, cut off: `width` is 16 or 24.
pub fn compress(
    order: ConstantOrder,
    width: usize,
    input: &[u32],
    output_length: usize,
) -> Vec<u32> {
    fn run<const W: usize>(order: ConstantOrder, input: &[u32]) -> Vec<u32> {
        let mut state = [0; W];
        state[..input.len()].copy_from_slice(input);
        let output = permute(Backend::SCALAR, order, state)[0];
        (0..W)
            .map(|i| ((u64::from(output[i]) + u64::from(state[i])) % u64::from(P)) as u32)
            .collect()
    }
    let mut output = if width == 16 {
        run::<16>(order, input)
    } else {
        run::<24>(order, input)
    };
    output.truncate(output_length);
    output
}

pub fn safe_domain_separator(order: ConstantOrder, lengths: [usize; 4]) -> [u32; 9] {
    crate::context::domain_separator(&Constants::new(order), lengths).map(to_canonical)
}

pub fn prf_chain_start(backend: Backend, key: &[u8; 32], epoch: u64, chain: usize) -> [u32; 8] {
    struct Start<'a>(&'a [u8; 32], u64, usize);
    impl Kernel for Start<'_> {
        type Output = [u32; 8];
        #[inline(always)]
        fn run<L: Lanes>(self) -> [u32; 8] {
            store_rows(&ChainStarts::new(Derivation::Spec, self.0).get::<L>(|_| (self.1, self.2)))
                .map(|row| row.0[0])
        }
    }
    backend.run(Start(key, epoch, chain)).map(to_canonical)
}

pub fn prf_randomness(
    backend: Backend,
    key: &[u8; 32],
    epoch: u64,
    message: &[u8; 32],
    counter: u64,
) -> [u32; 7] {
    struct Random(Randomness, u64);
    impl Kernel for Random {
        type Output = [u32; 7];
        #[inline(always)]
        fn run<L: Lanes>(self) -> [u32; 7] {
            store_rows(&self.0.get::<L>(self.1)).map(|row| row.0[0])
        }
    }
    backend
        .run(Random(
            Randomness::new(Derivation::Spec, key, epoch, message),
            counter,
        ))
        .map(to_canonical)
}

pub fn padding_node(key: &[u8; 32], layer: u32, index: u64) -> [u32; 8] {
    prf::padding_node(key, layer, index).map(to_canonical)
}

pub fn int_to_base_p<const N: usize>(value: u128) -> [u32; N] {
    tweak::base_p(value)
}

pub fn tree_tweak(level: u32, index: u64) -> [u32; 2] {
    tweak::tree(level, index)
}

pub fn chain_tweak(epoch: u64, chain: usize, step: usize) -> [u32; 2] {
    tweak::chain(epoch, chain, step)
}

pub fn encode_message(message: &[u8; 32]) -> [u32; 9] {
    tweak::message(message)
}

pub fn encode_epoch(epoch: u64) -> [u32; 2] {
    tweak::epoch(epoch)
}

pub fn hash_chain(
    order: ConstantOrder,
    parameter: [u32; PARAMETER_ELEMENTS],
    epoch: u64,
    chain: usize,
    start_step: usize,
    steps: usize,
    start: [u32; DIGEST_ELEMENTS],
) -> [u32; DIGEST_ELEMENTS] {
    (start_step + 1..=start_step + steps).fold(start, |value, step| {
        let input = [&parameter[..], &tweak::chain(epoch, chain, step), &value].concat();
        first_eight(&compress(order, 16, &input, 8))
    })
}

pub fn tree_node(
    order: ConstantOrder,
    parameter: [u32; PARAMETER_ELEMENTS],
    level: u32,
    index: u64,
    children: [[u32; DIGEST_ELEMENTS]; 2],
) -> [u32; DIGEST_ELEMENTS] {
    let input = [
        &parameter[..],
        &tweak::tree(level, index),
        children.as_flattened(),
    ]
    .concat();
    first_eight(&compress(order, 24, &input, 8))
}

fn first_eight(elements: &[u32]) -> [u32; DIGEST_ELEMENTS] {
    std::array::from_fn(|i| elements[i])
}

pub fn leaf(
    backend: Backend,
    instance: Instance,
    parameter: [u32; PARAMETER_ELEMENTS],
    epoch: u64,
    ends: &[[u32; DIGEST_ELEMENTS]],
) -> [u32; DIGEST_ELEMENTS] {
    struct Leaf<'a>(
        Instance,
        [u32; PARAMETER_ELEMENTS],
        [u32; 2],
        &'a [[u32; DIGEST_ELEMENTS]],
    );
    impl Kernel for Leaf<'_> {
        type Output = [u32; DIGEST_ELEMENTS];
        #[inline(always)]
        fn run<L: Lanes>(self) -> [u32; DIGEST_ELEMENTS] {
            let context = self.0.context();
            let mut sponge = LeafSponge::<L>::new(context, &broadcast(&self.1), broadcast(&self.2));
            for end in self.3 {
                sponge.absorb(&broadcast(&end.map(to_montgomery)));
            }
            store_rows(&sponge.finish()).map(|row| row.0[0])
        }
    }
    let tweak = tweak::tree(0, epoch).map(to_montgomery);
    backend
        .run(Leaf(instance, parameter.map(to_montgomery), tweak, ends))
        .map(to_canonical)
}

/// The codeword of a message, if the randomness gives one.
pub fn target_sum_encode(
    backend: Backend,
    instance: Instance,
    parameter: [u32; PARAMETER_ELEMENTS],
    epoch: u64,
    message: &[u8; 32],
    randomness: [u32; 7],
) -> Option<Vec<u8>> {
    struct Encode(
        [u32; 7],
        [u32; PARAMETER_ELEMENTS],
        [u32; 2],
        [u32; 9],
        Instance,
    );
    impl Kernel for Encode {
        type Output = [u32; 15];
        #[inline(always)]
        fn run<L: Lanes>(self) -> [u32; 15] {
            let constants = self.4.context().constants;
            let output = hash::message::<L>(
                constants,
                &broadcast(&self.0),
                &broadcast(&self.1),
                broadcast(&self.2),
                &broadcast(&self.3),
            );
            store_rows(&output).map(|row| row.0[0])
        }
    }
    let output = backend.run(Encode(
        randomness.map(to_montgomery),
        parameter.map(to_montgomery),
        tweak::epoch(epoch).map(to_montgomery),
        hash::message_elements(message),
        instance,
    ));
    instance
        .context()
        .hypercube
        .codeword(&output.map(to_canonical))
}

/// Layer and coordinates of the vertex with a number, in decimal.
pub fn hypercube_vertex(scheme: Scheme, number: &str) -> Option<(usize, Vec<u8>)> {
    Instance::from(scheme).context().hypercube.vertex_at(number)
}

/// First and last-but-one bottom tree of an active range.
pub fn expand_activation(
    scheme: Scheme,
    start: u64,
    count: u64,
) -> Result<(u64, u64), MaterialError> {
    let range = scheme.whole_trees(start, count)?;
    Ok((
        range.start / scheme.epochs_per_tree(),
        range.end / scheme.epochs_per_tree(),
    ))
}

/// A signature from the specification's own layout: path, randomness, chain values, without offsets.
pub fn signature_from_plain(scheme: Scheme, bytes: &[u8]) -> Result<Signature, DecodeError> {
    let parameters = scheme.parameters();
    let path_bytes = 32 * parameters.log_lifetime as usize;
    let expected = path_bytes + 28 + 32 * parameters.dimension;
    if bytes.len() != expected {
        return Err(DecodeError::Length {
            what: "plain signature",
            expected,
            found: bytes.len(),
        });
    }
    let mut signature = Signature {
        randomness: [0; 7],
        path: vec![[0; 8]; parameters.log_lifetime as usize],
        chains: vec![[0; 8]; parameters.dimension],
    };
    let non_canonical = |(index, value)| DecodeError::NonCanonical {
        field: "signature",
        index,
        value,
    };
    read_canonical(bytes, signature.path.as_flattened_mut()).map_err(non_canonical)?;
    read_canonical(&bytes[path_bytes..], &mut signature.randomness).map_err(non_canonical)?;
    read_canonical(
        &bytes[path_bytes + 28..],
        signature.chains.as_flattened_mut(),
    )
    .map_err(non_canonical)?;
    Ok(signature)
}

/// A signature from its parts, as canonical elements.
pub fn signature_from_parts(
    path: &[[u32; 8]],
    randomness: [u32; 7],
    chains: &[[u32; 8]],
) -> Signature {
    let element = |value: u32| from_u64(u64::from(value));
    let digest = |digest: &[u32; 8]| digest.map(element);
    Signature {
        randomness: randomness.map(element),
        path: path.iter().map(digest).collect(),
        chains: chains.iter().map(digest).collect(),
    }
}
