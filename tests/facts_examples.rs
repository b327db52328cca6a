//! Key facts of the example Dockerfiles in `fixtures/dockerfiles`.

use cudalint::compat::Tables;
use cudalint::dockerfile::BuildOptions;
use cudalint::facts::from_dockerfile::{DockerfileInput, Extracted, NoContext, from_dockerfile};
use cudalint::facts::{BaseKind, CommandRole, Facts, Flavour, LoaderVia, RepositoryUseKind};
use cudalint::limits::Limits;

fn read(name: &str) -> Facts {
    let path = format!("{}/fixtures/dockerfiles/{name}.Dockerfile", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let input = DockerfileInput {
        name,
        source: &source,
        options: BuildOptions::default(),
        context: &NoContext,
        base_config: &|_, _| None,
    };
    let Extracted { facts, problems, has_target, .. } =
        from_dockerfile(input, Tables::builtin(), &Limits::default());
    assert!(problems.is_empty(), "{name}: {problems:?}");
    assert!(has_target, "{name}");
    facts
}

fn line(facts: &Facts, origin: &cudalint::facts::Origin) -> usize {
    let (file, span) = origin.as_file().expect("a place in the file");
    let source = &facts.sources[file.0];
    source.lines.line_column(&source.bytes, span.start).line
}

#[test]
fn ex01_versions_flow_from_the_argument_into_both_stages() {
    let facts = read("ex01-clean-two-stage-hashing");
    let flavours: Vec<_> = facts.stages.iter().map(|stage| stage.root.flavour).collect();
    assert_eq!(flavours, [Some(Flavour::Devel), Some(Flavour::Base)]);
    assert!(
        facts.stages.iter().all(|stage| stage.root.cuda.map(|v| v.to_string()).as_deref() == Some("12.2.2"))
    );
    assert!(facts.is_shipped(facts.stages[0].id));
    assert!(facts.compiles.iter().any(|signal| signal.what == "make" && line(&facts, &signal.origin) == 7));
    let require = facts.final_env().unwrap().value("NVIDIA_REQUIRE_CUDA").unwrap();
    assert!(require.starts_with("cuda>=12.2 brand="), "{require}");
}

#[test]
fn ex02_the_package_word_has_its_own_line() {
    let facts = read("ex02-nvml-library-in-debian-image");
    let package = facts.packages.iter().find(|package| package.name == "libnvidia-ml1").unwrap();
    assert_eq!((line(&facts, &package.origin), package.removed), (5, false));
    assert_eq!(facts.final_base().unwrap().os.as_ref().unwrap().id, "debian12");
    assert!(facts.final_env().unwrap().is_unset("NVIDIA_DRIVER_CAPABILITIES"));
}

#[test]
fn ex03_the_author_sets_capabilities_again() {
    let facts = read("ex03-stream-recorder-no-video");
    let set = facts.env_sets.iter().find(|set| set.name == "NVIDIA_DRIVER_CAPABILITIES").unwrap();
    assert_eq!(set.value.as_deref(), Some("compute,utility"));
    assert_eq!(set.previous, Some(Some("compute,utility".to_owned())));
    assert!(set.effective && set.previous_from_base);
}

#[test]
fn ex04_the_loader_path_of_the_base_is_replaced() {
    let facts = read("ex04-loader-path-replaced");
    let set = &facts.env_sets[0];
    assert_eq!(set.previous, Some(Some("/usr/local/nvidia/lib:/usr/local/nvidia/lib64".to_owned())));
    assert!(!set.references_self);
    let (base, own): (Vec<_>, Vec<_>) = facts.loader.iter().partition(|entry| entry.from_base);
    assert!(base.len() == 2 && base.iter().all(|entry| !entry.survives));
    let own: Vec<_> = own.iter().map(|entry| (entry.directory.as_str(), entry.survives)).collect();
    assert_eq!(own, [("/opt/openvino/lib", true), ("/opt/app/lib", true)]);
}

#[test]
fn ex05_the_requirement_of_the_base_is_exact() {
    let facts = read("ex05-branch-545-between-two-stools");
    let require = facts.final_env().unwrap().value("NVIDIA_REQUIRE_CUDA").unwrap();
    assert!(require.contains("driver>=535,driver<536") && !require.contains("driver>=545"), "{require}");
}

#[test]
fn ex06_stubs_stay_in_the_conf_folder() {
    let facts = read("ex06-stubs-by-ld-so-conf");
    let entry = facts.loader.iter().find(|entry| entry.via == LoaderVia::ConfFile).unwrap();
    assert_eq!(entry.directory, "/usr/local/cuda/lib64/stubs");
    assert!(entry.survives && entry.cache_refreshed);
    assert_eq!(line(&facts, &entry.origin), 2);
}

#[test]
fn ex07_the_safe_form_appends() {
    let facts = read("ex07-clean-purge-compat-safe-append");
    let set = &facts.env_sets[0];
    assert!(set.references_self && set.references_self_conditionally);
    assert_eq!(set.value.as_deref(), Some("/opt/etl/lib:/usr/local/nvidia/lib:/usr/local/nvidia/lib64"));
    assert!(facts.loader.iter().all(|entry| entry.survives && !entry.directory.contains("compat")));
}

#[test]
fn ex08_nothing_is_compiled_on_devel() {
    let facts = read("ex08-fat-notebook");
    let base = facts.final_base().unwrap();
    assert_eq!((base.flavour, base.has_nvcc), (Some(Flavour::Devel), Some(true)));
    assert_eq!(base.cudnn.as_ref().map(|version| version.major()), Some(9));
    assert!(facts.compiles.is_empty());
    assert!(facts.python.iter().any(|requirement| requirement.name == "torch"));
}

#[test]
fn ex09_key_and_source_of_the_host_tools() {
    let facts = read("ex09-host-setup-inside-image");
    let uses: Vec<_> =
        facts.repositories.iter().map(|found| (found.kind, line(&facts, &found.origin))).collect();
    assert_eq!(uses, [(RepositoryUseKind::AptKey, 3), (RepositoryUseKind::Source, 4)]);
    assert!(facts.packages.iter().any(|package| package.name == "nvidia-container-toolkit"));
}

#[test]
fn ex10_a_plain_image_has_no_gpu_variables() {
    let facts = read("ex10-default-wheel-meets-r470");
    assert_eq!(facts.final_base().unwrap().kind, BaseKind::Plain);
    assert!(facts.final_env().unwrap().is_unset("NVIDIA_VISIBLE_DEVICES"));
    let torch = facts.python.iter().find(|requirement| requirement.name == "torch").unwrap();
    assert_eq!((torch.exact.as_deref(), line(&facts, &torch.origin)), (Some("2.5.1"), 3));
}

#[test]
fn ex11_the_base_brings_cudnn_8() {
    let facts = read("ex11-tf218-on-cudnn8");
    assert_eq!(facts.final_base().unwrap().cudnn.as_ref().map(|version| version.major()), Some(8));
    assert_eq!(facts.final_env().unwrap().value("NVIDIA_REQUIRE_CUDA"), Some("cuda>=9.0"));
    assert!(facts.packages.iter().any(|package| package.name == "cuda-nvcc-12-2"));
}

#[test]
fn ex12_the_start_command_is_read_through_its_shell() {
    let facts = read("ex12-clean-device-plugin-like");
    let smi = facts.commands.iter().find(|command| command.program.as_deref() == Some("nvidia-smi")).unwrap();
    assert_eq!((smi.role, smi.stage), (CommandRole::Cmd, facts.target));
    assert!(facts.compiles.iter().any(|signal| signal.what == "go" && !signal.cuda));
    assert_eq!(facts.final_env().unwrap().value("NVIDIA_DISABLE_REQUIRE"), Some("true"));
}
