//! Keys that somebody else signs with, too.

use super::*;

#[test]
fn what_an_editor_saves_while_a_node_runs_gives_no_second_signer() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    let yaml = fixture.keys().join(YAML);
    // Saved as editors do: a new file takes the name.
    let text = fs::read_to_string(&yaml).unwrap();
    fs::write(
        fixture.keys().join("validator_0.yaml~"),
        format!("# Edited.\n{text}"),
    )
    .unwrap();
    fs::rename(fixture.keys().join("validator_0.yaml~"), &yaml).unwrap();
    let error = fixture.load(&fixture.keys(), "other data").unwrap_err();
    assert!(matches!(problem(error), KeyFileProblem::InUse));
    drop(signer);
    fixture.load(&fixture.keys(), "other data").unwrap();
}

#[test]
fn a_copy_of_a_key_in_use_gives_no_second_signer() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    let copies = fixture.copy(&[YAML, TREES, MARK], "copies");
    let error = fixture.load(&copies, "other data").unwrap_err();
    assert!(matches!(problem(error), KeyFileProblem::InUse));
    assert!(matches!(
        problem(set_mark(&copies.join(YAML), 0).unwrap_err()),
        KeyFileProblem::InUse
    ));
    drop(signer);
    fixture.load(&copies, "other data").unwrap();
    // Unlike what tests do with scopes of their own.
    let apart = Loading {
        locks: MachineLocks::scoped("apart"),
        ..Loading::default()
    };
    let signer = fixture.load(&copies, "other data").unwrap();
    fixture.load_with(&fixture.keys(), "data", &apart).unwrap();
    drop(signer);
}

/// A signature of the key that was seen on the network.
fn seen(fixture: &Fixture, epoch: u64, message: u8) -> SigningRequest {
    SigningRequest {
        public_key: fixture.public_key,
        epoch,
        message_root: root(message),
        source: epoch.checked_sub(2),
    }
}

#[test]
fn a_signature_seen_that_was_not_granted_here_stops_the_key() {
    for (epoch, message) in [(11, 1), (10, 2), (9, 1), (90, 1)] {
        let fixture = Fixture::new(Purpose::Value);
        let signer = fixture.signer("data");
        signer.record().refuse_up_to(5).unwrap();
        signer.sign(8, root(1)).unwrap();
        signer.sign(10, root(1)).unwrap();
        let ours = [seen(&fixture, 8, 1), seen(&fixture, 10, 1)];
        assert_eq!(
            signer.record().observe(&ours).unwrap(),
            [Sighting::Known; 2]
        );
        if epoch == 11 {
            signer.sign(11, root(7)).unwrap();
        }
        let theirs = [seen(&fixture, epoch, message)];
        assert_eq!(
            signer.record().observe(&theirs).unwrap(),
            [Sighting::SecondSigner]
        );
        for epoch in [10, 12, 100] {
            let refused = refusal(&signer, epoch, 1);
            assert!(matches!(refused, Refusal::SecondSigner { .. }), "{refused}");
            assert!(
                refused
                    .to_string()
                    .contains("somebody else has signed with this key")
            );
        }
    }
}

#[test]
fn signatures_of_an_earlier_life_raise_record_and_mark_and_stop_nothing() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("a new data directory");
    signer.record().refuse_up_to(30).unwrap();
    let earlier = [
        seen(&fixture, 28, 1),
        seen(&fixture, 30, 1),
        seen(&fixture, 29, 1),
    ];
    assert_eq!(
        signer.record().observe(&earlier).unwrap(),
        [Sighting::Earlier; 3]
    );
    signer.record().persist_observed(&earlier).unwrap();
    reserve(&[&signer], 30).pop().unwrap().unwrap();
    assert_eq!(
        (signer.last_signed(), signer.last_source()),
        (Some(30), Some(28))
    );
    signer.sign(31, root(1)).unwrap();
    drop(signer);
    // Not even the same message: it was not this record that granted it. And no start guard is needed.
    let signer = fixture.signer("a new data directory");
    assert!(matches!(
        refusal(&signer, 30, 1),
        Refusal::MarkedAsUsed { .. }
    ));
    assert!(matches!(
        refusal(&signer, 29, 1),
        Refusal::OlderEpoch { .. }
    ));
}

#[test]
fn what_was_signed_long_ago_is_no_second_signer() {
    let fixture = Fixture::new(Purpose::Value);
    let signer = fixture.signer("data");
    signer.record().refuse_up_to(0).unwrap();
    for epoch in 1..=40 {
        signer.prepare(epoch).unwrap();
        signer.sign(epoch, root(1)).unwrap();
    }
    // An old block is fetched. The record remembers sixteen messages.
    for epoch in 1..=40 {
        let sighting = signer
            .record()
            .observe(&[seen(&fixture, epoch, 1)])
            .unwrap();
        assert_eq!(sighting, [Sighting::Known], "{epoch}");
    }
    assert_eq!(
        signer.record().observe(&[seen(&fixture, 25, 2)]).unwrap(),
        [Sighting::SecondSigner]
    );
}
