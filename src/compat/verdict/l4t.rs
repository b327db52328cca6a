//! Jetson Linux: its driver is no desktop branch, its releases carry one CUDA version each.

use super::{Footing, Question, Reason, ReasonKind, Verdict};
use crate::compat::range::Truth;
use crate::compat::tables::gpu::L4tRelease;
use crate::compat::tables::{ForwardSupport, Tables};

/// The row of a release: the one that names it or its leading numbers (`36.4.3` is R36.4, `35.2` is R35).
pub(crate) fn row<'t>(release: &str, tables: &'t Tables) -> Option<&'t L4tRelease> {
    let named = |word: &str| {
        let word = word.trim().trim_start_matches('R');
        release == word || release.strip_prefix(word).is_some_and(|rest| rest.starts_with('.'))
    };
    tables.gpus().l4t_releases().iter().find(|row| row.l4t.split(',').any(named))
}

pub(super) fn footing(release: &str, question: &Question<'_>, tables: &Tables) -> Footing {
    let plain = |verdict, truth, reason| Footing { verdict, truth, reasons: vec![reason], ptx_limit: None };
    let Some(row) = row(release, tables) else {
        let text = format!("Jetson Linux {release} is not in the tables");
        let reason = Reason::new(ReasonKind::NotInTables, Truth::Unknown, text);
        return plain(Verdict::Unknown, Truth::Unknown, reason);
    };
    let key = format!("l4t {}", row.l4t);
    let source = &row.provenance.source;
    let ptx_limit = tables.toolkits().closest(row.cuda).map(|toolkit| toolkit.ptx_isa);
    if let Some(gpu) = question.gpu.filter(|gpu| !row.cc.contains(&gpu.cc)) {
        let text = format!("Jetson Linux {release} does not run on {gpu} ({})", gpu.cc);
        let reason = Reason::new(ReasonKind::Jetson, Truth::No, text).row(key, source);
        return plain(Verdict::Fails, Truth::No, reason);
    }
    let Some(cuda) = question.cuda else {
        let text = format!("no CUDA version was given; Jetson Linux {release} carries {}", row.cuda);
        let reason = Reason::new(ReasonKind::Jetson, Truth::Yes, text).row(key, source);
        return Footing { ptx_limit, ..plain(Verdict::Ok, Truth::Yes, reason) };
    };
    if cuda.minor_only() <= row.cuda {
        let text = format!(
            "Jetson Linux {release} carries CUDA {}, which runs {} and older",
            row.cuda,
            cuda.minor_only()
        );
        let reason = Reason::new(ReasonKind::Jetson, Truth::Yes, text).row(key, source);
        return Footing { ptx_limit, ..plain(Verdict::Ok, Truth::Yes, reason) };
    }
    let orin = question.gpu.is_none_or(|gpu| gpu.forward_compat == ForwardSupport::OwnPackage);
    if !orin {
        let text =
            format!("Jetson Linux {release} carries CUDA {} and compat packages are for Orin only", row.cuda);
        let reason = Reason::new(ReasonKind::Jetson, Truth::No, text).row(key, source).error(35);
        return Footing { ptx_limit, ..plain(Verdict::Fails, Truth::No, reason) };
    }
    let given = question.compat.is_some();
    let text = format!(
        "Jetson Linux {release} carries CUDA {}; CUDA {cuda} needs a cuda-compat-orin package, whose matrix is not published as data",
        row.cuda
    );
    let truth = if given { Truth::Unknown } else { Truth::No };
    let reason = Reason::new(ReasonKind::Jetson, truth, text).row(key, source).error(35);
    Footing { ptx_limit: None, ..plain(Verdict::NeedsForwardCompat, truth, reason) }
}
