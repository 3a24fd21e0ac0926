//! What is on the screen, as text.

use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::{
    super::{
        app::{App, Pane},
        model::{
            Model,
            tests::{place, refused, report, update},
        },
        poll::SlotReport,
        theme::Theme,
    },
    draw,
};
use crate::lean_api::{Peer, Validator};

fn app(colour: bool) -> App {
    let mut model = Model::new((0..4).map(|port| format!("http://127.0.0.1:510{port}")));
    for node in 0..3 {
        let mut seen = report(&format!("quartet_{node}"), 120, "0xaaaaaaaaaa");
        seen.peers = vec![Peer {
            peer_id: "16Uiu2HAmPeerOne1".to_owned(),
            direction: "inbound".to_owned(),
            agent: Some("quartet/0.1.0".to_owned()),
            latency_ms: Some(2),
            bytes_in: Some(4_200),
            ..Peer::default()
        }];
        seen.slots = (117..=120)
            .map(|slot| SlotReport {
                slot,
                proposer: Some(slot % 4),
                proposer_is_local: slot % 4 == 0,
                attesters: if slot % 4 == 0 { vec![] } else { vec![0] },
                block: (slot != 118).then(|| format!("0x{slot:08}ff")),
                votes: Some([(0, false), (1, slot == 119)].into()),
                head: Some(place(slot, "0x")),
            })
            .collect();
        let mut own = Validator {
            local: true,
            ..Validator::default()
        };
        (own.record.votes.on_time, own.record.votes.late) = (86, 1);
        seen.validators = Some(vec![own]);
        model.take(update(node, 10_000, Ok(seen)));
    }
    model.take(update(3, 11_000, Err(refused())));
    let mut app = App::new(model, Theme { colour });
    app.now = 16_000;
    app
}

fn drawn(app: &App, width: u16, height: u16) -> (String, ratatui::buffer::Buffer) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = buffer.content.chunks(usize::from(width));
    let text = rows.map(|row| {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    });
    (text.collect(), buffer)
}

fn has(text: &str, expected: &str) {
    assert!(text.contains(expected), "no {expected:?} in\n{text}");
}

#[test]
fn a_small_screen_has_the_nodes_and_one_pane() {
    let mut app = app(false);
    let (text, _) = drawn(&app, 80, 24);
    has(&text, " quartet watch  slot 120  3 of 4 nodes well");
    has(
        &text,
        " node        condition   head    root       just.   final.",
    );
    has(
        &text,
        " quartet_0   synced      120     0xaaaaaaaa 118     117     3    3     1/0",
    );
    has(&text, "no answer");
    has(&text, "in step with the network");
    has(&text, "finality's lag 3");
    has(
        &text,
        "│ 120      0*        0x00000120  2/4        0      120",
    );
    has(
        &text,
        "│ 118      2         no block    2/4        0      118",
    );
    let expectations = [
        (
            Pane::Duties,
            " 119      attest   0                1 on time",
        ),
        (
            Pane::Validators,
            " 0*      86       1      0       0          0         0",
        ),
        (Pane::Peers, " quartet/0.1.0 …PeerOne1"),
        (Pane::Events, "it does not answer: cannot connect"),
    ];
    for (place, (pane, expected)) in expectations.into_iter().enumerate() {
        app.pane = place + 1;
        assert_eq!(app.pane(), pane);
        has(&drawn(&app, 80, 24).0, expected);
    }
}

#[test]
fn a_large_screen_has_all_panes() {
    let (text, _) = drawn(&app(true), 200, 60);
    for pane in Pane::ALL {
        has(&text, &format!("┌ {} ─", pane.name()));
    }
}

#[test]
fn a_node_that_is_gone_is_red_with_since_when() {
    let mut app = app(true);
    app.node = 3;
    let (text, buffer) = drawn(&app, 80, 24);
    has(&text, "Connection refused");
    has(&text, " for 5 s");
    let word = text
        .lines()
        .position(|line| line.contains("no answer"))
        .unwrap();
    assert_eq!(buffer[(13, word as u16)].fg, Color::Red);
    assert_eq!(buffer[(13, 2)].fg, Color::Green);
}

#[test]
fn a_node_on_another_branch_stands_out() {
    let mut app = app(true);
    let other = report("quartet_2", 120, "0xbbbbbbbbbb");
    app.model.take(update(2, 12_000, Ok(other)));
    let (text, buffer) = drawn(&app, 80, 24);
    has(&text, "1 node on another branch");
    let row = text
        .lines()
        .position(|line| line.contains("0xbbbbbbbb"))
        .unwrap() as u16;
    assert_eq!(buffer[(33, row)].fg, Color::Red);
    assert_ne!(buffer[(33, row - 1)].fg, Color::Red);
}

#[test]
fn without_colours_there_are_none() {
    let (_, buffer) = drawn(&app(false), 80, 24);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset));
}

#[test]
fn no_size_and_no_state_is_too_small() {
    let mut app = app(true);
    app.help = true;
    for (width, height) in [(1, 1), (5, 3), (20, 5), (80, 10), (300, 100)] {
        for pane in 0..5 {
            app.pane = pane;
            app.scroll = 1_000;
            drawn(&app, width, height);
        }
    }
    let empty = App::new(Model::new(["http://a".to_owned()]), Theme { colour: true });
    has(&drawn(&empty, 80, 24).0, "asking");
    app.help = true;
    has(&drawn(&app, 80, 24).0, "this help");
}
