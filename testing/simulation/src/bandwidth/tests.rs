use super::*;

const LATENCY: Nanos = 40_000_000;
/// 8 Mbit/s: a byte takes a microsecond.
const RATE: u64 = 8_000_000;
const MICROSECOND: Nanos = 1_000;

fn line(up: Option<u64>, down: Option<u64>) -> Line {
    Line {
        up,
        down,
        ..Line::of(None)
    }
}

/// A star: node 0 is connected with this many others.
fn star(line: Line, others: usize) -> Bandwidth<u32> {
    let mut lines = Bandwidth::new(line, 1 << 20);
    for other in 1..=others {
        lines.connect(0, other, LATENCY);
    }
    lines
}

/// All that is delivered, and when.
fn drain(lines: &mut Bandwidth<u32>) -> Vec<(Nanos, usize, u32)> {
    let mut delivered = Vec::new();
    while let Some(outcome) = lines.step(Nanos::MAX) {
        if let Outcome::Delivered { to, cargo, .. } = outcome {
            delivered.push((lines.now(), to, cargo));
        }
    }
    delivered
}

#[test]
fn without_a_limit_all_arrives_after_the_latency() {
    let mut lines = star(line(None, None), 3);
    for to in 1..=3 {
        lines.send(5, (0, to), Stream::Gossip, 10 << 20, to as u32);
    }
    let expected = [1, 2, 3].map(|to| (5 + LATENCY, to, to as u32));
    assert_eq!(drain(&mut lines), expected);
}

#[test]
fn a_burst_to_many_takes_what_its_bytes_take() {
    let (others, messages, bytes) = (8, 20, 3_300);
    let mut lines = star(line(Some(RATE), None), others);
    for message in 0..messages {
        for to in 1..=others {
            lines.send(0, (0, to), Stream::Gossip, bytes, message);
        }
    }
    let delivered = drain(&mut lines);
    assert_eq!(delivered.len(), others * messages as usize);
    let least = u64::from(messages) * bytes * others as u64 * MICROSECOND + LATENCY;
    assert_eq!(delivered.last().unwrap().0, least);
    // They take turns, so that nobody has everything long before the others have.
    let last_of = |node| {
        delivered
            .iter()
            .filter(|(_, to, _)| *to == node)
            .map(|(time, ..)| *time)
            .max()
    };
    let first_done = (1..=others).filter_map(last_of).min().unwrap();
    assert!(least - first_done <= others as u64 * TURN * MICROSECOND);
}

#[test]
fn many_who_send_to_one_share_its_downlink() {
    let mut lines = Bandwidth::new(line(None, Some(RATE)), 1 << 20);
    for from in 1..=5 {
        lines.connect(from, 0, LATENCY);
        lines.send(0, (from, 0), Stream::Gossip, 100_000, from as u32);
    }
    let delivered = drain(&mut lines);
    assert_eq!(delivered.last().unwrap().0, LATENCY + 500_000 * MICROSECOND);
}

#[test]
fn no_byte_is_lost_or_made() {
    let mut lines = star(line(Some(RATE), Some(RATE / 3)), 6);
    let mut sent = 0;
    for round in 0..50u64 {
        for to in 1..=6usize {
            let bytes = 1 + round * 977 % 20_000;
            let route = if round % 2 == 0 { (0, to) } else { (to, 0) };
            let stream = if round % 3 == 0 {
                Stream::Requests
            } else {
                Stream::Gossip
            };
            lines.send(round * 1_000_000, route, stream, bytes, round as u32);
            sent += bytes;
        }
    }
    assert_eq!(drain(&mut lines).len(), 300);
    let traffic: Vec<(u64, u64)> = (0..=6).map(|node| lines.traffic(node)).collect();
    assert_eq!(traffic.iter().map(|(up, _)| up).sum::<u64>(), sent);
    assert_eq!(traffic.iter().map(|(_, down)| down).sum::<u64>(), sent);
    assert!((0..=6).all(|node| lines.sites[node].backlog == 0));
}

#[test]
fn a_small_message_does_not_wait_for_a_large_one_to_somebody_else() {
    let mut lines = star(line(Some(RATE), None), 2);
    lines.send(0, (0, 1), Stream::Gossip, 8 << 20, 1);
    lines.send(0, (0, 2), Stream::Gossip, 100, 2);
    let (time, _, first) = drain(&mut lines)[0];
    assert_eq!((first, time), (2, (TURN + 100) * MICROSECOND + LATENCY));
}

#[test]
fn a_full_stream_says_when_it_has_room() {
    let mut lines = star(line(Some(RATE), None), 1);
    lines.send(0, (0, 1), Stream::Gossip, 1 << 20, 1);
    assert!(!lines.has_room(0, 0, 1));
    let mut rooms = Vec::new();
    while let Some(outcome) = lines.step(Nanos::MAX) {
        if matches!(outcome, Outcome::Room { from: 0, to: 1 }) {
            rooms.push(lines.now());
        }
    }
    // After the first turn's bytes have been read, and that has been heard.
    assert_eq!(rooms, [TURN * MICROSECOND + 2 * LATENCY]);
    assert!(lines.has_room(lines.now(), 0, 1));
}

#[test]
fn what_is_under_way_on_a_closed_connection_is_lost() {
    let mut lines = star(line(Some(RATE), None), 2);
    lines.send(0, (0, 1), Stream::Gossip, 1 << 20, 1);
    lines.send(0, (0, 2), Stream::Gossip, 100, 2);
    lines.close(0, 1);
    lines.send(0, (0, 1), Stream::Gossip, 100, 3);
    lines.connect(0, 1, LATENCY);
    lines.send(0, (0, 1), Stream::Gossip, 100, 4);
    let delivered: Vec<u32> = drain(&mut lines)
        .into_iter()
        .map(|(.., cargo)| cargo)
        .collect();
    assert_eq!(delivered, [2, 4]);
    assert_eq!(lines.sites[0].backlog, 0);
}

#[test]
fn work_on_what_comes_in_takes_its_time_one_message_after_the_other() {
    let line = Line {
        message: 1_000_000,
        ..line(None, None)
    };
    let mut lines = star(line, 1);
    for message in 0..3 {
        lines.send(0, (0, 1), Stream::Gossip, 10, message);
    }
    assert_eq!(drain(&mut lines).last().unwrap().0, LATENCY + 3_000_000);
}

#[test]
fn where_a_turn_is_long_one_peer_has_all_before_the_next_has_any() {
    let line = Line {
        turn: 1 << 30,
        ..line(Some(RATE), None)
    };
    let mut lines = star(line, 4);
    for to in 1..=4 {
        lines.send(0, (0, to), Stream::Gossip, 100_000, to as u32);
    }
    let times: Vec<Nanos> = drain(&mut lines)
        .into_iter()
        .map(|(time, ..)| time - LATENCY)
        .collect();
    assert_eq!(times, [1, 2, 3, 4].map(|turn| turn * 100_000 * MICROSECOND));
}
