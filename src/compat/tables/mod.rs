//! The knowledge tables: typed rows of `rules/data/*.toml`, each with its source, and what `--data FILE` adds or replaces.

pub mod driver;
pub mod forward;
pub mod framework;
pub mod gpu;
pub mod image;
mod load;
pub mod require;
pub mod source;
mod summary;
pub mod toolkit;
pub mod wheel;

use std::sync::LazyLock;

pub use driver::{Branch, BranchType, DriverTable, Release, ReleaseKind};
pub use forward::{Cell, Confidence, Edition, ForwardTable, PackageVersion};
pub use framework::{FrameworkNeeds, FrameworkTable};
pub use gpu::{ForwardSupport, GpuClass, GpuModel, GpuTable};
pub use image::{Arch, BaseOs, CudaImage, ImageTable, Libc, NgcMonth, Repo};
pub use load::{DataError, DataErrors, Provenance};
pub use require::RequireTable;
pub use source::{Source, SourceTable};
pub use summary::{Summary, TableSummary};
pub use toolkit::{Family, Toolkit, ToolkitTable};
pub use wheel::{NamedCuda, Pinned, Torch, TorchArch, WheelTable};

use crate::date::PartialDate;
use load::{Document, Row};

/// All knowledge tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tables {
    toolkits: ToolkitTable,
    drivers: DriverTable,
    forward: ForwardTable,
    gpus: GpuTable,
    images: ImageTable,
    wheels: WheelTable,
    frameworks: FrameworkTable,
    require: RequireTable,
    sources: SourceTable,
    as_of: Option<PartialDate>,
    extended_by: Vec<String>,
    problems: DataErrors,
}

/// The built-in documents by name.
const BUILTIN: [(&str, &str); 9] = [
    ("sources.toml", include_str!("../../../rules/data/sources.toml")),
    ("toolkits.toml", include_str!("../../../rules/data/toolkits.toml")),
    ("drivers.toml", include_str!("../../../rules/data/drivers.toml")),
    ("forward_compat.toml", include_str!("../../../rules/data/forward_compat.toml")),
    ("gpus.toml", include_str!("../../../rules/data/gpus.toml")),
    ("images.toml", include_str!("../../../rules/data/images.toml")),
    ("wheels.toml", include_str!("../../../rules/data/wheels.toml")),
    ("frameworks.toml", include_str!("../../../rules/data/frameworks.toml")),
    ("require.toml", include_str!("../../../rules/data/require.toml")),
];

static BUILTIN_TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables::default();
    let mut problems = Vec::new();
    for (name, text) in BUILTIN {
        problems.extend(tables.merge(name, text, Trust::Builtin));
    }
    problems.extend(tables.check("built-in tables", ""));
    tables.problems = DataErrors(problems);
    tables
});

/// Whether a document may bring the tables that are not lists of rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Builtin,
    Extension,
}

impl Tables {
    /// The tables that come with the program, read once.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN_TABLES
    }

    /// What was wrong with the built-in documents: empty in every build that passed its tests.
    #[must_use]
    pub fn problems(&self) -> &DataErrors {
        &self.problems
    }

    /// These tables with the rows of a further document: a row of a known key replaces that row, others are added. The
    /// document may hold any of the row tables (`[[toolkit]]`, `[[branch]]`, `[[gpu]]`, ...) and a `[table]` header with
    /// `source` and `as_of` for its rows; `name` is used in messages.
    ///
    /// # Errors
    ///
    /// Everything wrong with the document, each with its place; nothing is taken over then.
    pub fn with_extension(&self, text: &str, name: &str) -> Result<Self, DataErrors> {
        let mut tables = self.clone();
        let mut errors = tables.merge(name, text, Trust::Extension);
        if errors.is_empty() {
            errors = tables.check(name, text);
        }
        if errors.is_empty() {
            tables.extended_by.push(name.to_owned());
            Ok(tables)
        } else {
            Err(DataErrors(errors))
        }
    }

    /// CUDA toolkits.
    #[must_use]
    pub fn toolkits(&self) -> &ToolkitTable {
        &self.toolkits
    }

    /// Driver branches.
    #[must_use]
    pub fn drivers(&self) -> &DriverTable {
        &self.drivers
    }

    /// Forward compatibility.
    #[must_use]
    pub fn forward(&self) -> &ForwardTable {
        &self.forward
    }

    /// GPUs.
    #[must_use]
    pub fn gpus(&self) -> &GpuTable {
        &self.gpus
    }

    /// Base images.
    #[must_use]
    pub fn images(&self) -> &ImageTable {
        &self.images
    }

    /// Python wheels.
    #[must_use]
    pub fn wheels(&self) -> &WheelTable {
        &self.wheels
    }

    /// Frameworks that use the system's CUDA libraries.
    #[must_use]
    pub fn frameworks(&self) -> &FrameworkTable {
        &self.frameworks
    }

    /// Words and limits of the container runtime.
    #[must_use]
    pub fn require(&self) -> &RequireTable {
        &self.require
    }

    /// Sources.
    #[must_use]
    pub fn sources(&self) -> &SourceTable {
        &self.sources
    }

    /// Names of the documents that extended the built-in tables.
    #[must_use]
    pub fn extended_by(&self) -> &[String] {
        &self.extended_by
    }

    fn merge(&mut self, name: &str, text: &str, trust: Trust) -> Vec<DataError> {
        let mut document = Document::parse(name, text);
        let own = self.sources.sources.len();
        take(&mut document, &mut self.sources.sources);
        take(&mut document, &mut self.toolkits.toolkits);
        self.toolkits.toolkits.sort_by_key(|row| row.version);
        take(&mut document, &mut self.toolkits.families);
        self.toolkits.families.sort_by_key(|row| row.major);
        take(&mut document, &mut self.drivers.branches);
        self.drivers.branches.sort_by_key(|row| row.branch);
        take(&mut document, &mut self.forward.editions);
        self.forward.editions.sort_by(|a, b| b.date.cmp(&a.date));
        take(&mut document, &mut self.forward.ngc_bases);
        take(&mut document, &mut self.forward.notes);
        take(&mut document, &mut self.forward.packages);
        take(&mut document, &mut self.forward.errors);
        take(&mut document, &mut self.forward.rules);
        take(&mut document, &mut self.gpus.sms);
        self.gpus.sms.sort_by_key(|row| row.cc);
        take(&mut document, &mut self.gpus.others);
        take(&mut document, &mut self.gpus.families);
        take(&mut document, &mut self.gpus.models);
        take(&mut document, &mut self.gpus.l4t);
        take(&mut document, &mut self.images.repos);
        take(&mut document, &mut self.images.cuda_images);
        self.images.cuda_images.sort_by_key(|row| row.version);
        take(&mut document, &mut self.images.require);
        take(&mut document, &mut self.images.require_seen);
        take(&mut document, &mut self.images.months);
        take(&mut document, &mut self.images.removed);
        take(&mut document, &mut self.images.systems);
        take(&mut document, &mut self.wheels.torch);
        take(&mut document, &mut self.wheels.torch_arch);
        take(&mut document, &mut self.wheels.pinned);
        take(&mut document, &mut self.wheels.families);
        take(&mut document, &mut self.wheels.floors);
        take(&mut document, &mut self.frameworks.rows);
        take(&mut document, &mut self.require.modes);
        self.as_of = self.newest_date();
        if trust == Trust::Builtin {
            self.merge_single(&mut document);
        } else if own != self.sources.sources.len() {
            self.sources.sources.sort_by(|a, b| a.key.cmp(&b.key));
        }
        document.finish()
    }

    fn merge_single(&mut self, document: &mut Document<'_>) {
        set(document, "layout", &mut self.forward.layout);
        set(document, "brands", &mut self.gpus.brands);
        set(document, "tag", &mut self.images.tag_words);
        set(document, "env", &mut self.images.env);
        set(document, "brandset", &mut self.images.brand_sets);
        set(document, "ngc_note", &mut self.images.month_note);
        set(document, "naming", &mut self.wheels.naming);
        set(document, "index", &mut self.wheels.index);
        set(document, "conda", &mut self.wheels.conda);
        set(document, "language", &mut self.require.language);
        set(document, "environment", &mut self.require.environment);
        set(document, "capabilities", &mut self.require.capabilities);
    }
}

/// Takes the rows of a document into a table: known keys are replaced, others added; a key twice in one document is wrong.
fn take<T: Row>(document: &mut Document<'_>, table: &mut Vec<T>) {
    let rows = document.rows::<T>();
    if rows.is_empty() {
        return;
    }
    let mut places: std::collections::HashMap<String, usize> =
        table.iter().enumerate().map(|(at, row)| (row.key(), at)).collect();
    let mut own = std::collections::HashSet::new();
    for (row, span) in rows {
        let key = row.key();
        if !own.insert(key.clone()) {
            document.error(format!("[{}] `{key}` is there twice", T::TABLE), span, None);
            continue;
        }
        match places.get(&key).and_then(|at| table.get_mut(*at)) {
            Some(known) => *known = row,
            None => {
                places.insert(key, table.len());
                table.push(row);
            }
        }
    }
}

fn set<T: serde::de::DeserializeOwned>(document: &mut Document<'_>, name: &'static str, place: &mut T) {
    if let Some(value) = document.single(name) {
        *place = value;
    }
}
