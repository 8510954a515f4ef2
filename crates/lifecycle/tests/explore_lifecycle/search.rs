//! Breadth-first search over everything that can happen to a device.

use core::hash::BuildHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry};
use std::hash::{BuildHasherDefault, DefaultHasher};

use lifecycle::{ErrorCode, Output, Settings, State};

use crate::world::{Action, Alphabet, Step, World};

/// A search that grows past this has lost its bounds.
const STATE_COUNT_MAX: usize = 600_000;

/// What was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// A fingerprint of each distinct state. States that two searches share are counted once.
    pub(crate) states: BTreeSet<u64>,
    pub(crate) transition_count: usize,
    /// Each state with the hotspot closed and open, and whether a home was stored.
    pub(crate) situations: BTreeSet<(State, bool, bool)>,
    pub(crate) errors: BTreeSet<ErrorCode>,
    pub(crate) outputs: BTreeSet<&'static str>,
    pub(crate) output_count_max: usize,
    /// The power-up gesture was made, and the device stayed on until its time was over.
    pub(crate) has_seen_gesture_end: bool,
}

impl Coverage {
    pub(crate) fn add(&mut self, other: Self) {
        self.states.extend(other.states);
        self.transition_count += other.transition_count;
        self.situations.extend(other.situations);
        self.errors.extend(other.errors);
        self.outputs.extend(other.outputs);
        self.output_count_max = self.output_count_max.max(other.output_count_max);
        self.has_seen_gesture_end |= other.has_seen_gesture_end;
    }

    fn note(&mut self, step: &Step) {
        let machine = &step.world.machine;
        let has_home = step.world.stored_network_count > 0;
        self.has_seen_gesture_end |= step.world.observer.has_seen_gesture_end();
        if !step.world.is_door_locked {
            self.situations.insert((machine.state(), step.world.is_hotspot_open, has_home));
        }
        assert_eq!(machine.is_hotspot_open(), step.world.is_hotspot_open, "machine and outputs agree");
        self.output_count_max = self.output_count_max.max(step.outputs.len());
        for output in &step.outputs {
            self.outputs.insert(output_name(*output));
            if let Output::ReportError(code) = output {
                self.errors.insert(*code);
            }
        }
    }
}

struct Node {
    parent: u32,
    action: Option<Action>,
    /// Where a kind environment leads from here; `None` when the device runs already.
    good: Option<u32>,
}

/// A reached state that breaks a guarantee, and the shortest way there.
#[derive(Debug)]
pub(crate) struct CounterExample {
    pub(crate) violation: &'static str,
    pub(crate) path: Vec<Action>,
    pub(crate) world: World,
}

/// The searched part of the world.
pub(crate) struct Search {
    pub(crate) coverage: Coverage,
    pub(crate) counter_example: Option<CounterExample>,
    nodes: Vec<Node>,
}

/// What to do when a guarantee is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Stop; the search goes by number of steps, so the path is a shortest one.
    StopAtFirst,
    /// Go on, to see everything that can be reached.
    Ignore,
}

/// Searches everything that can happen.
pub(crate) fn search(settings: &Settings, alphabet: &Alphabet, judgement: Judgement) -> Search {
    // 64 bits of a keyed-hash design: for half a million states the odds that two of them collide are below one in
    // a hundred million, and keeping only hashes lets the search fit in little memory.
    let hashing = BuildHasherDefault::<DefaultHasher>::default();
    let mut ids: BTreeMap<u64, u32> = BTreeMap::new();
    let mut search = Search { coverage: Coverage::default(), counter_example: None, nodes: Vec::new() };
    let mut frontier = VecDeque::new();

    let first = World::power_on(settings, alphabet);
    search.coverage.note(&first);
    ids.insert(hashing.hash_one(&first.world), 0);
    search.nodes.push(Node { parent: 0, action: None, good: None });
    frontier.push_back((0_u32, first.world));

    'search: while let Some((id, world)) = frontier.pop_front() {
        let is_running = world.machine.state() == State::Running;
        let good_action = (!is_running).then(|| world.good_action(alphabet)).flatten();
        for action in world.actions(alphabet) {
            let step = world.apply(settings, action);
            search.coverage.transition_count += 1;
            search.coverage.note(&step);
            let next_id = u32::try_from(search.nodes.len()).expect("fewer than 2^32 states");
            let (next_id, is_new) = match ids.entry(hashing.hash_one(&step.world)) {
                Entry::Occupied(known) => (*known.get(), false),
                Entry::Vacant(slot) => (*slot.insert(next_id), true),
            };
            if is_new {
                search.nodes.push(Node { parent: id, action: Some(action), good: None });
            }
            if let Some(violation) = step.violation
                && judgement == Judgement::StopAtFirst
            {
                let mut path = search.path_to(id as usize);
                path.push(action);
                search.counter_example = Some(CounterExample { violation, path, world: step.world });
                break 'search;
            }
            if good_action == Some(action) {
                search.nodes[id as usize].good = Some(next_id);
            }
            if is_new {
                frontier.push_back((next_id, step.world));
            }
        }
        if is_running {
            search.nodes[id as usize].good = Some(id);
        }
        assert!(search.nodes.len() < STATE_COUNT_MAX, "the search does not end");
    }
    search.coverage.states = ids.into_keys().collect();
    search
}

impl Search {
    /// The events from power-on to a state.
    pub(crate) fn path_to(&self, index: usize) -> Vec<Action> {
        let mut path: Vec<Action> =
            core::iter::successors(Some(index), |index| Some(self.nodes[*index].parent as usize))
                .map_while(|index| self.nodes[index].action)
                .collect();
        path.reverse();
        path
    }

    /// Proves that from every reached state a kind environment leads to `RUNNING`; returns the longest way.
    pub(crate) fn longest_way_home(&self) -> Result<usize, Vec<Action>> {
        let mut distances: Vec<Option<usize>> = vec![None; self.nodes.len()];
        for start in 0..self.nodes.len() {
            let mut way = Vec::new();
            let mut at = start;
            let reached = loop {
                if let Some(distance) = distances[at] {
                    break distance;
                }
                match self.nodes[at].good {
                    Some(next) if next as usize == at => break 0,
                    Some(next) if way.len() <= self.nodes.len() => {
                        way.push(at);
                        at = next as usize;
                    }
                    _ => return Err(self.path_to(start)),
                }
            };
            distances[at] = Some(reached);
            for (steps, node) in way.into_iter().rev().enumerate() {
                distances[node] = Some(reached + steps + 1);
            }
        }
        Ok(distances.into_iter().flatten().max().unwrap_or(0))
    }
}

/// The transition log that a path writes, as a board would print it.
pub(crate) fn transition_log(settings: &Settings, alphabet: &Alphabet, path: &[Action]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut milliseconds_since_boot = 0;
    let mut note = |milliseconds: u64, outputs: &[Output]| {
        for output in outputs {
            match output {
                Output::StateChanged { from, to } => {
                    let from = from.map_or("INIT", State::as_str);
                    lines.push(format!("[{milliseconds}] {from} => {to}"));
                }
                Output::Indicate(_) => {}
                output => lines.push(format!("[{milliseconds}]   {output:?}")),
            }
        }
    };
    let first = World::power_on(settings, alphabet);
    note(0, &first.outputs);
    let mut world = first.world;
    for action in path {
        match action {
            Action::Pass { milliseconds } => milliseconds_since_boot += milliseconds,
            Action::PowerCut { .. } => milliseconds_since_boot = 0,
            Action::Event(_) => {}
        }
        let step = world.apply(settings, *action);
        note(milliseconds_since_boot, &step.outputs);
        world = step.world;
    }
    lines
}

fn output_name(output: Output) -> &'static str {
    match output {
        Output::StateChanged { .. } => "StateChanged",
        Output::OpenHotspot => "OpenHotspot",
        Output::CloseHotspot => "CloseHotspot",
        Output::Join { .. } => "Join",
        Output::Leave => "Leave",
        Output::ConnectCloud { .. } => "ConnectCloud",
        Output::DisconnectCloud => "DisconnectCloud",
        Output::LoadHome => "LoadHome",
        Output::SaveCandidate => "SaveCandidate",
        Output::DropCandidate => "DropCandidate",
        Output::WipeHome => "WipeHome",
        Output::SendReceipt => "SendReceipt",
        Output::AnnounceOta => "AnnounceOta",
        Output::StartOta => "StartOta",
        Output::AbortOta => "AbortOta",
        Output::ConfirmFirmware => "ConfirmFirmware",
        Output::RollBackFirmware => "RollBackFirmware",
        Output::Restart => "Restart",
        Output::Indicate(_) => "Indicate",
        Output::ReportError(_) => "ReportError",
    }
}

/// Every kind of output there is.
pub(crate) const OUTPUT_NAMES: [&str; 20] = [
    "StateChanged",
    "OpenHotspot",
    "CloseHotspot",
    "Join",
    "Leave",
    "ConnectCloud",
    "DisconnectCloud",
    "LoadHome",
    "SaveCandidate",
    "DropCandidate",
    "WipeHome",
    "SendReceipt",
    "AnnounceOta",
    "StartOta",
    "AbortOta",
    "ConfirmFirmware",
    "RollBackFirmware",
    "Restart",
    "Indicate",
    "ReportError",
];
