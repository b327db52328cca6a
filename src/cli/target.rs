//! What the command line and the configuration say about drivers, GPUs and host, as the engine's target.

use std::path::{Path, PathBuf};

use super::args::{ConfigArgs, Host, TargetArgs};
use super::data::{read_text, text_of};
use super::host::host_driver;
use super::output::Stop;
use crate::compat::nodes::{NodePools, NodesError, parse_nodes};
use crate::compat::{DriverSet, DriverSpec, Gpu, GpuList, HostProfile, Pool, Tables, Target};
use crate::config::{self, ConfigFile, HostName};
use crate::limits::Limits;
use crate::nearest::nearest;
use crate::span::Spanned;

/// A target, and what is to be said about how it was found.
#[derive(Debug)]
pub(super) struct Aim {
    /// The target; without pools when none was given.
    pub(super) target: Target,
    /// Remarks: nodes whose labels tell too little.
    pub(super) notes: Vec<String>,
}

/// The configuration that the flags choose: a named file, the nearest one from the working folder up, or none.
///
/// # Errors
/// The file cannot be read or is no configuration.
pub(super) fn load_config(args: &ConfigArgs) -> Result<Option<ConfigFile>, Stop> {
    if args.isolated {
        return Ok(None);
    }
    let found = args
        .config
        .clone()
        .or_else(|| config::discover(&std::env::current_dir().ok()?).map(|path| shorter(&path)));
    let Some(path) = found else { return Ok(None) };
    Ok(Some(ConfigFile::load(&path, &Limits::default())?))
}

/// A path relative to the working folder, where it lies below it.
fn shorter(path: &Path) -> PathBuf {
    let current = std::env::current_dir().ok();
    let below = current.and_then(|current| path.strip_prefix(current).ok().map(Path::to_path_buf));
    below.unwrap_or_else(|| path.to_path_buf())
}

/// Puts the target together. The command line stands above the configuration: `--driver` and `--gpu` each above the key of
/// the same name, `--fleet` and `--nodes` above all of them.
///
/// # Errors
/// What is wrong with a driver, GPU, fleet, platform or node list, and where.
pub(super) fn aim(
    args: &TargetArgs,
    platform: Option<&str>,
    config: Option<&ConfigFile>,
    tables: &Tables,
) -> Result<Aim, Stop> {
    let mut notes = Vec::new();
    let pools = if let Some(path) = &args.nodes {
        pools_of_nodes(path, tables, &mut notes)?
    } else if let Some(name) = &args.fleet {
        let Some(config) = config else {
            let help = "fleets are tables [fleet.NAME] of cudalint.toml, which is looked for in this folder and above";
            return Err(Stop::usage(
                format!("there is no fleet `{name}`: no configuration was found"),
                Some(help),
            ));
        };
        fleet(name, config, tables).map_err(|missing| Stop::usage(missing, None)).and_then(|pools| pools)?
    } else {
        plain_pools(args, config, tables)?
    };
    let configured = config.and_then(|config| config.config.target.host).map(profile_of_name);
    let given = args.host.map(profile).or(configured);
    let jetson = pools.iter().any(|pool| pool.l4t.is_some());
    let host = given.unwrap_or(if jetson { HostProfile::Jetson } else { HostProfile::Docker });
    let architecture = match (platform, config.and_then(|config| config.config.target.platform.as_ref())) {
        (Some(platform), _) => architecture(platform).map_err(|why| Stop::usage(why, None))?,
        (None, Some(platform)) => {
            let config = config.ok_or_else(|| Stop::usage("no configuration", None))?;
            architecture(&platform.value).map_err(|why| config.error_at(platform.span, why, None))?
        }
        (None, None) if host == HostProfile::Jetson => "arm64",
        (None, None) => "amd64",
    };
    let platform_given =
        platform.is_some() || config.is_some_and(|config| config.config.target.platform.is_some());
    Ok(Aim { target: Target::new(pools, host, architecture).with_platform_given(platform_given), notes })
}

/// The pool that `--driver` and `--gpu`, or the same keys of `[target]`, name; else the fleet that `[target]` names.
fn plain_pools(args: &TargetArgs, config: Option<&ConfigFile>, tables: &Tables) -> Result<Vec<Pool>, Stop> {
    let mut pool = Pool::default();
    let table = config.map(|config| (config, &config.config.target));
    // A driver or GPU on the command line replaces a configured fleet as a whole.
    if let Some((config, table)) = table
        && let Some(name) = &table.fleet
        && args.driver.is_none()
        && args.gpu.is_none()
    {
        if let Some(other) = table.driver.as_ref().or(table.gpu.as_ref()) {
            let message = "[target] names a fleet and a driver or GPU; which one is meant?";
            return Err(config.error_at(other.span, message, None).into());
        }
        let found = fleet(&name.value, config, tables);
        return found.map_err(|missing| config.error_at(name.span, missing, None)).map_err(Stop::from)?;
    }
    if let Some(text) = &args.driver {
        set_drivers(&mut pool, text, tables).map_err(|why| Stop::usage(why, None))?;
    } else if let Some((config, driver)) =
        table.and_then(|(config, table)| Some((config, table.driver.as_ref()?)))
    {
        set_drivers(&mut pool, &driver.value, tables)
            .map_err(|why| config.error_at(driver.span, why, None))?;
    }
    if let Some(text) = &args.gpu {
        pool.gpus = gpus(text, tables).map_err(|why| Stop::usage(why, None))?;
    } else if let Some((config, list)) = table.and_then(|(config, table)| Some((config, table.gpu.as_ref()?)))
    {
        pool.gpus = gpus(&list.value, tables).map_err(|why| config.error_at(list.span, why, None))?;
    }
    let given = pool.drivers.is_some() || pool.l4t.is_some() || !pool.gpus.is_empty();
    Ok(if given { vec![pool] } else { Vec::new() })
}

/// Reads `--driver` into a pool.
fn set_drivers(pool: &mut Pool, text: &str, tables: &Tables) -> Result<(), String> {
    match resolved(text, tables)? {
        Drivers::Set(set) => pool.drivers = Some(set),
        Drivers::L4t(release) => pool.l4t = Some(release),
    }
    Ok(())
}

/// What a driver specification names once `host` is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Drivers {
    /// Desktop and data-centre drivers.
    Set(DriverSet),
    /// A release of Jetson Linux.
    L4t(String),
}

/// Reads a driver specification; `host` is this machine's driver.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn resolved(text: &str, tables: &Tables) -> Result<Drivers, String> {
    let spec = DriverSpec::parse(text, tables).map_err(|error| error.to_string())?;
    match spec {
        DriverSpec::Drivers(set) => Ok(Drivers::Set(set)),
        DriverSpec::L4t(release) => Ok(Drivers::L4t(release)),
        DriverSpec::Host => {
            let found = host_driver().map_err(|error| error.to_string())?;
            match DriverSpec::parse(&found, tables).map_err(|error| error.to_string())? {
                DriverSpec::Drivers(set) => Ok(Drivers::Set(set)),
                DriverSpec::L4t(release) => Ok(Drivers::L4t(release)),
                DriverSpec::Host => Err("the driver of this machine names itself".to_owned()),
            }
        }
    }
}

fn gpus(text: &str, tables: &Tables) -> Result<Vec<Gpu>, String> {
    GpuList::parse(text, tables).map(|list| list.0).map_err(|error| error.to_string())
}

/// The pools of a fleet; the outer error is a fleet that is not there.
fn fleet(name: &str, config: &ConfigFile, tables: &Tables) -> Result<Result<Vec<Pool>, Stop>, String> {
    let fleets = &config.config.fleet;
    let Some(table) = fleets.get(name) else {
        let near = nearest(name, fleets.keys().map(String::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let known: Vec<&str> = fleets.keys().map(String::as_str).collect();
        let known = match known.as_slice() {
            [] => format!("; {} has no [fleet.NAME]", config.name),
            names if near.is_empty() => format!("; {} has {}", config.name, names.join(", ")),
            _ => String::new(),
        };
        return Err(format!("there is no fleet `{name}`{near}{known}"));
    };
    let pools = table.pool.iter().map(|row| {
        let mut pool = Pool { name: Some(row.name.value.clone()), ..Pool::default() };
        let wrong = |at: &Spanned<String>, why: String| Stop::from(config.error_at(at.span, why, None));
        set_drivers(&mut pool, &row.driver.value, tables).map_err(|why| wrong(&row.driver, why))?;
        for gpu in &row.gpus {
            let found = gpus(&gpu.value, tables).map_err(|why| wrong(gpu, why))?;
            pool.gpus.extend(found.into_iter().filter(|gpu| !pool.gpus.contains(gpu)).collect::<Vec<_>>());
        }
        Ok(pool)
    });
    Ok(pools.collect())
}

/// Nodes named in a pool's name; further ones are counted.
const NAMED_NODES: usize = 3;

fn pools_of_nodes(path: &Path, tables: &Tables, notes: &mut Vec<String>) -> Result<Vec<Pool>, Stop> {
    let limit = Limits::default().nodes_bytes;
    let name = path.display();
    let read = if path.as_os_str() == "-" {
        text_of(std::io::stdin().lock(), limit)
    } else {
        read_text(path, limit)
    };
    let text =
        read.map_err(|why| Stop::usage(format!("the node list {name} cannot be read: {why}"), None))?;
    let nodes = parse_nodes(&text, tables).map_err(|NodesError { line, column, problem }| {
        let help = "write one with `kubectl get nodes -o json`";
        Stop::usage(format!("{name}:{line}:{column}: {problem}"), Some(help))
    })?;
    notes.extend(nodes.problems.iter().cloned());
    if nodes.without_gpu > 0 {
        notes.push(match nodes.without_gpu {
            1 => "1 node has no GPU".to_owned(),
            number => format!("{number} nodes have no GPU"),
        });
    }
    let pools = named_pools(&nodes, tables);
    if pools.is_empty() {
        let help = "GPU feature discovery (or the GPU operator) labels nodes with nvidia.com/gpu.product and the driver";
        return Err(Stop::usage(format!("{name} has no node whose labels tell a driver or GPU"), Some(help)));
    }
    Ok(pools)
}

fn named_pools(nodes: &NodePools, tables: &Tables) -> Vec<Pool> {
    let told = nodes.pools.iter().filter(|pool| pool.driver.is_some() || pool.gpu.is_some());
    let named = told.map(|pool| {
        let mut names = pool.nodes.iter().take(NAMED_NODES).cloned().collect::<Vec<_>>().join(", ");
        if pool.nodes.len() > NAMED_NODES {
            names = format!("{names} and {} more", pool.nodes.len() - NAMED_NODES);
        }
        Pool {
            name: Some(names),
            drivers: pool.driver.clone().map(|version| DriverSet::single(version, tables.drivers())),
            l4t: None,
            gpus: pool.gpu.iter().cloned().collect(),
        }
    });
    named.collect()
}

/// Docker's word for the architecture of a platform.
fn architecture(platform: &str) -> Result<&'static str, String> {
    let mut parts = platform.split('/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let (system, machine) = second.map_or(("linux", first), |machine| (first, machine));
    let word = match machine.to_ascii_lowercase().as_str() {
        "amd64" | "x86_64" | "x86-64" => Some("amd64"),
        "arm64" | "aarch64" => Some("arm64"),
        "ppc64le" => Some("ppc64le"),
        _ => None,
    };
    match word {
        Some(word) if system.eq_ignore_ascii_case("linux") => Ok(word),
        _ => Err(format!(
            "`{platform}` is no platform with CUDA; there are linux/amd64, linux/arm64 and linux/ppc64le"
        )),
    }
}

/// The engine's word for a profile of the command line.
pub(super) fn profile(host: Host) -> HostProfile {
    match host {
        Host::Docker => HostProfile::Docker,
        Host::Cdi => HostProfile::Cdi,
        Host::Gke => HostProfile::Gke,
        Host::Jetson => HostProfile::Jetson,
    }
}

fn profile_of_name(host: HostName) -> HostProfile {
    match host {
        HostName::Docker => HostProfile::Docker,
        HostName::Cdi => HostProfile::Cdi,
        HostName::Gke => HostProfile::Gke,
        HostName::Jetson => HostProfile::Jetson,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
[target]
driver = "525"
gpu = "a100"
host = "gke"
[[fleet.prod.pool]]
name = "old"
driver = "470"
gpus = ["v100", "t4,v100"]
[[fleet.prod.pool]]
name = "new"
driver = "l4t:36.4"
"#;

    fn run(
        driver: Option<&str>,
        gpu: Option<&str>,
        fleet: Option<&str>,
        config: Option<&str>,
    ) -> Result<Aim, Stop> {
        let config = config.map(|text| ConfigFile::parse("cudalint.toml", text.as_bytes()).unwrap());
        let args = TargetArgs {
            driver: driver.map(str::to_owned),
            gpu: gpu.map(str::to_owned),
            fleet: fleet.map(str::to_owned),
            ..TargetArgs::default()
        };
        aim(&args, None, config.as_ref(), Tables::builtin())
    }

    fn shown(aim: &Aim) -> Vec<String> {
        aim.target
            .pools()
            .iter()
            .map(|pool| match &pool.name {
                Some(name) => format!("{name}: {pool}"),
                None => pool.to_string(),
            })
            .collect()
    }

    #[test]
    fn the_command_line_stands_above_the_configuration_key_by_key() {
        let none = run(None, None, None, None).unwrap();
        assert_eq!(
            (shown(&none), none.target.host(), none.target.architecture()),
            (vec![], HostProfile::Docker, "amd64")
        );
        let configured = run(None, None, None, Some(CONFIG)).unwrap();
        assert_eq!(shown(&configured), ["driver 525, A100"]);
        assert_eq!(configured.target.host(), HostProfile::Gke);
        assert_eq!(shown(&run(Some("470"), None, None, Some(CONFIG)).unwrap()), ["driver 470, A100"]);
        assert_eq!(
            shown(&run(Some("470"), Some("l4,t4"), None, Some(CONFIG)).unwrap()),
            ["driver 470, L4, Tesla T4"]
        );
        let jetson = run(Some("l4t:36.4"), None, None, None).unwrap();
        assert_eq!(shown(&jetson), ["L4T 36.4"]);
        assert_eq!((jetson.target.host(), jetson.target.architecture()), (HostProfile::Jetson, "arm64"));
    }

    #[test]
    fn fleets_by_flag_and_by_configuration() {
        let fleet = ["old: driver 470, Tesla V100, Tesla T4", "new: L4T 36.4"];
        assert_eq!(shown(&run(None, None, Some("prod"), Some(CONFIG)).unwrap()), fleet);
        let named = CONFIG.replace("driver = \"525\"\ngpu = \"a100\"", "fleet = \"prod\"");
        assert_eq!(shown(&run(None, None, None, Some(&named)).unwrap()), fleet);
        assert_eq!(shown(&run(Some("550"), None, None, Some(&named)).unwrap()), ["driver 550"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let text = |result: Result<Aim, Stop>| result.unwrap_err().text();
        assert_eq!(
            text(run(None, None, Some("prud"), Some(CONFIG))),
            "there is no fleet `prud`; did you mean `prod`?"
        );
        assert_eq!(
            text(run(None, None, Some("x"), Some(CONFIG))),
            "there is no fleet `x`; cudalint.toml has prod"
        );
        assert!(text(run(None, None, Some("x"), None)).contains("no configuration was found"));
        assert!(text(run(Some("52x"), None, None, None)).starts_with("driver specification `52x`"));
        assert!(text(run(None, Some("a10o"), None, None)).contains("did you mean"));
        let at = |config: &str| {
            let Err(Stop::Usage(troubles)) = run(None, None, None, Some(config)) else { panic!("no error") };
            let place = troubles[0].problem.location.as_ref().and_then(|location| location.place()).unwrap();
            (place.start.line, troubles[0].problem.message.clone())
        };
        assert_eq!(at("[target]\ndriver = \"52x\"\n").0, 2);
        assert_eq!(at("[target]\ngpu = \"zzz\"\n").0, 2);
        assert_eq!(at("[target]\nplatform = \"windows/amd64\"\n").0, 2);
        let (line, message) = at("[target]\nfleet = \"prod\"\n");
        assert_eq!(
            (line, message.as_str()),
            (2, "there is no fleet `prod`; cudalint.toml has no [fleet.NAME]")
        );
        assert!(
            at("[target]\nfleet = \"a\"\ngpu = \"l4\"\n[fleet.a]\npool = []\n")
                .1
                .contains("which one is meant")
        );
        let broken = CONFIG.replace("t4,v100", "nosuchgpu");
        let Err(Stop::Usage(troubles)) = run(None, None, Some("prod"), Some(&broken)) else {
            panic!("no error")
        };
        assert_eq!(troubles[0].problem.location.as_ref().unwrap().place().unwrap().start.line, 9);
    }

    #[test]
    fn nodes_become_named_pools() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes.json");
        let node = |name: &str, product: &str| {
            format!(
                "{{\"metadata\":{{\"name\":\"{name}\",\"labels\":{{\"nvidia.com/gpu.product\":\"{product}\",\"nvidia.com/cuda.driver-version.full\":\"535.104.05\"}}}}}}"
            )
        };
        let names = ["a", "b", "c", "d"].map(|name| node(name, "Tesla-T4"));
        let text = format!(
            "{{\"items\":[{},{},{{\"metadata\":{{\"name\":\"cpu\"}}}}]}}",
            names.join(","),
            node("x", "Q1")
        );
        std::fs::write(&path, text).unwrap();
        let args = TargetArgs { nodes: Some(path.clone()), ..TargetArgs::default() };
        let found = aim(&args, Some("linux/arm64/v8"), None, Tables::builtin()).unwrap();
        assert_eq!(
            shown(&found),
            ["x: driver 535.104.05", "a, b, c and 1 more: driver 535.104.05, Tesla T4"]
        );
        assert_eq!(found.notes.last().map(String::as_str), Some("1 node has no GPU"));
        assert_eq!(found.target.architecture(), "arm64");
        std::fs::write(&path, "{\"items\":[]}").unwrap();
        assert!(
            aim(&args, None, None, Tables::builtin()).unwrap_err().text().contains("no node whose labels")
        );
        std::fs::write(&path, "nope").unwrap();
        assert!(aim(&args, None, None, Tables::builtin()).unwrap_err().text().contains("nodes.json:1:2"));
    }

    #[test]
    fn platforms() {
        for (text, word) in [
            ("linux/amd64", "amd64"),
            ("arm64", "arm64"),
            ("linux/aarch64", "arm64"),
            ("Linux/x86_64", "amd64"),
        ] {
            assert_eq!(architecture(text), Ok(word));
        }
        for text in ["", "linux", "windows/amd64", "linux/386", "linux/"] {
            assert!(architecture(text).is_err(), "{text}");
        }
    }
}
