//! Every image is answered: random bytes, damaged stores, and pieces of real ones put together.

#[path = "support/invariants.rs"]
mod invariants;

use proptest::prelude::*;

const PIECES: [&[u8]; 5] = [
    include_bytes!("../../../fuzz/corpus/flash_dump/nvs_page"),
    include_bytes!("../../../fuzz/corpus/flash_dump/old_record_in_eeprom"),
    include_bytes!("../../../fuzz/corpus/flash_dump/rehome_store"),
    include_bytes!("../../../fuzz/corpus/flash_dump/stray_network_entry"),
    b"rhH1rhJ1knlb\x01\x02ab\x02\x08password",
];

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => prop::sample::select(PIECES.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (0..9000_usize).prop_map(|length| vec![0xFF; length]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn arbitrary_bytes_are_answered(image in prop::collection::vec(any::<u8>(), 0..2000)) {
        invariants::check_image(&image);
    }

    #[test]
    fn stores_put_together_cut_and_damaged_are_answered(
        pieces in prop::collection::vec(piece(), 1..5),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        kept in any::<prop::sample::Index>(),
    ) {
        let mut image = pieces.concat();
        for (index, byte) in damage {
            if !image.is_empty() {
                let offset = index.index(image.len());
                image[offset] = byte;
            }
        }
        image.truncate(kept.index(image.len() + 1));
        invariants::check_image(&image);
    }
}
