//! The simulated chip is as strict as it says.

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
use home_store::sim_flash::{EraseTear, PowerCut, SimFlash, SimFlashError, WordRule};

#[test]
fn write_that_sets_a_cleared_bit_is_refused_whole() {
    let mut flash = SimFlash::<4>::erased(1).with_word_rule(WordRule::ClearBits);
    block_on(flash.write(0, &[0xF0; 4])).unwrap();
    block_on(flash.write(0, &[0xF0, 0xF0, 0xF0, 0x30])).unwrap();
    let before = flash.clone();
    let result = block_on(flash.write(0, &[0x10, 0x10, 0xF1, 0x10]));
    assert_eq!(result, Err(SimFlashError::SetsClearedBit { offset: 2 }));
    assert_eq!(flash, before);
}

#[test]
fn word_written_twice_is_refused_even_if_it_changes_nothing() {
    let mut flash = SimFlash::<4>::erased(1);
    block_on(flash.write(4, &[0xFF; 4])).unwrap();
    assert_eq!(block_on(flash.write(0, &[0xFF; 8])), Err(SimFlashError::WordWrittenTwice { offset: 4 }));
    block_on(flash.erase(0, 4096)).unwrap();
    block_on(flash.write(0, &[0; 8])).unwrap();
    let mut flash = SimFlash::<4>::from_image(flash.into_image());
    assert_eq!(block_on(flash.write(4, &[0; 4])), Err(SimFlashError::WordWrittenTwice { offset: 4 }));
}

#[test]
fn operations_off_the_grid_or_beyond_the_end_are_refused() {
    let mut flash = SimFlash::<4>::erased(2);
    let not_aligned =
        |result: Result<(), SimFlashError>| matches!(result, Err(SimFlashError::NotAligned { .. }));
    assert!(not_aligned(block_on(flash.write(2, &[0; 4]))));
    assert!(not_aligned(block_on(flash.write(0, &[0; 3]))));
    assert!(not_aligned(block_on(flash.erase(0, 4095))));
    assert!(not_aligned(block_on(flash.erase(4, 4096))));
    assert!(not_aligned(block_on(flash.read(1, &mut [0; 4]))));
    assert!(matches!(block_on(flash.erase(4096, 12288)), Err(SimFlashError::OutOfBounds { .. })));
    assert!(matches!(block_on(flash.read(8192, &mut [0; 4])), Err(SimFlashError::OutOfBounds { .. })));
    assert_eq!(flash, SimFlash::erased(2));
}

#[test]
fn cut_in_a_write_keeps_the_bytes_before_it_and_tears_one() {
    let mut flash = SimFlash::<4>::erased(1);
    flash.cut_power(PowerCut::InWrite { written_bytes: 5, torn_mask: 0x0F });
    assert_eq!(block_on(flash.write(0, &[0; 8])), Err(SimFlashError::PowerOff));
    assert_eq!(flash.image()[..8], [0, 0, 0, 0, 0, 0x0F, 0xFF, 0xFF]);
    assert_eq!(block_on(flash.read(0, &mut [0; 4])), Err(SimFlashError::PowerOff));
    assert_eq!(block_on(flash.erase(0, 4096)), Err(SimFlashError::PowerOff));
    flash.power_on();
    block_on(flash.write(8, &[0; 4])).unwrap();
}

#[test]
fn cut_in_an_erase_leaves_what_its_tear_says() {
    let image_after = |tear| {
        let mut flash = SimFlash::<4>::from_image(vec![0xA5; 8192]);
        flash.cut_power(PowerCut::InErase { erased_sectors: 1, tear });
        assert_eq!(block_on(flash.erase(0, 8192)), Err(SimFlashError::PowerOff));
        assert_eq!(flash.erase_counts(), [1, 1]);
        assert!(flash.image()[..4096].iter().all(|&byte| byte == 0xFF));
        flash.image()[4096..].to_vec()
    };
    assert_eq!(image_after(EraseTear::NotBegun), [0xA5; 4096]);
    assert_eq!(image_after(EraseTear::Cleared), [0; 4096]);
    assert_eq!(image_after(EraseTear::Completed), [0xFF; 4096]);
    assert_eq!(image_after(EraseTear::HeadErased { bytes: 2 })[..4], [0xFF, 0xFF, 0xA5, 0xA5]);
    assert_eq!(image_after(EraseTear::TailErased { bytes: 2 })[..4], [0xA5, 0xA5, 0xFF, 0xFF]);
    assert!(image_after(EraseTear::SomeBitsErased { seed: 1 }).iter().all(|byte| byte & 0xA5 == 0xA5));
    assert_eq!(
        image_after(EraseTear::RandomBits { seed: 1 }),
        image_after(EraseTear::RandomBits { seed: 1 })
    );
    assert_ne!(
        image_after(EraseTear::RandomBits { seed: 1 }),
        image_after(EraseTear::RandomBits { seed: 2 })
    );
}

#[test]
fn damaged_bits_stay_zero_through_erase_and_write() {
    let mut flash = SimFlash::<4>::erased(1);
    flash.damage(1, 0x80);
    block_on(flash.erase(0, 4096)).unwrap();
    block_on(flash.write(0, &[0xFF, 0xFF, 1, 2])).unwrap();
    assert_eq!(flash.image()[..4], [0xFF, 0x7F, 1, 2]);
}
