//! The light: one of the kernel's LEDs, a folder of `/sys/class/leds`. It has one colour, so the times tell the state.
//!
//! Source: `Documentation/leds/leds-class.rst` of the kernel.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifecycle::Pattern;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// File with the brightness, 0 to what [`MAX_FILE`] holds.
const BRIGHTNESS_FILE: &str = "brightness";
const MAX_FILE: &str = "max_brightness";
/// File that says who else drives the light.
const TRIGGER_FILE: &str = "trigger";
/// Steps of a wave from dark to dark.
const WAVE_STEP_COUNT: u16 = 20;
/// A step at full brightness.
const FULL: u16 = 1_000;

/// So bright for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// 0 to [`FULL`].
    per_mille: u16,
    time: Duration,
}

/// A light; it goes out when dropped.
#[derive(Debug)]
pub(crate) struct Led {
    folder: PathBuf,
    pattern: watch::Sender<Option<Pattern>>,
    task: JoinHandle<()>,
}

impl Led {
    /// Takes a light over, on the caller's `LocalSet`.
    pub(crate) fn take(folder: &Path) -> Self {
        let (pattern, patterns) = watch::channel(None);
        let task = tokio::task::spawn_local(play(folder.to_owned(), patterns));
        Self { folder: folder.to_owned(), pattern, task }
    }

    /// Plays a pattern until told otherwise.
    pub(crate) fn show(&self, pattern: Pattern) {
        self.pattern.send_if_modified(|shown| shown.replace(pattern) != Some(pattern));
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = write(&self.folder.join(BRIGHTNESS_FILE), "0") {
            tracing::debug!(%error, "the light stays on");
        }
    }
}

async fn play(folder: PathBuf, mut patterns: watch::Receiver<Option<Pattern>>) {
    let max = std::fs::read_to_string(folder.join(MAX_FILE)).ok();
    let max: u32 = max.and_then(|text| text.trim().parse().ok()).unwrap_or(1);
    let brightness = folder.join(BRIGHTNESS_FILE);
    let mut is_told = false;
    // Not every light has another driver.
    if let Err(error) = write(&folder.join(TRIGGER_FILE), "none") {
        tracing::debug!(%error, "nobody else seems to drive the light");
    }
    loop {
        let steps = patterns.borrow_and_update().map(steps).unwrap_or_default();
        let played = async {
            if steps.is_empty() {
                return std::future::pending().await;
            }
            for step in &steps {
                let level = (max * u32::from(step.per_mille) + u32::from(FULL) / 2) / u32::from(FULL);
                if let Err(error) = write(&brightness, &level.to_string())
                    && !std::mem::replace(&mut is_told, true)
                {
                    tracing::warn!(%error, "the light at {} cannot be used", folder.display());
                }
                tokio::time::sleep(step.time).await;
            }
        };
        tokio::select! {
            biased;
            changed = patterns.changed() => if changed.is_err() { return },
            () = played => {}
        }
    }
}

/// One round of a pattern.
fn steps(pattern: Pattern) -> Vec<Step> {
    let step = |per_mille, ms| Step { per_mille, time: Duration::from_millis(u64::from(ms)) };
    match pattern {
        Pattern::Blink { on_ms, off_ms, .. } => vec![step(FULL, on_ms), step(0, off_ms)],
        Pattern::DoubleBlink { on_ms, between_ms, off_ms, .. } => {
            vec![step(FULL, on_ms), step(0, between_ms), step(FULL, on_ms), step(0, off_ms)]
        }
        Pattern::Wave { period_ms, .. } => {
            let half = WAVE_STEP_COUNT / 2;
            let levels = (0..WAVE_STEP_COUNT).map(|number| half - half.abs_diff(number));
            levels.map(|level| step(FULL / half * level, period_ms / WAVE_STEP_COUNT)).collect()
        }
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lifecycle::{Indication, State};
    use tokio::task::LocalSet;

    use super::*;

    /// A light of the given brightness, as the kernel shows it.
    fn light(max: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [(BRIGHTNESS_FILE, "1"), (MAX_FILE, max), (TRIGGER_FILE, "[mmc0] none")] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        folder
    }

    fn text(folder: &Path, file: &str) -> String {
        fs::read_to_string(folder.join(file)).unwrap()
    }

    /// Looks every `every_ms` milliseconds, `count` times.
    async fn look(folder: &Path, every_ms: u64, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..count {
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
            seen.push(text(folder, BRIGHTNESS_FILE));
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn each_pattern_is_played_until_the_next_and_the_light_goes_out_in_the_end() {
        let folder = light("255\n");
        let path = folder.path();
        LocalSet::new()
            .run_until(async {
                let led = Led::take(path);
                assert_eq!(look(path, 1, 1).await, ["1"], "nothing to show yet");
                assert_eq!(text(path, TRIGGER_FILE), "none");
                // 200 ms on, 200 ms off.
                led.show(Indication::State(State::Configuring).pattern());
                assert_eq!(look(path, 90, 4).await, ["255", "255", "0", "0"]);
                // 80 on, 100 off, 80 on, 1000 off.
                led.show(Indication::State(State::Error).pattern());
                assert_eq!(look(path, 50, 6).await, ["255", "0", "0", "255", "255", "0"]);
                // 20 steps of 250 ms.
                led.show(Indication::State(State::Running).pattern());
                assert_eq!(look(path, 125, 1).await, ["0"]);
                let wave = look(path, 250, 10).await;
                assert_eq!((wave[0].as_str(), wave[4].as_str(), wave[9].as_str()), ("26", "128", "255"));
                drop(led);
                assert_eq!(text(path, BRIGHTNESS_FILE), "0");
            })
            .await;
    }

    #[test]
    fn a_round_of_each_pattern_lasts_as_long_as_on_a_board() {
        let levels = |pattern| steps(pattern).iter().map(|step| step.per_mille).collect::<Vec<_>>();
        let error = Indication::State(State::Error).pattern();
        assert_eq!(levels(error), [FULL, 0, FULL, 0]);
        let times: Vec<u128> = steps(error).iter().map(|step| step.time.as_millis()).collect();
        assert_eq!(times, [80, 100, 80, 1_000]);
        let running = Indication::State(State::Running).pattern();
        assert_eq!(steps(running).iter().map(|step| step.time).sum::<Duration>(), Duration::from_secs(5));
        assert_eq!((levels(running)[0], levels(running)[10]), (0, FULL));
    }

    #[tokio::test(start_paused = true)]
    async fn a_light_that_is_not_there_stops_nothing_and_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        LocalSet::new()
            .run_until(async {
                let led = Led::take(folder.path());
                led.show(Indication::Recovery.pattern());
                tokio::time::sleep(Duration::from_secs(10)).await;
                assert!(!led.task.is_finished());
            })
            .await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
