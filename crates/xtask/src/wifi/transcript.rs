//! What the machine reports, line by line, and the verdict. `tests/wifi/main.sh` writes these lines.

use std::fmt;
use std::time::Duration;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A step begins.
    Start { step: String, title: String },
    /// A fact seen in the running step.
    Note(String),
    /// Why the running step fails.
    Why(String),
    /// The step holds. It took so many seconds by the machine's clock.
    Done { step: String, story_s: u64 },
    /// The step does not hold.
    Failed { step: String, story_s: u64 },
    /// The step was not reached.
    Missed { step: String, title: String },
    /// The story is over.
    End { has_passed: bool },
}

impl Line {
    /// Reads a report; `None` for anything else that comes over the serial port.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ')?;
        let step_and_title = || {
            let (step, title) = rest.split_once(' ')?;
            Some((step.to_owned(), title.to_owned()))
        };
        let step_and_time = || {
            let (step, story_s) = rest.split_once(' ')?;
            Some((step.to_owned(), story_s.parse().ok()?))
        };
        Some(match kind {
            "start" => {
                let (step, title) = step_and_title()?;
                Self::Start { step, title }
            }
            "missed" => {
                let (step, title) = step_and_title()?;
                Self::Missed { step, title }
            }
            "note" => Self::Note(rest.to_owned()),
            "why" => Self::Why(rest.to_owned()),
            "done" => {
                let (step, story_s) = step_and_time()?;
                Self::Done { step, story_s }
            }
            "failed" => {
                let (step, story_s) = step_and_time()?;
                Self::Failed { step, story_s }
            }
            "end" => Self::End { has_passed: rest == "pass" },
            _ => return None,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { title, .. } => write!(formatter, "{title} …"),
            Self::Note(text) => write!(formatter, "    {text}"),
            Self::Why(text) => write!(formatter, "    because: {text}"),
            Self::Done { .. } => formatter.write_str("    ok"),
            Self::Failed { step, .. } => write!(formatter, "    FAILED: {step}"),
            Self::Missed { title, .. } => write!(formatter, "not reached: {title}"),
            Self::End { has_passed: true } => formatter.write_str("the story is over"),
            Self::End { has_passed: false } => formatter.write_str("the story broke off"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Running,
    Done,
    Failed,
    Missed,
}

#[derive(Debug)]
struct Step {
    name: String,
    title: String,
    outcome: Outcome,
    started_at: Duration,
    took: Duration,
    /// By the machine's clock, which does not wait for this computer.
    story_s: u64,
}

/// All reports of one run.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    steps: Vec<Step>,
    has_passed: Option<bool>,
    stopped_because: Option<String>,
}

impl Transcript {
    /// Takes one report, heard `at` since the machine was switched on.
    pub(super) fn take(&mut self, line: Line, at: Duration) {
        match line {
            Line::Start { step, title } => self.add(step, title, Outcome::Running, at),
            Line::Missed { step, title } => self.add(step, title, Outcome::Missed, at),
            Line::Done { step, story_s } => self.finish(&step, Outcome::Done, at, story_s),
            Line::Failed { step, story_s } => self.finish(&step, Outcome::Failed, at, story_s),
            Line::End { has_passed } => self.has_passed = Some(has_passed),
            Line::Note(_) | Line::Why(_) => {}
        }
    }

    /// Notes that the run was ended from outside.
    pub(super) fn stop_with(&mut self, reason: String) {
        self.stopped_because = Some(reason);
    }

    /// Says whether the machine told that the story is over.
    pub(super) fn has_ended(&self) -> bool {
        self.has_passed.is_some()
    }

    /// Says whether every step was reached and holds. The machine's word alone is not enough.
    pub(super) fn has_passed(&self) -> bool {
        self.has_passed == Some(true)
            && self.stopped_because.is_none()
            && !self.steps.is_empty()
            && self.steps.iter().all(|step| step.outcome == Outcome::Done)
    }

    fn verdict(&self) -> String {
        let done_count = self.steps.iter().filter(|step| step.outcome == Outcome::Done).count();
        let word = if self.has_passed() { "passed" } else { "FAILED" };
        let remark = match &self.stopped_because {
            Some(reason) => format!(" ({reason})"),
            None if self.has_passed.is_none() => " (the machine went off before the end)".to_owned(),
            None => String::new(),
        };
        format!("Wi-Fi story {word}: {done_count} of {} steps hold{remark}", self.steps.len())
    }

    fn add(&mut self, name: String, title: String, outcome: Outcome, at: Duration) {
        self.steps.push(Step { name, title, outcome, started_at: at, took: Duration::ZERO, story_s: 0 });
    }

    fn finish(&mut self, name: &str, outcome: Outcome, at: Duration, story_s: u64) {
        if let Some(step) = self.steps.iter_mut().rev().find(|step| step.name == name) {
            step.outcome = outcome;
            step.took = at.saturating_sub(step.started_at);
            step.story_s = story_s;
        }
    }
}

/// A line per step with its time here and in the story, and one line with the verdict.
impl fmt::Display for Transcript {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "Steps, with their time here and in the story:")?;
        for step in &self.steps {
            let (word, took) = match step.outcome {
                Outcome::Done => ("ok", Some((step.took, step.story_s))),
                Outcome::Failed => ("FAILED", Some((step.took, step.story_s))),
                Outcome::Running => ("UNFINISHED", None),
                Outcome::Missed => ("NOT REACHED", None),
            };
            let times = took.map_or_else(String::new, |(took, story_s)| {
                format!("{:>4} s {story_s:>5} s", took.as_secs())
            });
            writeln!(formatter, "  {times:>14}  {word:<11}  {}", step.title)?;
        }
        formatter.write_str(&self.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript_of(lines: &[&str]) -> Transcript {
        let mut transcript = Transcript::default();
        for (second, line) in (0..).zip(lines) {
            transcript.take(Line::parse(line).unwrap(), Duration::from_secs(second));
        }
        transcript
    }

    #[test]
    fn a_story_passes_when_every_step_holds() {
        let transcript = transcript_of(&["start a First step", "note seen", "done a 33", "end pass"]);
        assert!(transcript.has_passed());
        let summary = transcript.to_string();
        assert!(summary.contains("2 s    33 s  ok           First step"), "{summary}");
        assert!(summary.ends_with("Wi-Fi story passed: 1 of 1 steps hold"), "{summary}");
    }

    #[test]
    fn a_step_that_fails_is_named_and_so_is_what_was_not_reached() {
        let transcript = transcript_of(&[
            "start a First step",
            "why no radio",
            "failed a 3",
            "missed b Second step",
            "end fail",
        ]);
        assert!(!transcript.has_passed());
        let summary = transcript.to_string();
        assert!(summary.contains("FAILED       First step"), "{summary}");
        assert!(summary.contains("NOT REACHED  Second step"), "{summary}");
        assert!(summary.ends_with("Wi-Fi story FAILED: 0 of 2 steps hold"), "{summary}");
    }

    #[test]
    fn a_machine_that_says_pass_after_a_failure_is_not_believed() {
        assert!(!transcript_of(&["start a First step", "failed a 3", "end pass"]).has_passed());
        assert!(!transcript_of(&["start a First step", "end pass"]).has_passed());
        assert!(!transcript_of(&["end pass"]).has_passed());
    }

    #[test]
    fn a_run_that_ends_early_does_not_pass() {
        let mut transcript = transcript_of(&["start a First step", "done a 1"]);
        assert!(!transcript.has_passed() && !transcript.has_ended());
        assert!(transcript.to_string().contains("went off before the end"));
        transcript.take(Line::End { has_passed: true }, Duration::ZERO);
        transcript.stop_with("not finished within 450 s".to_owned());
        assert!(!transcript.has_passed());
        assert!(transcript.to_string().contains("not finished within 450 s"));
    }

    #[test]
    fn other_text_is_no_report() {
        assert_eq!(Line::parse("[    1.0] Kernel panic"), None);
        assert_eq!(Line::parse(""), None);
        assert_eq!(Line::parse("start nameless"), None);
        assert_eq!(Line::parse("done a soon"), None);
    }
}
