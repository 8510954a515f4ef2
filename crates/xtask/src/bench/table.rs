//! Collects reports and writes the table.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rows::{Figure, ROWS, Row};
use super::servers::Kind;

/// Every measurement, by row and server.
#[derive(Debug, Default)]
pub(super) struct Table {
    measured: BTreeMap<(&'static str, Kind), Vec<Value>>,
}

impl Table {
    pub(super) fn add(&mut self, row: &Row, kind: Kind, report: &Value) {
        self.measured.entry((row.name, kind)).or_default().push(report.clone());
    }

    /// Writes the rows that were measured; a figure is the median of its runs, failures are their sum.
    pub(super) fn markdown(&self) -> String {
        let mut lines = vec![
            "| figure | target | floor | rehome | mosquitto | rehome : floor |".to_owned(),
            "|---|---|---|---|---|---|".to_owned(),
        ];
        for row in &ROWS {
            let cells = [Kind::Floor, Kind::Rehome, Kind::Mosquitto].map(|kind| self.cell(row, kind));
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let ratio = match (self.first_figure(row, Kind::Rehome), self.first_figure(row, Kind::Floor)) {
                (Some(rehome), Some(floor)) if floor > 0.0 => format!("{:.2}", rehome / floor),
                _ => "–".to_owned(),
            };
            let [floor, rehome, mosquitto] = cells.map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
            lines.push(format!(
                "| {} | {} | {floor} | {rehome} | {mosquitto} | {ratio} |",
                row.title, row.target
            ));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn cell(&self, row: &Row, kind: Kind) -> Option<String> {
        let reports = self.measured.get(&(row.name, kind))?;
        let shown: Vec<_> =
            row.figures.iter().filter_map(|figure| figure.shown(figure.of_runs(reports)?)).collect();
        Some(shown.join(", "))
    }

    fn first_figure(&self, row: &Row, kind: Kind) -> Option<f64> {
        row.figures.first()?.of_runs(self.measured.get(&(row.name, kind))?)
    }
}

/// One run in a line.
pub(super) fn short(row: &Row, report: &Value) -> String {
    let shown = row.figures.iter().filter_map(|figure| figure.shown(figure.read(report)?));
    let failure = report.pointer("/first_failure").and_then(Value::as_str).map(|text| format!("({text})"));
    shown.chain(failure).collect::<Vec<_>>().join(", ")
}

impl Figure {
    fn read(self, report: &Value) -> Option<f64> {
        let at = |path: &str| report.pointer(path).and_then(Value::as_f64);
        match self {
            Self::CpuMicros => at("/server/cpu_us_per_unit"),
            Self::MemoryKilobytes => at("/server/resident_bytes_per_unit").map(|bytes| bytes / 1_000.0),
            Self::ElapsedSeconds => at("/elapsed_s"),
            Self::P50Micros => at("/latency/p50_us"),
            Self::P99Micros => at("/latency/p99_us"),
            Self::Failed => Some(at("/failed_count")? + at("/not_taken_count")?),
        }
    }

    /// Returns the median of several runs, for failures their sum.
    fn of_runs(self, reports: &[Value]) -> Option<f64> {
        let mut values: Vec<f64> = reports.iter().filter_map(|report| self.read(report)).collect();
        if self == Self::Failed {
            return Some(values.iter().sum());
        }
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    fn shown(self, value: f64) -> Option<String> {
        match self {
            Self::CpuMicros => Some(format!("{value:.1} µs")),
            Self::MemoryKilobytes => Some(format!("{value:.1} kB")),
            Self::ElapsedSeconds => Some(format!("{value:.2} s")),
            Self::P50Micros => Some(format!("p50 {value:.0} µs")),
            Self::P99Micros => Some(format!("p99 {value:.0} µs")),
            Self::Failed if value > 0.0 => Some(format!("**{value:.0} failed**")),
            Self::Failed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(cpu_us: f64, failed: u64) -> Value {
        json!({ "server": { "cpu_us_per_unit": cpu_us }, "failed_count": failed, "not_taken_count": 0 })
    }

    #[test]
    fn a_cell_is_the_median_and_failures_of_any_run_show() {
        let mut table = Table::default();
        let row = &ROWS[0];
        for cpu_us in [10.0, 90.0, 20.0] {
            table.add(row, Kind::Floor, &report(cpu_us, 0));
        }
        for failed in [0, 3, 0] {
            table.add(row, Kind::Rehome, &report(40.0, failed));
        }
        let markdown = table.markdown();
        let line = markdown.lines().nth(2).unwrap();
        assert!(line.contains("| 20.0 µs | 40.0 µs, **3 failed** | – | 2.00 |"), "{line}");
        assert_eq!(markdown.lines().count(), 3, "rows that were not measured are left out");
    }

    #[test]
    fn every_row_has_a_name_of_its_own_and_a_figure() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(!row.figures.is_empty(), "{}", row.name);
            assert!(ROWS[..index].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }
}
