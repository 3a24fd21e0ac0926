//! A plan with one of each of all things that a plan can have, as `Plan::to_test` printed it.

use quartet_simulation::{Conditions, DiskError, fuzz::*};

pub(crate) fn seed_0() -> Plan {
    Plan::calm(7, 16, 39)
        .seed(0)
        .assigned([
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            Some(1),
            Some(1),
            None,
            Some(1),
            None,
            None,
            Some(1),
            None,
            None,
        ])
        .links(20..=80, 0.11797678465763627)
        .skewed([-225, 103, -35, -55, 0])
        .fault(
            (20, 2972),
            (22, 2631),
            FaultKind::Crash {
                node: 4,
                operations: 8,
                loses_power: true,
            },
        )
        .fault(
            (38, 2664),
            (39, 0),
            FaultKind::BadDisk {
                node: 4,
                operations: 47,
                error: DiskError::Broken,
            },
        )
        .fault(
            (10, 3745),
            (22, 3574),
            FaultKind::Slow {
                node: 1,
                job_ms: 100,
                write_ms: 300,
            },
        )
        .fault(
            (24, 2834),
            (40, 1542),
            FaultKind::Weather(Conditions {
                latency_ms: 20..=80,
                loss: 0.18516610783777984,
            }),
        )
        .fault(
            (21, 1959),
            (25, 981),
            FaultKind::Death {
                node: 2,
                loses_store: false,
            },
        )
        .fault((6, 551), (22, 2884), FaultKind::Partition(vec![1]))
        .fault(
            (7, 34),
            (10, 1909),
            FaultKind::Crash {
                node: 3,
                operations: 31,
                loses_power: false,
            },
        )
        .fault(
            (49, 2445),
            (61, 3128),
            FaultKind::ClockDrift { node: 1, ms: 60 },
        )
        .fault(
            (55, 1652),
            (70, 2120),
            FaultKind::ClockJump { node: 3, ms: -1000 },
        )
        .fault((0, 0), (17, 3081), FaultKind::Late { node: 0 })
        .fault(
            (24, 2730),
            (27, 0),
            FaultKind::BadDisk {
                node: 0,
                operations: 15,
                error: DiskError::Full,
            },
        )
        .fault(
            (12, 903),
            (13, 1444),
            FaultKind::Death {
                node: 0,
                loses_store: true,
            },
        )
        .adversary(
            Behaviour::ProposeTwice { blocks: 2 },
            [0, 2, 3, 9, 14],
            true,
        )
        .adversary(Behaviour::ReplayVotes { age: 7 }, [], false)
        .adversary(Behaviour::NameSibling, [5, 14], true)
        .adversary(Behaviour::Linger { ms: 2050 }, [1], true)
        .adversary(Behaviour::ReuseParentVotes, [], false)
        .adversary(Behaviour::ProposeForAll, [3], false)
        .adversary(Behaviour::VoteAhead { slots: 1 }, [1], true)
        .adversary(Behaviour::VoteTwice { ms: 1900 }, [5], true)
        .adversary(Behaviour::ReviveOldest, [1, 6], false)
        .adversary(
            Behaviour::ForgeBlocks {
                body: Body::Empty,
                tries: 4,
                count: 2,
            },
            [],
            false,
        )
        .adversary(Behaviour::InventRoots, [0, 1, 5, 11, 15], false)
        .adversary(
            Behaviour::Withhold {
                slots: 1,
                to_half: true,
            },
            [1, 6, 11],
            false,
        )
        .adversary(
            Behaviour::BuildInPrivate { blocks: 4 },
            [0, 4, 9, 12, 15],
            true,
        )
        .adversary(Behaviour::HoldVotes { slots: 1 }, [2, 3], true)
        .adversary(Behaviour::Silence, [2], false)
        .adversary(Behaviour::VoteToSome, [0, 1], false)
        .foreign(
            [4],
            1,
            Manners {
                attests_to_parent: true,
                source: Source::Older(1),
                source_after_target: false,
                carries_own: false,
            },
        )
        .foreign(
            [3],
            0,
            Manners {
                attests_to_parent: true,
                source: Source::Head,
                source_after_target: false,
                carries_own: false,
            },
        )
        .foreign(
            [1, 6],
            4,
            Manners {
                attests_to_parent: true,
                source: Source::Store,
                source_after_target: false,
                carries_own: true,
            },
        )
        .falls_silent()
        .without_oracle()
}
