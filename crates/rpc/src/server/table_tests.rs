use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        connections: 4,
        subscribers: 2,
        per_address: 2,
        head: 5 * SECOND,
        body: 10 * SECOND,
        exchange: 30 * SECOND,
        stall: 30 * SECOND,
        idle: 20 * SECOND,
        answer_bytes: 100,
    }
}

/// A table with a manual clock.
struct Room {
    table: ConnectionTable,
    start: Instant,
}

impl Room {
    fn new() -> Self {
        Self {
            table: ConnectionTable::new(limits()),
            start: Instant::now(),
        }
    }

    fn at(&self, seconds: u32) -> Instant {
        self.start + seconds * SECOND
    }

    fn admit(&self, address: &str, seconds: u32) -> Result<ConnectionSlot, &'static str> {
        self.table.admit(address.parse().unwrap(), self.at(seconds))
    }

    fn local(&self, seconds: u32) -> ConnectionSlot {
        self.admit("127.0.0.1", seconds).unwrap()
    }

    /// The phase, and its deadline in seconds.
    fn due(&self, place: &ConnectionSlot) -> Option<(Phase, u64)> {
        let (phase, deadline) = place.connection.deadline()?;
        Some((phase, (deadline? - self.start).as_secs()))
    }

    fn open(&self) -> usize {
        self.table.0.lock().entries.len()
    }

    fn held(&self) -> usize {
        self.table.0.lock().held
    }
}

/// Which of the connections were evicted.
fn evicted(places: &[&ConnectionSlot]) -> Vec<bool> {
    places
        .iter()
        .map(|place| place.close.is_cancelled())
        .collect()
}

#[test]
fn a_deadline_starts_with_its_phase_and_not_with_each_byte() {
    let room = Room::new();
    let place = room.local(0);
    let connection = &place.connection;
    assert_eq!(room.due(&place), Some((Phase::Head, 5)));
    connection.received(room.at(4));
    assert_eq!(room.due(&place), Some((Phase::Head, 5)));

    connection.asked(true, room.at(4));
    assert_eq!(room.due(&place), Some((Phase::Body, 14)));
    connection.received(room.at(9));
    assert_eq!(room.due(&place), Some((Phase::Body, 14)));
    connection.body_done(room.at(12));
    assert_eq!(room.due(&place), Some((Phase::Working, 34)));
    connection.answered(10, room.at(13));
    connection.flushed(room.at(14));
    assert_eq!(room.due(&place), Some((Phase::Writing, 34)));
    connection.buffered();
    assert_eq!(room.due(&place), Some((Phase::Writing, 34)));
    connection.flushed(room.at(15));
    assert_eq!(room.due(&place), Some((Phase::Idle, 35)));

    connection.received(room.at(16));
    connection.received(room.at(20));
    assert_eq!(room.due(&place), Some((Phase::Head, 21)));
}

#[test]
fn pipelined_requests_give_no_more_time_for_taking_answers() {
    let room = Room::new();
    let place = room.local(0);
    for second in [1, 8, 15] {
        place.connection.asked(false, room.at(second));
        assert_eq!(room.due(&place), Some((Phase::Working, 31)));
        place.connection.answered(10, room.at(second));
        place.connection.buffered();
    }
    assert_eq!(room.due(&place), Some((Phase::Writing, 31)));
    assert_eq!(room.held(), 30);
}

#[test]
fn the_longest_waiting_connection_is_evicted_and_a_busy_one_stays() {
    let room = Room::new();
    let (working, unfinished, idle, newer) =
        (room.local(0), room.local(1), room.local(0), room.local(4));
    working.connection.asked(false, room.at(1));
    idle.connection.asked(false, room.at(1));
    idle.connection.answered(1, room.at(2));
    idle.connection.buffered();
    idle.connection.flushed(room.at(3));
    let all = [&working, &unfinished, &idle, &newer];
    assert_eq!(evicted(&all), [false; 4]);

    let places: Vec<_> = (5..8)
        .map(|second| {
            let place = room.local(second);
            (place, evicted(&all))
        })
        .collect();
    assert_eq!(places[0].1, [false, true, false, false]);
    assert_eq!(places[1].1, [false, true, true, false]);
    assert_eq!(places[2].1, [false, true, true, true]);
    assert_eq!(room.open(), 4);

    // No connection is closed while we prepare its answer.
    for (place, _) in &places {
        place.connection.asked(false, room.at(8));
    }
    assert_eq!(room.admit("127.0.0.1", 9).unwrap_err(), "full");
    drop(working);
    assert!(room.admit("127.0.0.1", 9).is_ok());
}

#[test]
fn an_address_has_so_many_and_the_loopback_any_number() {
    let table = [
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.1", "::ffff:10.0.0.1", true),
        ("10.0.0.1", "10.0.0.2", false),
        ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("127.0.0.1", "127.0.0.1", false),
        ("::1", "::1", false),
        ("::ffff:127.0.0.1", "127.0.0.2", false),
    ];
    for (one, other, same) in table {
        let room = Room::new();
        let first = room.admit(one, 0).unwrap();
        let second = room.admit(one, 1).unwrap();
        let third = room.admit(other, 2).unwrap();
        assert_eq!(
            evicted(&[&first, &second, &third]),
            [same, false, false],
            "{one} {other}"
        );
    }
    // A connection of the same address is closed for it, not one of others.
    let room = Room::new();
    let _places = [
        room.admit("10.0.0.2", 0),
        room.admit("10.0.0.1", 1),
        room.admit("10.0.0.1", 2),
    ]
    .map(|place| {
        let place = place.unwrap();
        place.connection.asked(false, room.at(3));
        place
    });
    assert_eq!(room.admit("10.0.0.1", 4).unwrap_err(), "address");
    assert!(room.admit("10.0.0.3", 4).is_ok());
}

#[test]
fn too_many_untaken_answers_cut_off_the_slowest_reader() {
    let room = Room::new();
    let (slow, slower, other, large) = (room.local(0), room.local(0), room.local(0), room.local(0));
    for (place, second) in [(&slow, 2), (&slower, 1)] {
        place.connection.asked(false, room.at(1));
        place.connection.answered(40, room.at(second));
    }
    other.connection.asked(false, room.at(3));
    other.connection.answered(30, room.at(3));
    assert_eq!(evicted(&[&slow, &slower, &other]), [false, true, false]);
    assert_eq!(room.held(), 70);

    // An answer above the limit passes when it is the only one.
    large.connection.asked(false, room.at(4));
    large.connection.answered(1000, room.at(4));
    assert_eq!(evicted(&[&slow, &other, &large]), [true, true, false]);
    assert_eq!(room.held(), 1000);
    large.connection.buffered();
    large.connection.flushed(room.at(5));
    assert_eq!(room.held(), 0);

    large.connection.asked(false, room.at(6));
    large.connection.answered(50, room.at(6));
    drop(large);
    assert_eq!((room.held(), room.open()), (0, 0));
}

#[test]
fn an_evicted_connection_has_no_more_effect() {
    let room = Room::new();
    let places: Vec<_> = (0..5).map(|second| room.local(second)).collect();
    assert!(places[0].close.is_cancelled());
    assert_eq!(room.due(&places[0]), None);
    places[0].connection.answered(1000, room.at(6));
    assert_eq!(room.held(), 0);
    drop(places);
    assert_eq!(room.open(), 0);
}
