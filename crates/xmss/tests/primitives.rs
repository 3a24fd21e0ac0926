//! Every step of the scheme against the reference vectors, in both orders of constants.

mod common;

use std::{io::Write, sync::Once};

use common::{ORDERS, elements, file, hex_array, list, number, scheme_named};
use quartet_xmss::{Backend, ConstantOrder, Instance, primitives};
use serde_json::Value;

fn for_each_order(name: &str, check: impl Fn(ConstantOrder, Value)) {
    for (order, order_name) in ORDERS {
        check(order, file(&format!("{name}_{order_name}.json")));
    }
}

/// Checks on each back-end that this machine has; whatever it lacks is said once, past the capture of tests' output.
fn on_every_back_end(check: impl Fn(Backend)) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let here: Vec<_> = Backend::all().into_iter().map(Backend::name).collect();
        for name in Backend::NAMES {
            if !here.contains(&name) {
                let line = format!("not tested: {name}, which this machine lacks\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
        }
    });
    Backend::all().into_iter().for_each(check);
}

#[test]
fn every_back_end_is_among_the_names() {
    for backend in Backend::all() {
        assert!(Backend::NAMES.contains(&backend.name()));
    }
    assert_eq!(Backend::all()[0], Backend::SCALAR);
}

fn permutes_as<const W: usize>(backend: Backend, order: ConstantOrder, case: &Value) {
    let input: [u32; W] = elements(&case["input"]);
    let outputs = primitives::permute(backend, order, input);
    assert_eq!(
        outputs[0],
        elements::<W>(&case["output"]),
        "{backend:?} {order:?}"
    );
    for (lane, output) in outputs.iter().enumerate() {
        let rotated: [u32; W] = std::array::from_fn(|i| input[(i + lane) % W]);
        let expected = primitives::permute(Backend::SCALAR, order, rotated)[0];
        assert_eq!(*output, expected, "{backend:?} {order:?}, lane {lane}");
    }
}

#[test]
fn poseidon2_permutes_as_specified_on_every_back_end() {
    for_each_order("poseidon2", |order, content| {
        for case in list(&content["permute"]) {
            on_every_back_end(|backend| match number(&case["width"]) {
                16 => permutes_as::<16>(backend, order, case),
                _ => permutes_as::<24>(backend, order, case),
            });
        }
    });
}

#[test]
fn poseidon2_compresses_and_separates_domains_as_specified() {
    for_each_order("poseidon2", |order, content| {
        for case in list(&content["compress"]) {
            let input: Vec<u32> = list(&case["input"])
                .iter()
                .map(|x| number(x) as u32)
                .collect();
            let (width, length) = (
                number(&case["width"]) as usize,
                number(&case["output_len"]) as usize,
            );
            let output = primitives::compress(order, width, &input, length);
            let expected: Vec<u32> = list(&case["output"])
                .iter()
                .map(|x| number(x) as u32)
                .collect();
            assert_eq!(output, expected);
        }
        for case in list(&content["safe_domain_separator"]) {
            let lengths = list(&case["lengths"]);
            if lengths.len() == 4 && number(&case["capacity_len"]) == 9 {
                let lengths = std::array::from_fn(|i| number(&lengths[i]) as usize);
                assert_eq!(
                    primitives::safe_domain_separator(order, lengths),
                    elements(&case["output"])
                );
            }
        }
    });
}

#[test]
fn the_pseudo_random_function_is_as_specified() {
    for_each_order("xmss_primitives", |_, content| {
        let prf = &content["prf"];
        let key = hex_array(&prf["key"]);
        for case in list(&prf["apply"]) {
            let (epoch, chain) = (
                number(&case["epoch"]),
                number(&case["chain_index"]) as usize,
            );
            on_every_back_end(|backend| {
                let output = primitives::prf_chain_start(backend, &key, epoch, chain);
                assert_eq!(output, elements(&case["output"]), "{backend:?}");
            });
        }
        for case in list(&prf["get_randomness"]) {
            let message = hex_array(&case["message"]);
            let (epoch, counter) = (number(&case["epoch"]), number(&case["counter"]));
            on_every_back_end(|backend| {
                let output = primitives::prf_randomness(backend, &key, epoch, &message, counter);
                assert_eq!(output, elements(&case["output"]), "{backend:?}");
            });
        }
    });
}

#[test]
fn numbers_become_field_elements_as_specified() {
    for_each_order("xmss_primitives", |_, content| {
        for case in list(&content["int_to_base_p"]) {
            let Ok(value) = case["value"].as_str().expect("a string").parse::<u128>() else {
                continue;
            };
            let expected: Vec<u64> = list(&case["limbs"]).iter().map(number).collect();
            let digits = primitives::int_to_base_p::<9>(value);
            let digits: Vec<u64> = digits
                .into_iter()
                .map(u64::from)
                .take(expected.len())
                .collect();
            assert_eq!(digits, expected);
        }
        for case in list(&content["tree_tweak"]) {
            let tweak =
                primitives::tree_tweak(number(&case["level"]) as u32, number(&case["index"]));
            assert_eq!(tweak, elements(&case["output"]));
        }
        for case in list(&content["chain_tweak"]) {
            let (chain, step) = (
                number(&case["chain_index"]) as usize,
                number(&case["step"]) as usize,
            );
            let tweak = primitives::chain_tweak(number(&case["epoch"]), chain, step);
            assert_eq!(tweak, elements(&case["output"]));
        }
        for case in list(&content["message_encode"]) {
            assert_eq!(
                primitives::encode_message(&hex_array(&case["message"])),
                elements(&case["output"])
            );
        }
        for case in list(&content["epoch_encode"]) {
            assert_eq!(
                primitives::encode_epoch(number(&case["epoch"])),
                elements(&case["output"])
            );
        }
    });
}

#[test]
fn chains_nodes_and_leaves_hash_as_specified() {
    for_each_order("xmss_primitives", |order, content| {
        let parameter = elements(&content["parameter"]);
        for case in list(&content["hash_chain"]) {
            let output = primitives::hash_chain(
                order,
                parameter,
                number(&case["epoch"]),
                number(&case["chain_index"]) as usize,
                number(&case["start_step"]) as usize,
                number(&case["num_steps"]) as usize,
                elements(&case["start"]),
            );
            assert_eq!(output, elements(&case["output"]));
        }
        for case in list(&content["tree_node"]) {
            let children = [elements(&case["left"]), elements(&case["right"])];
            let (level, index) = (number(&case["level"]) as u32, number(&case["index"]));
            let output = primitives::tree_node(order, parameter, level, index, children);
            assert_eq!(output, elements(&case["output"]));
        }
        for case in list(&content["leaf"]) {
            let instance = Instance {
                scheme: scheme_named(&case["scheme"]),
                order,
            };
            let ends: Vec<[u32; 8]> = list(&case["chain_ends"]).iter().map(elements).collect();
            let index = number(&case["index"]);
            on_every_back_end(|backend| {
                let output = primitives::leaf(backend, instance, parameter, index, &ends);
                assert_eq!(output, elements(&case["output"]), "{backend:?}");
            });
        }
    });
}

#[test]
fn messages_map_to_codewords_as_specified() {
    for_each_order("xmss_primitives", |order, content| {
        let parameter = elements(&content["parameter"]);
        for case in list(&content["target_sum_encode"]) {
            let instance = Instance {
                scheme: scheme_named(&case["scheme"]),
                order,
            };
            let message = hex_array(&case["message"]);
            let randomness = elements(&case["rho"]);
            let expected: Vec<u8> = list(&case["codeword"])
                .iter()
                .map(|x| number(x) as u8)
                .collect();
            let valid = case["valid"].as_bool().expect("a verdict");
            let (epoch, expected) = (number(&case["epoch"]), valid.then_some(expected));
            on_every_back_end(|backend| {
                let codeword = primitives::target_sum_encode(
                    backend, instance, parameter, epoch, &message, randomness,
                );
                assert_eq!(codeword, expected, "{backend:?}");
            });
        }
        for (name, cube) in content["hypercube"].as_object().expect("an object") {
            let scheme = scheme_named(&Value::String(name.clone()));
            for case in list(&cube["map"]) {
                let vertex: Vec<u8> = list(&case["vertex"])
                    .iter()
                    .map(|x| number(x) as u8)
                    .collect();
                let expected = (number(&case["layer"]) as usize, vertex);
                let number = case["x"].as_str().expect("a string");
                assert_eq!(primitives::hypercube_vertex(scheme, number), Some(expected));
            }
            let beyond = cube["part_size"].as_str().expect("a string");
            assert_eq!(primitives::hypercube_vertex(scheme, beyond), None);
        }
    });
}

#[test]
fn activation_widens_to_whole_trees_as_specified() {
    for_each_order("xmss_primitives", |_, content| {
        for case in list(&content["expand_activation_time"]) {
            let name = if number(&case["log_lifetime"]) == 32 {
                "PROD"
            } else {
                "TEST"
            };
            let scheme = scheme_named(&Value::from(name));
            let (start, count) = (
                number(&case["activation_epoch"]),
                number(&case["num_active_epochs"]),
            );
            let expected = (
                number(&case["start_bottom_tree"]),
                number(&case["end_bottom_tree"]),
            );
            assert_eq!(
                primitives::expand_activation(scheme, start, count),
                Ok(expected)
            );
        }
    });
}
