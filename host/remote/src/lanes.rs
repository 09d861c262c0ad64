//! The groups that a sender writes to.
//!
//! A group holds series that share times, and is written at its end with the least effort. A sender's job and instance is such a group
//! as long as its samples come in order. They do not always: a sender with several connections may be behind with one of them. So each
//! job and instance has lanes, each a group: a series whose sample is newer than its last one and older than the newest row of its lane
//! moves to a lane where it is not, and stays there. Where there are no more lanes it stays where it is, and its samples are late rows of
//! that group: they cost more memory until they are in a block, but none is refused for it.
//!
//! Series without an instance, such as recorded ones, come from everywhere: there a lane is taken by series that came with the same time.

use std::collections::{BTreeSet, HashMap};

use model::TimestampMs;
use model::seams::{Append, ColumnError, ColumnId, GroupAppend};

/// Most lanes of a job and instance, and where there is no instance: as many as a Prometheus that catches up after a break may have
/// connections, each at its own time. Nothing is lost with more.
const LANES_MAX: usize = 32;
const LANES_WITHOUT_INSTANCE_MAX: usize = 256;

/// A group that is open.
pub(crate) struct Lane {
    /// Away while rows of several lanes are written.
    pub(crate) writer: Option<Box<dyn GroupAppend>>,
    pub(crate) base: u32,
    /// Of the newest row, also of one from before a restart.
    pub(crate) newest: TimestampMs,
    /// When it was last written to, by the clock.
    pub(crate) used: TimestampMs,
    /// Its row that was filled last, good in this turn alone.
    pub(crate) row: u32,
    pub(crate) turn: u64,
    /// Its writer's place among those that write together.
    pub(crate) place: usize,
    /// Columns that it has for series that are not known any more, or have moved to another lane.
    pub(crate) forgotten: usize,
    /// Whether any series was given a column.
    pub(crate) has_columns: bool,
    /// Which entry was given a column last, by column.
    holders: Vec<u32>,
    /// Columns that more than one entry has: a series whose labels come in another order is another entry.
    shared: HashMap<ColumnId, BTreeSet<u32>>,
}

impl Lane {
    /// An entry was given a column; whoever was given it before, which may have it no more.
    pub(crate) fn hold(&mut self, column: ColumnId, entry: u32) -> Option<u32> {
        let place = column.0 as usize;
        if self.holders.len() <= place {
            self.holders.resize(place + 1, u32::MAX);
        }
        let before = std::mem::replace(&mut self.holders[place], entry);
        (before != u32::MAX && before != entry).then_some(before)
    }

    /// Both have it.
    pub(crate) fn share(&mut self, column: ColumnId, entries: [u32; 2]) {
        self.shared.entry(column).or_default().extend(entries);
    }

    #[inline]
    pub(crate) fn is_shared(&self, column: ColumnId) -> bool {
        !self.shared.is_empty() && self.shared.contains_key(&column)
    }

    /// The column is given up: all who may have had it, if there was more than one.
    pub(crate) fn give_up(&mut self, column: ColumnId) -> BTreeSet<u32> {
        if self.shared.is_empty() { BTreeSet::new() } else { self.shared.remove(&column).unwrap_or_default() }
    }
}

/// The lanes of a job and instance.
struct Base {
    key: Box<str>,
    has_instance: bool,
    lanes: Vec<Option<u32>>,
}

/// All groups of a sender.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: Vec<Option<Lane>>,
    bases: Vec<Base>,
    /// Numbers of lanes and bases that were given up.
    free_lanes: Vec<u32>,
    free_bases: Vec<u32>,
    by_key: HashMap<Box<str>, u32>,
}

impl Lanes {
    /// The number of a job and instance of this sender.
    pub(crate) fn base(&mut self, sender: &str, job: &str, instance: &str) -> u32 {
        let mut key = String::with_capacity(sender.len() + job.len() + instance.len() + 12);
        key.push_str("remote");
        for part in [sender, job, instance] {
            key.push('/');
            push_escaped(&mut key, part);
        }
        if let Some(base) = self.by_key.get(key.as_str()) {
            return *base;
        }
        let key = key.into_boxed_str();
        let base = Base { key: key.clone(), has_instance: !instance.is_empty(), lanes: Vec::new() };
        let number = match self.free_bases.pop() {
            Some(number) => {
                self.bases[number as usize] = base;
                number
            }
            None => {
                self.bases.push(base);
                (self.bases.len() - 1) as u32
            }
        };
        self.by_key.insert(key, number);
        number
    }

    #[inline]
    pub(crate) fn get(&mut self, lane: u32) -> Option<&mut Lane> {
        self.lanes.get_mut(lane as usize).and_then(Option::as_mut)
    }

    /// A lane that takes a row of this time at its end: one that has such a row already, in this turn or as its newest; else one where it
    /// is the newest; else another one. None if all that there may be have newer rows.
    pub(crate) fn choose(
        &mut self,
        base: u32,
        (time, turn): (TimestampMs, u64),
        time_of_row: impl Fn(u32) -> Option<TimestampMs>,
        append: &dyn Append,
    ) -> Result<Option<u32>, ColumnError> {
        let Base { has_instance, lanes, .. } = &self.bases[base as usize];
        let open = |place: &Option<u32>| place.and_then(|lane| Some((lane, self.lanes.get(lane as usize)?.as_ref()?)));
        let same = |lane: &Lane| lane.newest <= time && ((lane.turn == turn && time_of_row(lane.row) == Some(time)) || lane.newest == time);
        if let Some((lane, _)) = lanes.iter().filter_map(open).find(|(_, lane)| same(lane)) {
            return Ok(Some(lane));
        }
        let newer = lanes.iter().filter_map(open).find(|(_, lane)| lane.newest < time).map(|(lane, _)| lane);
        let max = if *has_instance { LANES_MAX } else { LANES_WITHOUT_INSTANCE_MAX };
        let mut place = if newer.is_none() || !*has_instance { 0 } else { max };
        while place < max {
            if self.bases[base as usize].lanes.get(place).is_none_or(|lane| lane.is_none_or(|lane| self.lanes[lane as usize].is_none())) {
                let lane = self.open_at(base, place, append)?;
                // What is opened may have newer rows too, from before a restart.
                if self.get(lane).is_some_and(|lane| lane.newest <= time) {
                    return Ok(Some(lane));
                }
            }
            place += 1;
        }
        Ok(newer)
    }

    /// Of the lanes of a base the one that is the least ahead.
    pub(crate) fn least_ahead(&self, base: u32) -> Option<u32> {
        let open = self.bases[base as usize].lanes.iter().copied().flatten();
        open.filter_map(|lane| Some((self.lanes.get(lane as usize)?.as_ref()?.newest, lane))).min().map(|(_, lane)| lane)
    }

    fn open_at(&mut self, base: u32, place: usize, append: &dyn Append) -> Result<u32, ColumnError> {
        let Base { key, lanes, .. } = &mut self.bases[base as usize];
        let key = if place == 0 { key.to_string() } else { format!("{key}#{}", place + 1) };
        let writer = append.open_group(&key).map_err(|error| ColumnError::Failed(error.to_string()))?;
        let newest = writer.newest();
        let lane = Lane {
            writer: Some(writer),
            base,
            newest,
            used: TimestampMs::MIN,
            row: u32::MAX,
            turn: 0,
            place: 0,
            forgotten: 0,
            has_columns: false,
            holders: Vec::new(),
            shared: HashMap::new(),
        };
        let at = match self.free_lanes.pop() {
            Some(at) => {
                self.lanes[at as usize] = Some(lane);
                at
            }
            None => {
                self.lanes.push(Some(lane));
                (self.lanes.len() - 1) as u32
            }
        };
        if lanes.len() <= place {
            lanes.resize(place + 1, None);
        }
        lanes[place] = Some(at);
        Ok(at)
    }

    /// The groups that are open, by number.
    pub(crate) fn open(&self) -> impl Iterator<Item = (u32, &Lane)> {
        self.lanes.iter().zip(0..).filter_map(|(lane, number)| Some((number, lane.as_ref()?)))
    }

    /// Closes a group for writing.
    pub(crate) fn close(&mut self, lane: u32) {
        let Some(closed) = self.lanes.get_mut(lane as usize).and_then(Option::take) else { return };
        let lanes = &mut self.bases[closed.base as usize].lanes;
        lanes.iter_mut().filter(|place| **place == Some(lane)).for_each(|place| *place = None);
        self.free_lanes.push(lane);
    }

    /// Forgets the jobs and instances without an open group, or instances that come and go would add up.
    pub(crate) fn forget_closed(&mut self) {
        let Self { bases, free_bases, by_key, .. } = self;
        by_key.retain(|_, number| {
            let base = &mut bases[*number as usize];
            let open = base.lanes.iter().any(Option::is_some);
            if !open {
                *base = Base { key: Box::default(), has_instance: false, lanes: Vec::new() };
                free_bases.push(*number);
            }
            open
        });
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let keys: usize = self.bases.iter().map(|base| base.key.len() * 2 + base.lanes.capacity() * 8).sum();
        let of_columns =
            |lane: &Lane| lane.holders.capacity() * 4 + lane.shared.values().map(|entries| 64 + entries.len() * 16).sum::<usize>();
        self.lanes.capacity() * size_of::<Option<Lane>>()
            + self.lanes.iter().flatten().map(of_columns).sum::<usize>()
            + self.bases.capacity() * size_of::<Base>()
            + self.by_key.capacity() * 24
            + keys
            + (self.free_lanes.capacity() + self.free_bases.capacity()) * 4
    }
}

/// So that the parts of a key can be told apart.
fn push_escaped(key: &mut String, part: &str) {
    for c in part.chars() {
        match c {
            '/' => key.push_str("%2F"),
            '#' => key.push_str("%23"),
            '%' => key.push_str("%25"),
            c => key.push(c),
        }
    }
}
