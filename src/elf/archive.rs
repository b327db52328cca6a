//! `!<arch>` archives: where the members lie, and in which section of a member a byte is.

use super::keep::Keeper;
use super::parse::section_map;

/// First bytes of an archive.
pub(super) const MAGIC: &[u8] = b"!<arch>\n";
/// Bytes of a member header.
const HEADER: usize = 60;
/// Sections remembered over all members.
const MAX_SECTIONS: usize = 1 << 16;

/// Follows the members of an archive as its bytes pass.
#[derive(Debug)]
pub(super) struct Members {
    budget: u64,
    position: u64,
    header: Vec<u8>,
    /// The member being read: its keeper, where it began, and the bytes still to come.
    member: Option<(Keeper, u64, u64)>,
    /// Bytes to pass over before the next header.
    skip: u64,
    /// Start, end and name of the sections that can hold containers.
    pub sections: Vec<(u64, u64, String)>,
    /// Start and end of members whose sections could not be read.
    pub unknown: Vec<(u64, u64)>,
    /// Where the chain of members broke.
    pub broken: Option<u64>,
    /// Most bytes held at once.
    pub peak: u64,
}

impl Members {
    pub fn new(budget: u64) -> Self {
        Self {
            budget,
            position: 0,
            header: Vec::new(),
            member: None,
            skip: MAGIC.len() as u64,
            sections: Vec::new(),
            unknown: Vec::new(),
            broken: None,
            peak: 0,
        }
    }

    /// Takes the next bytes of the archive.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.broken.is_none() {
            let want = match (&self.member, self.skip) {
                (_, skip) if skip > 0 => skip,
                (Some((_, _, left)), _) => *left,
                (None, _) => HEADER.saturating_sub(self.header.len()) as u64,
            };
            let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(want).unwrap_or(usize::MAX)));
            bytes = later;
            let len = now.len() as u64;
            self.position = self.position.saturating_add(len);
            if self.skip > 0 {
                self.skip = self.skip.saturating_sub(len);
            } else if let Some((keeper, _, left)) = &mut self.member {
                keeper.feed(now);
                *left = left.saturating_sub(len);
                if *left == 0 {
                    self.end_member();
                }
            } else {
                self.header.extend_from_slice(now);
                if self.header.len() == HEADER {
                    self.begin_member();
                }
            }
        }
    }

    /// The archive has ended: closes the member that is open.
    pub fn finish(&mut self) {
        if self.member.is_some() || !self.header.is_empty() {
            self.end_member();
            self.broken.get_or_insert(self.position);
        }
    }

    fn begin_member(&mut self) {
        let header = std::mem::take(&mut self.header);
        let size = header
            .get(48..58)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.trim_end_matches(' ').parse::<u64>().ok())
            .filter(|_| header.get(58..) == Some(b"`\n"));
        let Some(size) = size else {
            self.broken = Some(self.position.saturating_sub(HEADER as u64));
            return;
        };
        self.member = Some((Keeper::new(self.budget), self.position, size));
        if size == 0 {
            self.end_member();
        }
    }

    fn end_member(&mut self) {
        let Some((keeper, start, _)) = self.member.take() else { return };
        // Members begin at even offsets.
        self.skip = self.position % 2;
        self.peak = self.peak.max(keeper.peak());
        if keeper.header().is_none() {
            return;
        }
        let wanted = |name: &str| name.contains("nv_fatbin") || name.contains("nv_relfatbin");
        match section_map(&keeper, wanted) {
            Some(map) if self.sections.len().saturating_add(map.len()) <= MAX_SECTIONS => {
                self.sections
                    .extend(map.into_iter().map(|(from, to, name)| {
                        (start.saturating_add(from), start.saturating_add(to), name)
                    }));
            }
            _ if self.unknown.len() < MAX_SECTIONS => self.unknown.push((start, self.position)),
            _ => {}
        }
    }
}
