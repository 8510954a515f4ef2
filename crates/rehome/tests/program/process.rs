//! Runs programs, collects what they print, and ends them by their own number.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a test waits for a state before it fails and says what it saw last.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// How long a test waits before it looks again.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The command line of `rehome` in a folder, untouched by the settings of whoever runs the tests.
pub(crate) fn rehome(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehome"));
    command.args(arguments);
    isolate(&mut command, folder);
    command
}

/// Takes away every setting of the surroundings and makes the log as loud as a person can make it.
pub(crate) fn isolate(command: &mut Command, folder: &Path) {
    for (name, _value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REHOME_") {
            command.env_remove(name);
        }
    }
    command.env("REHOME_LOG", "trace").env("NO_COLOR", "1").current_dir(folder);
}

/// A program that runs; it is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdout: Arc<Collected>,
    pub(crate) stderr: Arc<Collected>,
}

/// What a program that ended has printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code; a program that was ended by a signal has none.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:#?}"))
    }

    /// What the program said at its end; it must have said something.
    #[track_caller]
    pub(crate) fn message(&self) -> &str {
        let start = self.stderr.find("rehome: ");
        start.and_then(|start| self.stderr.get(start..)).unwrap_or_else(|| panic!("no message: {self:#?}"))
    }
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = Collected::read(child.stdout.take().unwrap());
        let stderr = Collected::read(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks the program to stop, as a service manager does, and waits for its end.
    pub(crate) fn stop(mut self) -> Ended {
        kill_process(self.pid(), Signal::TERM).unwrap();
        self.wait_for_end()
    }

    /// Ends the program in the middle of whatever it does.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.wait_for_end()
    }

    /// Waits until the program has ended by itself.
    pub(crate) fn wait_for_end(&mut self) -> Ended {
        let status = wait_until("the end of the program", || {
            self.child.try_wait().unwrap().ok_or_else(|| format!("it runs; it said {}", self.stderr.text()))
        });
        Ended { status, stdout: self.stdout.text_at_end(), stderr: self.stderr.text_at_end() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    Process::spawn(command).wait_for_end()
}

/// Waits for a state; fails at the deadline with the last state seen.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match look() {
            Ok(reached) => return reached,
            Err(seen) => assert!(started.elapsed() < DEADLINE, "waited for {what}; last seen: {seen}"),
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// One output stream of a program, as far as it has come.
#[derive(Default)]
pub(crate) struct Collected {
    state: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Collected {
    fn read(stream: impl Read + Send + 'static) -> Arc<Self> {
        let collected = Arc::new(Self::default());
        let sink = Arc::clone(&collected);
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                sink.change(|(text, _)| text.push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
            sink.change(|(_, is_at_end)| *is_at_end = true);
        });
        collected
    }

    fn change(&self, change: impl FnOnce(&mut (String, bool))) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// What has been printed so far.
    pub(crate) fn text(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn text_at_end(&self) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, DEADLINE, |(_, is_at_end)| !*is_at_end);
        waited.unwrap().0.0.clone()
    }

    /// Waits for a whole line that fits, and returns what `find` made of it.
    pub(crate) fn wait_for_line<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let started = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (text, is_at_end) = &*state;
            if let Some(found) = text.lines().find_map(&find) {
                return Ok(found);
            }
            let left = DEADLINE.saturating_sub(started.elapsed());
            if *is_at_end || left.is_zero() {
                return Err(format!("no line with {what} in {text:?}"));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
