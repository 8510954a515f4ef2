//! The report: three policies side by side, one HTML file that needs nothing else.
#![expect(
    clippy::format_push_string,
    reason = "a report is written once; an allocation a cell costs nothing"
)]

use std::fmt::Write as _;

use lifecycle::RecoveryPolicy;
use worlds::{DOOR_WAITS, Tally};

use crate::fleet::{Fleet, name};

/// Height of the longest bar of the chart, in CSS pixels.
const BAR_HEIGHT: u64 = 150;
/// Width of a group of bars.
const GROUP_WIDTH: usize = 104;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2430; --muted: #5b6675; --line: #d5dae1; --paper: #ffffff;
  --stock: #b3541e; --reset: #8a6d00; --rehome: #1f6f5c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --muted: #a3adba; --line: #3a4350; --paper: #161b22;
  --stock: #e58a55; --reset: #d9b93b; --rehome: #5cc4a8; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; font-weight: normal; }
.scroll { overflow-x: auto; }
p.note, td small { color: var(--muted); }
svg text { fill: var(--ink); font-size: 12px; }
svg .muted { fill: var(--muted); }
.stock { fill: var(--stock); color: var(--stock); } .reset { fill: var(--reset); color: var(--reset); }
.rehome { fill: var(--rehome); color: var(--rehome); }
pre { overflow-x: auto; border-left: 3px solid var(--stock); padding-left: .8rem; }
";

/// Renders the report.
pub(crate) fn render(fleet: &Fleet) -> String {
    let mut html = String::new();
    let worlds = fleet.seeds.end - fleet.seeds.first;
    let written = write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Worlds {first}..{end}</title><style>{STYLE}</style></head><body>\
         <h1>The same {worlds} worlds, three policies</h1>\
         <p>{boards} boards in worlds of 50, each for 30 days of virtual time, seeds {first} to {last}. Places, outages, \
         moves, sales, power cuts and visitors are the same for each policy; what follows from them is not. \
         Made by <code>cargo xtask worlds --seeds {first}..{end} --report FILE</code>.</p>",
        first = fleet.seeds.first,
        end = fleet.seeds.end,
        last = fleet.seeds.end.saturating_sub(1),
        boards = fleet.tallies.first().map_or(0, |(_, tally)| tally.boards),
    );
    // Writing to a string does not fail.
    written.unwrap_or_default();
    push_table(&mut html, fleet);
    push_chart(&mut html, fleet);
    push_findings(&mut html, fleet);
    html.push_str("</body></html>\n");
    html
}

/// Renders the figures alone, as a page of the documentation.
pub(crate) fn render_summary(fleet: &Fleet) -> String {
    let (first, end) = (fleet.seeds.first, fleet.seeds.end);
    let boards = fleet.tallies.first().map_or(0, |(_, tally)| tally.boards);
    let mut text = format!(
        "# The same worlds, three policies\n\n{boards} boards in {} worlds for 30 days of virtual time each, seeds {first} to {}. Written by\n\
         `cargo xtask worlds --seeds {first}..{end} --summary FILE`; `--report FILE` draws it and says what the words mean. What is\n\
         simulated is said in [guarantees.md](guarantees.md#worlds).\n\n|",
        end - first,
        end.saturating_sub(1),
    );
    let names: Vec<&str> = fleet.tallies.iter().map(|(policy, _)| name(*policy)).collect();
    text.push_str(&format!(" | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len())));
    let mut push_row = |label: &str, figure: &dyn Fn(&Tally) -> String| {
        let figures: Vec<String> = fleet.tallies.iter().map(|(_, tally)| figure(tally)).collect();
        text.push_str(&format!("| {label} | {} |\n", figures.join(" | ")));
    };
    for (label, figure) in ROWS {
        push_row(label, &|tally| figure(tally).replace("<small>", "").replace("</small>", ""));
    }
    for (position, span) in door_wait_spans().enumerate() {
        push_row(&format!("Hotspot opened after {span}"), &|tally| {
            tally.door_waits.get(position).copied().unwrap_or_default().to_string()
        });
    }
    push_row("Hotspot due, and never open before the trouble ended", &|tally| {
        tally.doors_never_opened.to_string()
    });
    text.push_str(&format!(
        "\nEach opened hotspot is in one row. {WHAT_COUNTS}\n\nBroken guarantees under `rehome`: {}.\n",
        fleet.findings.len()
    ));
    text
}

/// What the figures count, and what they do not.
const WHAT_COUNTS: &str = "Due means: 45 s after power-on without a usable network or token; 11 min after the networks \
    went while the board ran; at once after a refused token. Only hours with power count. Stock firmware and the workaround \
    can send no receipt. Nobody presses a button to get a board back: many have none in reach. Under `rehome` a visit \
    finds no hotspot where the network works and only the certificate check fails, for instance because the clock is wrong: \
    that is no reason to open one.";

/// The spans of [`DOOR_WAITS`], from the end of one to the end of the next.
fn door_wait_spans() -> impl Iterator<Item = String> {
    let mut former: Option<&str> = None;
    let last = DOOR_WAITS.len().saturating_sub(1);
    DOOR_WAITS.iter().enumerate().map(move |(position, (_, label))| match former.replace(label) {
        None => format!("at most {label}"),
        Some(former) if position == last => format!("more than {former}"),
        Some(former) => format!("{former} to {label}"),
    })
}

type Figure = (&'static str, fn(&Tally) -> String);

/// One row each: what it says, and how it is read from the sums.
const ROWS: [Figure; 11] = [
    ("Boards without an open hotspot when it was due", |tally| share(tally.stranded_boards, tally.boards)),
    ("… for a day or longer at a stretch", |tally| share(tally.stranded_for_a_day_boards, tally.boards)),
    ("Hours that boards spent so, together", |tally| hours(tally.stranded_ms)),
    ("The longest such stretch, hours of power", |tally| hours(tally.stranded_ms_max)),
    ("Owners' visits that found no hotspot, in spite of a power cycle", |tally| {
        tally.visits_in_vain.to_string()
    }),
    ("Homes lost or changed without authority", |tally| tally.lost_homes.to_string()),
    ("Boards that lost one", |tally| share(tally.lost_home_boards, tally.boards)),
    ("Wipes on a release, with receipt", |tally| tally.receipts.to_string()),
    ("Wipes on a release, without", |tally| tally.wipes_without_receipt().to_string()),
    ("Wipes by the button", |tally| tally.wipes_by_hand.to_string()),
    ("Share of all time online", |tally| share(tally.online_ms, tally.lived_ms)),
];

fn push_table(html: &mut String, fleet: &Fleet) {
    html.push_str("<div class=\"scroll\"><table><thead><tr><th></th>");
    for (policy, _) in &fleet.tallies {
        html.push_str(&format!("<th class=\"{0}\">{0}</th>", name(*policy)));
    }
    html.push_str("</tr></thead><tbody>");
    for (label, figure) in ROWS {
        html.push_str(&format!("<tr><td>{label}</td>"));
        for (_, tally) in &fleet.tallies {
            html.push_str(&format!("<td>{}</td>", figure(tally)));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div><p class=\"note\">");
    html.push_str(&escape(WHAT_COUNTS).replace("`rehome`", "<code>rehome</code>"));
    html.push_str("</p>");
}

fn push_chart(html: &mut String, fleet: &Fleet) {
    let columns = DOOR_WAITS.len() + 1;
    let counts = |tally: &Tally| {
        let mut counts = tally.door_waits.to_vec();
        counts.push(tally.doors_never_opened);
        counts
    };
    let spans: Vec<String> = door_wait_spans().collect();
    let highest = fleet.tallies.iter().flat_map(|(_, tally)| counts(tally)).max().unwrap_or(1).max(1);
    let width = columns * GROUP_WIDTH;
    html.push_str("<h2>Until the hotspot opened</h2><p>Troubles that called for the hotspot of a board with a home, by the time from their \
        beginning (or from power-on) until it opened. &ldquo;Never&rdquo;: the trouble went away by itself first, or the \
        month ended. <code>reset</code> has few of these: it opens the hotspot by erasing the home.</p><div class=\"scroll\">");
    html.push_str(&format!(
        "<svg viewBox=\"0 0 {width} 220\" width=\"{width}\" height=\"220\" role=\"img\" \
         aria-label=\"Waits for the hotspot by policy\">"
    ));
    for column in 0..columns {
        let left = column * GROUP_WIDTH;
        let label = spans.get(column).map_or("never", String::as_str);
        for (position, (policy, tally)) in fleet.tallies.iter().enumerate() {
            let count = counts(tally).get(column).copied().unwrap_or_default();
            let height = (count * BAR_HEIGHT).div_ceil(highest);
            let (x, y) = (left + 6 + position * 25, 190 - height);
            html.push_str(&format!(
                "<rect class=\"{policy}\" x=\"{x}\" y=\"{y}\" width=\"22\" height=\"{height}\"><title>{policy}: {count}</title></rect>\
                 <text class=\"muted\" x=\"{middle}\" y=\"{above}\" text-anchor=\"middle\" style=\"font-size:9px\">{short}</text>",
                policy = name(*policy),
                middle = x + 11,
                above = y - 3,
                short = short(count),
            ));
        }
        html.push_str(&format!(
            "<text x=\"{}\" y=\"208\" text-anchor=\"middle\">{label}</text>",
            left + 6 + 36
        ));
    }
    html.push_str(&format!(
        "<line x1=\"0\" y1=\"190.5\" x2=\"{width}\" y2=\"190.5\" stroke=\"currentColor\"/></svg></div><p>"
    ));
    for (policy, _) in &fleet.tallies {
        html.push_str(&format!("<span class=\"{0}\">\u{25A0} {0}</span> &nbsp; ", name(*policy)));
    }
    html.push_str("</p>");
}

fn push_findings(html: &mut String, fleet: &Fleet) {
    html.push_str("<h2>Broken guarantees under <code>rehome</code></h2>");
    let judged = fleet.tallies.iter().find(|(policy, _)| *policy == RecoveryPolicy::Rehome);
    if let Some((_, tally)) = judged {
        html.push_str(&format!(
            "<p>Judged at every step: {} set-ups with a claim code, {} power-up gestures, {} hotspots locked by wrong proofs, {} \
             orders of firmware ({} installed, {} confirmed, {} trials in vain, {} power cuts in a firmware slot), {} boots, {} power cuts in the middle of a flash operation, {} homes accepted, {} failed \
             trials, {} refused logins, {} searches of a raw flash image for bytes of earlier homes. \
             Most erases of one flash sector in the month: {}.</p>",
            tally.claims,
            tally.gestures,
            tally.locks,
            tally.update_orders,
            tally.images_installed,
            tally.images_confirmed,
            tally.trials_of_firmware_failed,
            tally.torn_updates,
            tally.boots,
            tally.torn_operations,
            tally.homes_accepted,
            tally.trials_failed,
            tally.refusals,
            tally.image_searches,
            tally.sector_erases_max
        ));
    }
    if fleet.findings.is_empty() {
        html.push_str("<p>None.</p>");
    }
    for (seed, finding) in &fleet.findings {
        let text = escape(&finding.to_string());
        html.push_str(&format!(
            "<h3>World {seed}</h3><p><code>cargo xtask worlds --seed {seed} --rehome-only</code></p><pre>{text}</pre>"
        ));
    }
}

fn share(part: u64, whole: u64) -> String {
    let permille = u128::from(part) * 1000 / u128::from(whole.max(1));
    let percent = format!("{}.{} %", permille / 10, permille % 10);
    if whole > 1_000_000_000 { percent } else { format!("{part} <small>({percent})</small>") }
}

fn hours(milliseconds: u64) -> String {
    let tenths = milliseconds / 360_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn short(count: u64) -> String {
    match count {
        0 => String::new(),
        1..=9_999 => count.to_string(),
        _ => format!("{}k", count / 1000),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::fleet::Seeds;

    fn fleet() -> Fleet {
        let door_waits = [2, 1, 0, 1, 0, 0, 0, 1];
        let tally = Tally { boards: 50, stranded_boards: 5, receipts: 7, door_waits, ..Tally::default() };
        let tallies = vec![(RecoveryPolicy::Stock, Tally::default()), (RecoveryPolicy::Rehome, tally)];
        let seeds = Seeds { first: 3, end: 4 };
        Fleet { seeds, tallies, findings: BTreeMap::new(), elapsed: Duration::ZERO }
    }

    #[test]
    fn every_row_of_the_summary_says_from_when_to_when_a_hotspot_opened() {
        let summary = render_summary(&fleet());
        for row in [
            "| Hotspot opened after at most 15 s | 0 | 2 |",
            "| Hotspot opened after 15 s to 45 s | 0 | 1 |",
            "| Hotspot opened after 2 min to 11 min | 0 | 1 |",
            "| Hotspot opened after more than 1 day | 0 | 1 |",
            "| Boards without an open hotspot when it was due | 0 (0.0 %) | 5 (10.0 %) |",
            "| Wipes on a release, with receipt | 0 | 7 |",
        ] {
            assert!(summary.contains(row), "{row} is not in {summary}");
        }
    }

    #[test]
    fn the_drawn_report_has_a_bar_for_each_policy_in_each_span() {
        let html = render(&fleet());
        assert_eq!(html.matches("<rect class=").count(), 2 * (DOOR_WAITS.len() + 1));
        assert!(
            html.contains(">15 s to 45 s</text>") && html.contains("<code>rehome</code> a visit"),
            "{html}"
        );
    }
}
