//! Many bindings, and a model to compare with.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::bench::{Bench, flow, identity};

#[test]
fn many_phones_are_found_by_number_and_by_flow() {
    const PHONES: u16 = 5_000;
    let mut bench = Bench::new();
    for phone in 0..PHONES {
        bench.identity = identity(u128::from(phone % 7), &format!("{}", 10_000 + phone));
        bench.phone(phone).register(&format!("Contact: <sip:p{phone}@h.test>;expires={}", 60 + phone));
    }
    assert_eq!(bench.registrar.len(), usize::from(PHONES));
    for phone in (0..PHONES).step_by(97) {
        bench.identity = identity(u128::from(phone % 7), &format!("{}", 10_000 + phone));
        assert_eq!(bench.contacts(), [format!("sip:p{phone}@h.test")]);
        let found = bench.registrar.on_flow(&flow(phone)).unwrap();
        assert_eq!(found.registration().extension, bench.identity.extension);
    }
    bench.pass(60 + 1_000);
    bench.registrar.handle_timeout(bench.now);
    assert_eq!(bench.registrar.len(), usize::from(PHONES) - 1_001);
}

#[derive(Clone, Debug)]
enum Act {
    Register { extension: u8, phone: u8, expires: u32 },
    End { extension: u8, phone: u8 },
    Clear { extension: u8 },
    Pass { seconds: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_u8..3, 0_u8..4, 60_u32..300).prop_map(|(extension, phone, expires)| Act::Register { extension, phone, expires }),
        1 => (0_u8..3, 0_u8..4).prop_map(|(extension, phone)| Act::End { extension, phone }),
        1 => (0_u8..3).prop_map(|extension| Act::Clear { extension }),
        2 => (1_u64..200).prop_map(|seconds| Act::Pass { seconds }),
    ]
}

proptest! {
    /// In any order of requests and hours, the registrar holds what a plain map of ends holds, and its changes, applied one by
    /// one, lead to the same.
    #[test]
    fn the_registrar_agrees_with_a_plain_map(acts in prop::collection::vec(act(), 1..60)) {
        let mut bench = Bench::new();
        let mut model: BTreeMap<(u8, u8), u64> = BTreeMap::new();
        let mut copy = BTreeMap::new();
        let mut clock = 0;
        for act in acts {
            match act {
                Act::Register { extension, phone, expires } => {
                    bench.identity = identity(1, &format!("100{extension}"));
                    bench.phone(phone.into()).register(&format!("Contact: <sip:p{phone}@h.test>;expires={expires}"));
                    model.insert((extension, phone), clock + u64::from(expires));
                }
                Act::End { extension, phone } => {
                    bench.identity = identity(1, &format!("100{extension}"));
                    bench.phone(phone.into()).register(&format!("Contact: <sip:p{phone}@h.test>;expires=0"));
                    model.remove(&(extension, phone));
                }
                Act::Clear { extension } => {
                    bench.identity = identity(1, &format!("100{extension}"));
                    bench.register("Contact: *\nExpires: 0");
                    model.retain(|(other, _), _| *other != extension);
                }
                Act::Pass { seconds } => {
                    clock += seconds;
                    bench.pass(seconds);
                    bench.registrar.handle_timeout(bench.now);
                }
            }
            model.retain(|_, end| *end > clock);
            for change in bench.changes() {
                match change {
                    domain::RegistrationChange::Put(put) => { copy.insert(put.id, *put); }
                    domain::RegistrationChange::Removed { id, .. } => { copy.remove(&id); }
                }
            }
            bench.registrar.handle_timeout(bench.now);
            let mut held: Vec<_> = bench.registrar.registrations(None);
            held.sort_by_key(|held| held.id);
            prop_assert_eq!(&held, &copy.values().cloned().collect::<Vec<_>>());
            let mut names: Vec<_> = held.iter().map(|held| format!("{} {}", held.extension, held.contact)).collect();
            names.sort();
            let expected: Vec<_> = model.keys().map(|(extension, phone)| format!("100{extension} sip:p{phone}@h.test")).collect();
            prop_assert_eq!(names, expected);
        }
    }
}
