//! The emulated machine as a process: started, listened to, and ended whatever happens.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

pub(super) const EMULATOR: &str = "qemu-system-x86_64";
/// Memory in MiB: everything the machine writes lives in it.
const MEMORY_MIB: &str = "1536";
/// `max` has the instructions for random numbers and ciphers; software emulation is enough, so that it runs anywhere.
const HARDWARE: [&str; 18] = [
    "-accel",
    "tcg,thread=single",
    "-icount",
    "shift=1,sleep=off",
    "-rtc",
    "clock=vm",
    "-machine",
    "q35",
    "-cpu",
    "max",
    "-smp",
    "1",
    "-m",
    MEMORY_MIB,
    "-nodefaults",
    "-no-reboot",
    "-display",
    "none",
];
/// A kernel that fails ends the machine; interfaces keep the names that the kernel gives them.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off";
/// How long the emulator may take to end after its machine is switched off or its output is closed.
const END_WAIT: Duration = Duration::from_secs(10);
/// Between two looks at whether it ended.
const END_LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines that wait to be read.
const LINE_QUEUE_LEN_MAX: usize = 256;

/// A running machine. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Machine {
    emulator: Child,
    lines: mpsc::Receiver<String>,
}

/// What happens next.
#[derive(Debug)]
pub(super) enum Next {
    /// The machine reports.
    Line(String),
    /// Nothing was reported in time.
    TimeUp,
    /// The machine is off.
    Ended(ExitStatus),
}

impl Machine {
    /// Switches the machine on. It reads nothing of this computer and writes to `exchange` only.
    pub(super) fn boot(kernel: &Path, image: &Path, exchange: &Path) -> Result<Self> {
        let mut emulator = Command::new(EMULATOR)
            .args(HARDWARE)
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(image)
            .args(["-append", KERNEL_ARGUMENTS])
            .args(["-serial", &format!("file:{}", exchange.join("log/console.log").display())])
            .args(["-serial", "stdio"])
            .args(["-virtfs", &exchange_share(exchange)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {EMULATOR}"))?;
        let output = emulator.stdout.take().context("listening to the emulator")?;
        Ok(Self { emulator, lines: listen(output) })
    }

    /// Waits for a report, at most `limit`.
    pub(super) fn next_line(&mut self, limit: Duration) -> Next {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Next::Line(line),
            Err(mpsc::RecvTimeoutError::Timeout) => Next::TimeUp,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                self.wait_for_end().map_or(Next::TimeUp, Next::Ended)
            }
        }
    }

    fn wait_for_end(&mut self) -> Option<ExitStatus> {
        let mut waited = Duration::ZERO;
        while waited < END_WAIT {
            if let Ok(Some(status)) = self.emulator.try_wait() {
                return Some(status);
            }
            thread::sleep(END_LOOK_EVERY);
            waited += END_LOOK_EVERY;
        }
        None
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A machine that is off already cannot be ended again, which is what was wanted.
        if self.emulator.kill().is_ok()
            && let Err(error) = self.emulator.wait()
        {
            println!("the emulator cannot be waited for: {error}");
        }
    }
}

fn exchange_share(exchange: &Path) -> String {
    // A comma separates options; doubled it stands for itself.
    let path = exchange.display().to_string().replace(',', ",,");
    format!("local,path={path},mount_tag=exchange,security_model=none,multidevs=remap")
}

/// Reads lines on a thread of its own, which ends with the emulator's output.
fn listen(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::sync_channel(LINE_QUEUE_LEN_MAX);
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !text.is_empty() && sender.send(text).is_err() {
                return;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_the_folder_is_no_option() {
        let share = exchange_share(Path::new("/a,b"));
        assert!(share.starts_with("local,path=/a,,b,mount_tag=exchange,"), "{share}");
    }
}
