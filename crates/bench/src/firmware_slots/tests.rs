//! Power cuts at every step of an update.

use futures_util::FutureExt as _;
use home_store::sim_flash::{EraseTear, PowerCut};
use lifecycle::SlotFault;

use super::{SlotState, SlotStore, Started};
use crate::firmware_image::{FirmwareTag, ImageConduct};

const IMAGE_BYTES: usize = 5_001;

fn image(version: &str) -> Vec<u8> {
    let tag = FirmwareTag {
        version: version.to_owned(),
        firmware_type: "TMPLtest".to_owned(),
        build: "Nov 22 2026 12:00:00".to_owned(),
        conduct: ImageConduct::Works,
    };
    tag.image(IMAGE_BYTES)
}

fn boot(slots: &SlotStore) -> Started {
    slots.boot("1.0.0").now_or_never().unwrap()
}

fn version_of(started: &Started) -> String {
    let image = started.image.as_ref();
    image.map_or("1.0.0".to_owned(), |image| FirmwareTag::find(image).unwrap().version)
}

fn install(slots: &SlotStore, version: &str) -> Result<(), SlotFault> {
    let image = image(version);
    let installing = async {
        slots.begin_image(5_001).await?;
        for (index, piece) in image.chunks(2_048).enumerate() {
            slots.write_image(u32::try_from(index * 2_048).unwrap(), piece).await?;
        }
        let mut back = vec![0; IMAGE_BYTES];
        slots.read_image(0, &mut back).await?;
        assert_eq!(back, image);
        slots.boot_on_trial(5_001).await
    };
    installing.now_or_never().unwrap()
}

fn confirm(slots: &SlotStore) -> Result<(), SlotFault> {
    slots.confirm_firmware().now_or_never().unwrap()
}

/// A board that was updated from 1.0.0 to 2.0.0 and runs it confirmed.
fn updated() -> SlotStore {
    let slots = SlotStore::default();
    install(&slots, "2.0.0").unwrap();
    boot(&slots);
    confirm(&slots).unwrap();
    slots
}

#[test]
fn an_image_is_booted_once_and_stays_only_when_confirmed() {
    let slots = SlotStore::default();
    assert_eq!(boot(&slots), Started { image: None, state: SlotState::Confirmed });
    install(&slots, "2.0.0").unwrap();
    let trial = boot(&slots);
    assert_eq!(trial.image, Some(image("2.0.0")));
    assert_eq!(trial.state, SlotState::OnTrial { former: "1.0.0".try_into().unwrap() });
    assert_eq!(
        slots.begin_image(5_001).now_or_never().unwrap(),
        Err(SlotFault),
        "slot A is all that is proven"
    );

    let back = boot(&slots);
    assert_eq!(
        back,
        Started { image: None, state: SlotState::Restored { tried: "2.0.0".try_into().unwrap() } }
    );
    assert_eq!(boot(&slots).state, back.state, "until it was told");
    confirm(&slots).unwrap();
    assert_eq!(boot(&slots).state, SlotState::Confirmed);

    install(&slots, "3.0.0").unwrap();
    boot(&slots);
    confirm(&slots).unwrap();
    assert_eq!(boot(&slots), Started { image: Some(image("3.0.0")), state: SlotState::Confirmed });
    install(&slots, "2.5.0").unwrap();
    assert_eq!(
        boot(&slots).state,
        SlotState::OnTrial { former: "3.0.0".try_into().unwrap() },
        "older is allowed"
    );
    slots.roll_back_firmware().now_or_never().unwrap().unwrap();
    assert_eq!(version_of(&boot(&slots)), "3.0.0");
}

/// Every way in which a piece of work can be cut off.
fn cuts(work: impl Fn(&SlotStore)) -> Vec<PowerCut> {
    let slots = updated();
    let before = slots.flash().with(|flash| flash.counters());
    work(&slots);
    let after = slots.flash().with(|flash| flash.counters());
    let mut cuts = Vec::new();
    for written_bytes in 0..after.written_bytes - before.written_bytes {
        // Within an image every byte is like the next one; the records around it are cut at each.
        let is_in_image = (64..4_900).contains(&written_bytes) && written_bytes % 97 != 0;
        if !is_in_image {
            cuts.extend([0x00, 0x5A, 0xFF].map(|torn_mask| PowerCut::InWrite { written_bytes, torn_mask }));
        }
    }
    for erased_sectors in 0..after.erased_sectors - before.erased_sectors {
        let tears = [
            EraseTear::NotBegun,
            EraseTear::Cleared,
            EraseTear::HeadErased { bytes: 10 },
            EraseTear::TailErased { bytes: 10 },
            EraseTear::SomeBitsErased { seed: 1 },
            EraseTear::RandomBits { seed: 2 },
            EraseTear::Completed,
        ];
        cuts.extend(tears.map(|tear| PowerCut::InErase { erased_sectors, tear }));
    }
    cuts
}

/// After a cut the board boots; without a proof it ends with the old image, and a new update works.
fn assert_recovers(slots: &SlotStore, allowed: &[&str], cut: PowerCut) {
    slots.power_on();
    let first = boot(slots);
    let version = version_of(&first);
    assert!(first.image == Some(image(&version)), "a whole image boots after {cut:?}");
    assert!(allowed.contains(&version.as_str()), "{version} after {cut:?}");
    let is_on_trial = matches!(first.state, SlotState::OnTrial { .. });
    let stays = if is_on_trial { "2.0.0" } else { version.as_str() };
    assert_eq!(
        version_of(&boot(slots)),
        stays,
        "an unproven image boots once, a proven one for good, {cut:?}"
    );
    install(slots, "4.0.0").unwrap();
    assert_eq!(version_of(&boot(slots)), "4.0.0", "and an update works again after {cut:?}");
}

#[test]
fn a_power_cut_at_any_moment_of_an_installation_leaves_a_whole_image_to_boot() {
    let cuts = cuts(|slots| install(slots, "3.0.0").unwrap());
    assert!(cuts.len() > 300, "{}", cuts.len());
    for cut in cuts {
        let slots = updated();
        slots.cut_power(cut);
        assert!(install(&slots, "3.0.0").is_err(), "{cut:?}");
        assert_recovers(&slots, &["2.0.0", "3.0.0"], cut);
    }
}

#[test]
fn a_power_cut_at_any_moment_of_a_trial_brings_the_old_image_back() {
    let on_trial = || {
        let slots = updated();
        install(&slots, "3.0.0").unwrap();
        slots
    };
    for cut in cuts(|slots| {
        install(slots, "3.0.0").unwrap();
        let _ = boot(slots);
    }) {
        // The last erase and the last record are those of the trial's boot.
        let cut = match cut {
            PowerCut::InWrite { written_bytes, torn_mask } => {
                PowerCut::InWrite { written_bytes: written_bytes % 24, torn_mask }
            }
            PowerCut::InErase { tear, .. } => PowerCut::InErase { erased_sectors: 0, tear },
        };
        let slots = on_trial();
        slots.cut_power(cut);
        let started = boot(&slots);
        assert_eq!(version_of(&started), "2.0.0", "what cannot be noted is not tried, {cut:?}");
        assert_recovers(&slots, &["2.0.0", "3.0.0"], cut);
    }
}

#[test]
fn a_power_cut_at_any_moment_of_a_confirmation_leaves_the_old_or_the_new_image() {
    let trying = || {
        let slots = updated();
        install(&slots, "3.0.0").unwrap();
        boot(&slots);
        slots
    };
    let mut cuts = Vec::new();
    for written_bytes in 0..24 {
        cuts.extend([0x00, 0x5A, 0xFF].map(|torn_mask| PowerCut::InWrite { written_bytes, torn_mask }));
    }
    let tears =
        [EraseTear::NotBegun, EraseTear::Cleared, EraseTear::RandomBits { seed: 3 }, EraseTear::Completed];
    cuts.extend(tears.map(|tear| PowerCut::InErase { erased_sectors: 0, tear }));
    for cut in cuts {
        let slots = trying();
        slots.cut_power(cut);
        assert_eq!(confirm(&slots), Err(SlotFault), "{cut:?}");
        slots.power_on();
        let version = version_of(&boot(&slots));
        assert!(["2.0.0", "3.0.0"].contains(&version.as_str()), "{version} after {cut:?}");
        assert_eq!(version_of(&boot(&slots)), version, "and it stays, {cut:?}");
    }
    let slots = trying();
    confirm(&slots).unwrap();
    assert_eq!(version_of(&boot(&slots)), "3.0.0");
}
