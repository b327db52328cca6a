//! What is known, as of when: the content of `cudalint data`; and the checks that every set of tables must pass.

use std::collections::HashSet;

use serde::Serialize;

use super::load::{Provenance, Row};
use super::{DataError, Tables};
use crate::compat::version::{CudaVersion, DriverVersion};
use crate::date::PartialDate;
use crate::span::{LineIndex, Span};

/// One table in a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    /// Name of the table, as in `[[toolkit]]`.
    pub table: &'static str,
    /// Number of rows.
    pub rows: usize,
    /// Oldest date at which a row's sources were read.
    pub oldest: Option<PartialDate>,
    /// Newest such date.
    pub newest: Option<PartialDate>,
}

/// What the tables hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Every table with rows.
    pub tables: Vec<TableSummary>,
    /// Newest date at which any source was read.
    pub as_of: Option<PartialDate>,
    /// The newest toolkit known.
    pub newest_toolkit: Option<CudaVersion>,
    /// The newest driver release known.
    pub newest_driver: Option<DriverVersion>,
    /// The newest version of nvidia/cuda known.
    pub newest_cuda_image: Option<CudaVersion>,
    /// The forward compatibility edition that decides.
    pub forward_edition: Option<String>,
    /// Documents that extended the built-in tables.
    pub extended_by: Vec<String>,
}

/// The rows of one table: their keys and provenance.
type KeyedRows<'t> = Vec<(String, &'t Provenance)>;

impl Tables {
    /// What the tables hold, for people who ask how old they are.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut tables = Vec::new();
        self.visit(&mut |table, rows| {
            let dates = || rows.iter().filter_map(|(_, provenance)| provenance.as_of);
            tables.push(TableSummary {
                table,
                rows: rows.len(),
                oldest: dates().min(),
                newest: dates().max(),
            });
        });
        Summary {
            as_of: self.as_of,
            tables,
            newest_toolkit: self.toolkits.newest().map(|row| row.version),
            newest_driver: self
                .drivers
                .branches
                .iter()
                .flat_map(|row| &row.releases)
                .map(|r| r.version.clone())
                .max(),
            newest_cuda_image: self.images.newest_cuda_image().map(|row| row.version),
            forward_edition: self.forward.newest_edition().map(|edition| edition.id.clone()),
            extended_by: self.extended_by.clone(),
        }
    }

    /// Newest date at which any source was read; `data_as_of` of the JSON output.
    #[must_use]
    pub fn as_of(&self) -> Option<PartialDate> {
        self.as_of
    }

    /// The date that [`Self::as_of`] gives, from all rows.
    pub(super) fn newest_date(&self) -> Option<PartialDate> {
        let mut newest = None;
        self.visit(&mut |_, rows| {
            newest = newest.max(rows.iter().filter_map(|(_, provenance)| provenance.as_of).max());
        });
        newest
    }

    /// Calls `see` with every table's name and its rows' keys and provenance.
    fn visit(&self, see: &mut dyn FnMut(&'static str, KeyedRows<'_>)) {
        fn rows<T: Row>(rows: &[T]) -> (&'static str, KeyedRows<'_>) {
            (T::TABLE, rows.iter().map(|row| (row.key(), row.provenance())).collect())
        }
        let all = [
            rows(&self.toolkits.toolkits),
            rows(&self.toolkits.families),
            rows(&self.drivers.branches),
            rows(&self.forward.editions),
            rows(&self.forward.ngc_bases),
            rows(&self.forward.notes),
            rows(&self.forward.packages),
            rows(&self.forward.errors),
            rows(&self.forward.rules),
            rows(&self.gpus.sms),
            rows(&self.gpus.others),
            rows(&self.gpus.families),
            rows(&self.gpus.models),
            rows(&self.gpus.l4t),
            rows(&self.images.repos),
            rows(&self.images.cuda_images),
            rows(&self.images.require),
            rows(&self.images.require_seen),
            rows(&self.images.months),
            rows(&self.images.removed),
            rows(&self.images.systems),
            rows(&self.wheels.torch),
            rows(&self.wheels.torch_arch),
            rows(&self.wheels.pinned),
            rows(&self.wheels.families),
            rows(&self.wheels.floors),
            rows(&self.require.modes),
        ];
        for (table, rows) in all {
            see(table, rows);
        }
    }

    /// Checks what holds between rows; each breach is an error at the row's place in `text`, as far as it is found there.
    pub(super) fn check(&self, name: &str, text: &str) -> Vec<DataError> {
        let mut found: Vec<(String, String)> = Vec::new();
        let keys: HashSet<&str> = self.sources.sources.iter().map(|source| source.key.as_str()).collect();
        self.visit(&mut |table, rows| {
            for (key, provenance) in rows {
                if provenance.source.is_empty() {
                    found.push((key.clone(), format!("[{table}] `{key}` names no source")));
                }
                for source in provenance.source.iter().filter(|source| !keys.contains(source.as_str())) {
                    found.push((
                        source.clone(),
                        format!("[{table}] `{key}` names the unknown source `{source}`"),
                    ));
                }
                if provenance.as_of.is_none() {
                    found.push((key.clone(), format!("[{table}] `{key}` has no as_of date")));
                }
            }
        });
        self.check_drivers(&mut found);
        self.check_gpus(&mut found);
        for edition in &self.forward.editions {
            for row in edition.rows.iter().filter(|row| row.cells.len() != edition.branches.len()) {
                let message = format!(
                    "[edition] `{}`: {} cells for {} branches",
                    edition.id,
                    row.cells.len(),
                    edition.branches.len()
                );
                found.push((edition.id.clone(), message));
            }
        }
        for toolkit in &self.toolkits.toolkits {
            let extremes = (toolkit.sm.iter().min(), toolkit.sm.iter().max());
            if extremes != (Some(&toolkit.sm_min), Some(&toolkit.sm_max)) {
                let key = toolkit.version.to_string();
                found.push((
                    key.clone(),
                    format!("[toolkit] `{key}`: sm_min and sm_max are not the ends of sm"),
                ));
            }
        }
        let lines = LineIndex::new(text.as_bytes());
        let locate = |(key, message): (String, String)| {
            let quoted = format!("\"{key}\"");
            let start = text.find(&quoted).map(|at| at + 1).or_else(|| text.find(&key)).unwrap_or(0);
            let span = Span::new(start, start.saturating_add(key.len()).min(text.len()));
            let at = lines.line_column(text.as_bytes(), start);
            DataError { document: name.to_owned(), message, span, at, nearest: None }
        };
        found.into_iter().map(locate).collect()
    }

    fn check_drivers(&self, found: &mut Vec<(String, String)>) {
        let mut last: Option<(CudaVersion, u16)> = None;
        for branch in &self.drivers.branches {
            let key = branch.branch.to_string();
            for release in &branch.releases {
                if release.version.branch() != branch.branch {
                    let text = release.version.to_string();
                    found.push((
                        text.clone(),
                        format!("[branch] `{key}` lists {text}, which is of another branch"),
                    ));
                }
            }
            if branch
                .releases
                .windows(2)
                .any(|pair| pair.first().map(|r| &r.version) > pair.last().map(|r| &r.version))
            {
                found.push((key.clone(), format!("[branch] `{key}`: releases are not in ascending order")));
            }
            if branch.sm_min > branch.sm_max {
                found.push((key.clone(), format!("[branch] `{key}`: sm_min is above sm_max")));
            }
            if let Some(cuda) = branch.cuda_max {
                if let Some((before, at)) = last.filter(|(before, _)| *before > cuda) {
                    found.push((
                        key.clone(),
                        format!("[branch] `{key}` reports CUDA {cuda}, the older {at} CUDA {before}"),
                    ));
                }
                last = Some((cuda, branch.branch.0));
            }
        }
    }

    fn check_gpus(&self, found: &mut Vec<(String, String)>) {
        let mut names: HashSet<String> = HashSet::new();
        for model in &self.gpus.models {
            if self.gpus.sm(model.cc).is_none() {
                let message = format!(
                    "[gpu] `{}` has the compute capability {}, which has no [[sm]] row",
                    model.name, model.cc
                );
                found.push((model.name.clone(), message));
            }
            for alias in &model.aliases {
                if !names.insert(alias.clone()) {
                    found.push((alias.clone(), format!("[gpu] the alias `{alias}` is there twice")));
                }
            }
        }
    }
}
