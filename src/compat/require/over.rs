//! Requirements over what is not fully known: candidate brands, any compute capability, a set of drivers.

use super::eval::{GpuFacts, HostFacts, Outcome, Verdict, evaluate_parsed};
use super::tree::{Expression, Property};
use crate::compat::drivers::{DriverPoint, DriverSet};
use crate::compat::gpu::Gpu;
use crate::compat::range::{RangeVerdict, Truth};
use crate::compat::tables::{GpuClass, Tables};
use crate::compat::version::CudaVersion;

/// The brand words that a GPU may report. NVIDIA does not publish which board reports which, so a product class gives
/// several; what is known of GeForce and TITAN boards gives one.
#[must_use]
pub fn brands_of(gpu: Option<&Gpu>, tables: &Tables) -> Vec<String> {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    match gpu.and_then(|gpu| gpu.class.map(|class| (gpu, class))) {
        Some((gpu, GpuClass::Consumer)) if gpu.name.starts_with("GeForce") => words(&["GeForce"]),
        Some((gpu, GpuClass::Consumer)) if gpu.name.starts_with("TITAN") => words(&["TITAN"]),
        Some((_, GpuClass::Consumer)) => words(&["GeForce", "TITAN"]),
        Some((_, GpuClass::Workstation)) => words(&["Quadro", "QuadroRTX", "NvidiaRTX", "Nvidia"]),
        Some((_, GpuClass::Datacenter)) => words(&["Tesla", "Nvidia"]),
        Some((_, GpuClass::Tegra)) | None => tables.gpus().brands().nvml.clone(),
    }
}

/// The CUDA versions that a driver may report: one where the table has it, the possible ones between its neighbours where
/// it has not, the newest known and anything above it beyond the tables.
#[must_use]
pub fn reported_cuda(driver: &DriverPoint, tables: &Tables) -> Vec<CudaVersion> {
    let drivers = tables.drivers();
    if let Some(cuda) = drivers.get(driver.branch).and_then(|row| row.cuda_max) {
        return vec![cuda];
    }
    let below =
        drivers.all().iter().filter(|row| row.branch < driver.branch).filter_map(|row| row.cuda_max).max();
    let above =
        drivers.all().iter().filter(|row| row.branch > driver.branch).filter_map(|row| row.cuda_max).min();
    let least = below.unwrap_or(CudaVersion::new(0, 0));
    let greatest = above.unwrap_or(CudaVersion::new(u16::MAX, 0));
    let mut candidates = vec![least, greatest];
    let known = tables.toolkits().all().iter().map(|row| row.version.minor_only());
    candidates.extend(known.filter(|version| least < *version && *version < greatest));
    candidates.sort();
    candidates.dedup();
    candidates
}

/// The outcome over everything that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// Whether the container starts: in every case, in none, or it depends on what is not known.
    pub truth: Truth,
    /// The outcome of one case: a failing one if there is any, else a satisfied one.
    pub example: Outcome,
    /// The host of that case.
    pub host: HostFacts,
}

/// Evaluates requirements for one driver and one GPU (`None`: of an unknown kind).
#[must_use]
pub fn evaluate_over<T: AsRef<str>>(
    expressions: &[T],
    driver: &DriverPoint,
    gpu: Option<&Gpu>,
    tables: &Tables,
) -> Over {
    let parsed: Vec<Expression> = expressions.iter().map(|text| Expression::parse(text.as_ref())).collect();
    over_parsed(&parsed, driver, gpu, tables)
}

fn over_parsed(parsed: &[Expression], driver: &DriverPoint, gpu: Option<&Gpu>, tables: &Tables) -> Over {
    let mentions = |property: Property| {
        let mut terms = parsed.iter().flat_map(|e| &e.alternatives).flat_map(|a| &a.terms);
        terms.any(|(_, term)| term.as_ref().is_ok_and(|term| term.property == property))
    };
    let brands: Vec<Option<String>> = if mentions(Property::Brand) {
        brands_of(gpu, tables).into_iter().map(Some).collect()
    } else {
        vec![None]
    };
    let archs: Vec<Option<String>> = match gpu {
        _ if !mentions(Property::Arch) => vec![None],
        Some(gpu) => vec![Some(gpu.cc.to_string())],
        None => tables.gpus().sms().iter().map(|row| Some(row.cc.to_string())).collect(),
    };
    let mut over: Option<Over> = None;
    for cuda in reported_cuda(driver, tables) {
        for brand in &brands {
            for arch in &archs {
                let host = HostFacts {
                    driver: Some(driver.version.to_string()),
                    cuda: Some(cuda.to_string()),
                    gpus: vec![GpuFacts { brand: brand.clone(), arch: arch.clone() }],
                };
                let outcome = evaluate_parsed(parsed, &host, tables);
                let truth = Truth::from(outcome.verdict == Verdict::Satisfied);
                match &mut over {
                    None => over = Some(Over { truth, example: outcome, host }),
                    Some(over) => {
                        if truth == Truth::No && over.example.verdict == Verdict::Satisfied {
                            over.example = outcome;
                            over.host = host;
                        }
                        over.truth = over.truth.agree(truth);
                    }
                }
            }
        }
    }
    over.unwrap_or_else(|| {
        let host = HostFacts { driver: Some(driver.version.to_string()), ..HostFacts::default() };
        Over { truth: Truth::Unknown, example: evaluate_parsed(parsed, &host, tables), host }
    })
}

/// Requirements over a set of drivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverDrivers {
    /// For which drivers the container starts.
    pub range: RangeVerdict,
    /// The least driver that is refused, with the refusal.
    pub refused: Option<(DriverPoint, Over)>,
}

/// Evaluates requirements over a set of drivers for one GPU (`None`: of an unknown kind).
#[must_use]
pub fn evaluate_drivers<T: AsRef<str>>(
    expressions: &[T],
    set: &DriverSet,
    gpu: Option<&Gpu>,
    tables: &Tables,
) -> OverDrivers {
    let parsed: Vec<Expression> = expressions.iter().map(|text| Expression::parse(text.as_ref())).collect();
    let mut refused = None;
    let range = RangeVerdict::over(set, |point| {
        let over = over_parsed(&parsed, point, gpu, tables);
        let truth = over.truth;
        if truth == Truth::No && refused.is_none() {
            refused = Some((point.clone(), over));
        }
        truth
    });
    OverDrivers { range, refused }
}
