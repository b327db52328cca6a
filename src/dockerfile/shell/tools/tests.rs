//! Tests of the argument readers.

use super::*;
use crate::dockerfile::shell::{Script, scan};
use crate::limits::Limits;

fn place(text: &str, span: crate::span::Span) -> &str {
    text.get(span.start..span.end).expect("a span inside the text")
}

fn script(text: &str) -> Script {
    scan(text, &Limits::default())
}

fn action(text: &str) -> Action {
    interpret(&script(text).commands[0])
}

fn packages_of(text: &str) -> PackageCommand {
    match action(text) {
        Action::Packages(command) => command,
        other => panic!("{text}: {other:?}"),
    }
}

fn python_of(text: &str) -> PythonInstall {
    match action(text) {
        Action::Python(install) => *install,
        other => panic!("{text}: {other:?}"),
    }
}

fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}

fn shown(command: &PackageCommand) -> Vec<String> {
    let part = |mark: &str, part: &Option<String>| {
        part.as_ref().map(|part| format!("{mark}{part}")).unwrap_or_default()
    };
    command
        .packages
        .iter()
        .map(|package| {
            format!(
                "{}{}{}{}",
                package.name,
                part("=", &package.version),
                part("/", &package.release),
                part(":", &package.arch)
            )
        })
        .collect()
}

#[test]
fn apt() {
    let text = "sudo DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install -yqq --no-install-recommends cuda-toolkit-12-4 libnccl2=2.21.5-1+cuda12.4 g++ foo:arm64 bar/jammy baz- 'libcudnn*' ./x_1.2-3_amd64.deb \"$PKG\"";
    let command = packages_of(text);
    assert_eq!((command.manager, command.action), (PackageManager::AptGet, PackageAction::Install));
    assert_eq!(
        shown(&command),
        [
            "cuda-toolkit-12-4",
            "libnccl2=2.21.5-1+cuda12.4",
            "g++",
            "foo:arm64",
            "bar/jammy",
            "baz",
            "libcudnn*",
            "x=1.2-3:amd64",
            "$PKG"
        ]
    );
    assert!(command.no_recommends() && command.assumes_yes() && !command.unauthenticated());
    let [.., baz, glob, file, unresolved] = command.packages.as_slice() else { panic!() };
    assert!(baz.inverted && glob.glob && file.file_or_url && unresolved.unresolved);
    let span = command.packages[0].span;
    assert_eq!(place(text, span), "cuda-toolkit-12-4");
    assert_eq!(place(text, command.subcommand_span), "install");
}

#[test]
fn actions_of_package_managers() {
    use PackageAction as Do;
    for (text, expected) in [
        ("apt-get update", Do::Update),
        ("apt-get -y dist-upgrade", Do::DistUpgrade),
        ("apt upgrade -y", Do::Upgrade),
        ("apt-get remove --purge -y x", Do::Purge),
        ("apt-get purge x", Do::Purge),
        ("apt-get autoremove", Do::Autoremove),
        ("apt-mark hold libnccl2", Do::Hold),
        ("apt-get install -d x", Do::Download),
        ("apt-get clean", Do::Other),
        ("dpkg -i x.deb", Do::Install),
        ("dpkg --purge x", Do::Purge),
        ("dpkg -l", Do::Other),
        ("dpkg --force-all -i x.deb", Do::Install),
        ("dnf -y install x", Do::Install),
        ("yum localinstall -y x.rpm", Do::Install),
        ("yum update -y", Do::Upgrade),
        ("dnf module install -y nvidia-driver:latest-dkms", Do::Install),
        ("dnf module reset nvidia-driver", Do::Other),
        ("dnf versionlock add x", Do::Hold),
        ("dnf makecache", Do::Update),
        ("zypper --non-interactive in cuda-12-4", Do::Install),
        ("zypper ref", Do::Update),
        ("zypper dup", Do::DistUpgrade),
        ("apk add --no-cache x", Do::Install),
        ("apk del x", Do::Remove),
        ("pacman -Syu --noconfirm cuda", Do::Install),
        ("pacman -Syu", Do::Upgrade),
        ("pacman -Rns x", Do::Remove),
        ("rpm -ivh --nodeps x.rpm", Do::Install),
        ("rpm -e x", Do::Remove),
        ("rpm -qi x", Do::Other),
        ("microdnf install x", Do::Install),
        ("tdnf install -y x", Do::Install),
    ] {
        assert_eq!(packages_of(text).action, expected, "{text}");
    }
}

#[test]
fn rpm_names() {
    let command = packages_of(
        "dnf install -y --setopt=install_weak_deps=False --nogpgcheck cuda-toolkit-12-4 libcudnn8-8.9.7.29-1.cuda12.2 libnccl-2.18.5-1+cuda12.2.x86_64 cuda-12-4-12.4.1-1 gcc-toolset-12 glibc.i686 python3.11 @dev https://x/a-1.2-3.noarch.rpm 'nvidia-driver:latest-dkms'",
    );
    assert_eq!(
        shown(&command),
        [
            "cuda-toolkit-12-4",
            "libcudnn8=8.9.7.29-1.cuda12.2",
            "libnccl=2.18.5-1+cuda12.2:x86_64",
            "cuda-12-4=12.4.1-1",
            "gcc-toolset-12",
            "glibc:i686",
            "python3.11",
            "dev",
            "a=1.2-3:noarch",
            "nvidia-driver:latest-dkms",
        ]
    );
    assert!(command.no_recommends() && command.unauthenticated());
    assert!(command.packages[7].group);
    assert_eq!(shown(&packages_of("apk add -t .deps 'x>=1.2' y=1 z@edge !q")), ["x=1.2", "y=1", "z", "q"]);
    assert_eq!(shown(&packages_of("zypper -n in cuda=12.4.1")), ["cuda=12.4.1"]);
}

#[test]
fn pip() {
    let text = "python3.11 -m pip install -U --pre --no-cache-dir -r requirements.txt -c c.txt --index-url https://download.pytorch.org/whl/cu121 --extra-index-url=https://pypi.nvidia.com torch==2.1.0+cu118 'Flash_Attn[x,Y]>=2,<3 ; python_version>\"3.8\"' \"jax[cuda12]\" git+https://github.com/NVIDIA/apex.git@abc#egg=apex https://x/torch-2.1.0%2Bcu118-cp311-cp311-linux_x86_64.whl . -e ./sub \"v==${V}\" name@https://x/y.zip";
    let install = python_of(text);
    assert_eq!((install.tool, install.action), (PythonTool::Pip, PythonAction::Install));
    let names: Vec<_> = install.requirements.iter().map(|r| r.name.as_deref().unwrap_or("-")).collect();
    assert_eq!(names, ["torch", "flash-attn", "jax", "apex", "torch", "-", "-", "v", "name"]);
    let [torch, flash, jax, apex, wheel, here, editable, unresolved, url] = install.requirements.as_slice()
    else {
        panic!()
    };
    assert_eq!(torch.exact.as_ref().map(ToString::to_string).as_deref(), Some("2.1.0+cu118"));
    assert_eq!(torch.local().as_deref(), Some("cu118"));
    assert_eq!(place(text, torch.span), "torch==2.1.0+cu118");
    assert_eq!(flash.extras, ["x", "y"]);
    assert_eq!(flash.marker.as_deref(), Some("python_version>\"3.8\""));
    assert!(
        flash.exact.is_none()
            && flash.specifiers.as_ref().is_some_and(|s| s.contains(&"2.5".parse().expect("version")))
    );
    assert_eq!(jax.extras, ["cuda12"]);
    assert!(jax.specifiers.is_none());
    assert!(matches!(&apex.source, RequirementSource::Vcs(url) if url.contains("NVIDIA/apex")));
    assert_eq!(wheel.local().as_deref(), Some("cu118"));
    assert!(wheel.is_wheel() && matches!(wheel.source, RequirementSource::Url(_)));
    assert_eq!(here.source, RequirementSource::Path(".".into()));
    assert!(editable.editable && !here.editable);
    assert!(unresolved.unresolved && unresolved.exact.is_none());
    assert!(matches!(url.source, RequirementSource::Url(_)));
    assert_eq!(texts(&install.requirement_files), ["requirements.txt"]);
    assert_eq!(texts(&install.constraint_files), ["c.txt"]);
    assert_eq!(
        install.index_url.as_ref().map(|w| w.text.as_str()),
        Some("https://download.pytorch.org/whl/cu121")
    );
    assert_eq!(texts(&install.extra_index_urls), ["https://pypi.nvidia.com"]);
    let index = install.extra_index_urls[0].span;
    assert_eq!(place(text, index), "https://pypi.nvidia.com");
    assert!(install.upgrade && install.pre && !install.no_deps);
}

#[test]
fn other_python_tools() {
    let uv = python_of("uv pip install --system --torch-backend=cu126 torch");
    assert_eq!((uv.tool, uv.torch_backend.map(|w| w.text)), (PythonTool::UvPip, Some("cu126".into())));
    let uv = python_of("uv add torch --index pytorch=https://download.pytorch.org/whl/cu128");
    assert_eq!(
        (uv.action, texts(&uv.extra_index_urls)),
        (PythonAction::Add, vec!["https://download.pytorch.org/whl/cu128"])
    );
    let uv = python_of("uv sync --frozen --extra gpu");
    assert_eq!((uv.action, texts(&uv.extras)), (PythonAction::Sync, vec!["gpu"]));
    let uv = python_of("uv pip sync requirements.txt");
    assert_eq!(texts(&uv.requirement_files), ["requirements.txt"]);
    let poetry = python_of("poetry add torch@^2.1 'jax==0.4.1'");
    assert_eq!(poetry.requirements[0].specifier, "^2.1");
    assert!(poetry.requirements[0].exact.is_none() && poetry.requirements[1].exact.is_some());
    assert_eq!(python_of("poetry install --no-root --with gpu").action, PythonAction::Sync);
    assert_eq!(python_of("pipenv install --deploy").action, PythonAction::Sync);
    assert_eq!(python_of("pipx install vllm==0.4.0").requirements[0].name.as_deref(), Some("vllm"));
    assert_eq!(python_of("pdm add torch").action, PythonAction::Add);
    assert_eq!(python_of("pip wheel --no-deps -w /wheels flash-attn").action, PythonAction::Wheel);
    assert_eq!(python_of("/opt/venv/bin/pip3.10 uninstall -y torch").action, PythonAction::Uninstall);
    assert_eq!(python_of("uv run pip install x").tool, PythonTool::Pip);
    assert!(matches!(action("pip config set global.extra-index-url https://x"), Action::PipConfig { .. }));
    assert!(matches!(action("pip --version"), Action::Program));
}

#[test]
fn python_code() {
    let text = "python3 -u -c \"import torch; torch.cuda.is_available()\"";
    let Action::PythonCode(code) = action(text) else { panic!() };
    assert_eq!(code.text.text, "import torch; torch.cuda.is_available()");
    let Action::PythonCode(code) = action("python3 - <<'E'\nimport torch\nE\n") else { panic!() };
    assert_eq!(code.text.text, "import torch\n");
    assert!(matches!(action("python3 -m venv /opt/venv"), Action::Program));
    assert!(matches!(action("python setup.py install"), Action::Build(build) if build.program == "setup.py"));
    assert!(matches!(action("python x/run.py a"), Action::RunScript { file, .. } if file.text == "x/run.py"));
}

#[test]
fn conda_tools() {
    let conda = |text: &str| match action(text) {
        Action::Conda(conda) => conda,
        other => panic!("{text}: {other:?}"),
    };
    let call = conda(
        "CONDA_OVERRIDE_CUDA=12.4 micromamba install -y -n base -c conda-forge -c nvidia/label/cuda-12.4.1 'pytorch=2.5.*=cuda12*' nvidia::cuda-toolkit==12.4.1 'cudnn>=9,<10' \"python 3.11.*\" \"x[version='>=2,<3', build=a*]\"",
    );
    assert_eq!((call.tool.as_str(), call.verb), ("micromamba", CondaVerb::Install));
    assert_eq!(texts(&call.channels), ["conda-forge", "nvidia/label/cuda-12.4.1"]);
    let specs: Vec<_> = call
        .specs
        .iter()
        .map(|s| (s.name.as_str(), s.version.as_deref(), s.build.as_deref(), s.channel.as_deref()))
        .collect();
    assert_eq!(
        specs,
        [
            ("pytorch", Some("2.5.*"), Some("cuda12*"), None),
            ("cuda-toolkit", Some("==12.4.1"), None, Some("nvidia")),
            ("cudnn", Some(">=9,<10"), None, None),
            ("python", Some("3.11.*"), None, None),
            ("x", Some(">=2,<3"), Some("a*"), None),
        ]
    );
    let call = conda("conda env create -f environment.yml -n x");
    assert_eq!((call.verb, texts(&call.files)), (CondaVerb::EnvCreate, vec!["environment.yml"]));
    assert_eq!(conda("mamba env update --file e.yml").verb, CondaVerb::EnvUpdate);
    assert_eq!(conda("conda create -n x python=3.10").verb, CondaVerb::Create);
    let call = conda("conda config --add channels conda-forge");
    assert_eq!((call.verb, texts(&call.channels)), (CondaVerb::Config, vec!["conda-forge"]));
    assert_eq!(conda("pixi global install cuda-toolkit").verb, CondaVerb::GlobalInstall);
    assert_eq!(conda("pixi add pytorch-gpu").verb, CondaVerb::Add);
}

#[test]
fn downloads() {
    let get = |text: &str| match action(text) {
        Action::Download(download) => download,
        other => panic!("{text}: {other:?}"),
    };
    let curl = get("curl -fsSLk --retry 3 -o /tmp/x.deb https://x/y.deb");
    assert_eq!((texts(&curl.urls), curl.insecure, curl.to_stdout), (vec!["https://x/y.deb"], true, false));
    assert_eq!(curl.output.map(|w| w.text), Some("/tmp/x.deb".into()));
    let curl = get("curl -fsSLO https://x/y.run");
    assert!(curl.remote_name && !curl.to_stdout);
    assert!(get("curl -L https://x | sh").to_stdout);
    assert!(get("wget -qO- https://x").to_stdout);
    let wget = get("wget --no-check-certificate -P /tmp https://x/y");
    assert!(wget.insecure && wget.remote_name && wget.directory.is_some());
    let Action::GitClone(clone) =
        action("git clone --recursive -b v1 --depth 1 https://github.com/NVIDIA/apex /src")
    else {
        panic!()
    };
    assert_eq!(
        (clone.url.text.as_str(), clone.branch.map(|w| w.text), clone.recursive),
        ("https://github.com/NVIDIA/apex", Some("v1".into()), true)
    );
    assert_eq!(clone.directory.map(|w| w.text), Some("/src".into()));
    let piped = script("curl https://x | sudo bash");
    assert_eq!(piped.pipe_target(0), Some(1));
}

#[test]
fn file_operations() {
    let files = |text: &str| match action(text) {
        Action::Files(operation) => operation,
        other => panic!("{text}: {other:?}"),
    };
    let link = files("ln -sf /usr/local/cuda/lib64/stubs/libcuda.so /usr/lib/libcuda.so.1");
    assert!(link.symbolic && link.verb == FileVerb::Link);
    assert_eq!(texts(&link.sources), ["/usr/local/cuda/lib64/stubs/libcuda.so"]);
    assert_eq!(link.destination.map(|w| w.text), Some("/usr/lib/libcuda.so.1".into()));
    let copy = files("cp -a -t /dst a b");
    assert_eq!(
        (texts(&copy.sources), copy.destination.map(|w| w.text)),
        (vec!["a", "b"], Some("/dst".into()))
    );
    assert_eq!(files("rm -rf /a /b").sources.len(), 2);
    assert_eq!(files("install -d /x").verb, FileVerb::MakeDirectory);
    assert_eq!(files("install -m 0644 a /b").destination.map(|w| w.text), Some("/b".into()));
    let Action::Ldconfig(ldconfig) = action("ldconfig -v /usr/local/cuda/lib64/stubs") else { panic!() };
    assert_eq!(texts(&ldconfig.directories), ["/usr/local/cuda/lib64/stubs"]);
    let Action::Archive(tar) = action("tar -xJf x.tar.xz -C /opt --strip-components=1") else { panic!() };
    assert_eq!((tar.archive.map(|w| w.text), tar.extract), (Some("x.tar.xz".into()), true));
    let Action::Archive(tar) = action("tar xzf x.tgz") else { panic!() };
    assert_eq!((tar.archive.map(|w| w.text), tar.extract), (Some("x.tgz".into()), true));
}

#[test]
fn text_written_to_files() {
    let writes = |text: &str| -> Vec<String> {
        files::writes(&script(text))
            .iter()
            .map(|write| {
                format!(
                    "{}{}{}",
                    texts(&write.text).join(" "),
                    if write.append { ">>" } else { ">" },
                    write.target.text
                )
            })
            .collect()
    };
    assert_eq!(
        writes("echo /opt/lib > /etc/ld.so.conf.d/x.conf && ldconfig"),
        ["/opt/lib>/etc/ld.so.conf.d/x.conf"]
    );
    assert_eq!(writes("echo a | sudo tee -a /f"), ["a>>/f"]);
    assert_eq!(writes("printf '%s\\n' a b >> /f"), ["a b>>/f"]);
    assert_eq!(writes("cat <<E > /f\nx\nE\n"), ["x\n>/f"]);
    assert_eq!(writes("tee /f <<E\nx\nE\n"), ["x\n>/f"]);
    assert_eq!(writes("cat <<E | tee /f\nx\nE\n"), ["x\n>/f"]);
    assert_eq!(writes("{ echo a; echo b; } > /f"), ["a>/f", "b>/f"]);
    assert_eq!(writes("bash -c 'echo a > /f'"), ["a>/f"]);
    assert_eq!(writes("echo a; cat b > c; curl x > y"), Vec::<String>::new());
    assert_eq!(writes("echo a >&2; echo b 2>/dev/null; echo c | bash"), Vec::<String>::new());
}

#[test]
fn repositories_and_keys() {
    let read = |text: &str| match action(text) {
        Action::Repository(command) => command,
        other => panic!("{text}: {other:?}"),
    };
    assert!(
        matches!(read("apt-key adv --fetch-keys https://x/7fa2af80.pub"), RepositoryCommand::FetchKeys { urls, .. } if urls.len() == 1)
    );
    assert!(
        matches!(read("apt-key adv --keyserver k --recv-keys A4B469963BF863CC"), RepositoryCommand::FetchKeys { keys, keyserver: Some(_), .. } if keys.len() == 1)
    );
    assert!(matches!(read("apt-key add -"), RepositoryCommand::AptKeyAdd { source: None }));
    assert!(
        matches!(read("apt-key del 7fa2af80"), RepositoryCommand::AptKeyDelete { keys } if keys.len() == 1)
    );
    assert!(matches!(
        read("gpg --dearmor -o /k.gpg"),
        RepositoryCommand::Dearmor { output: Some(_), input: None }
    ));
    assert!(matches!(
        read("add-apt-repository -y \"deb https://x /\""),
        RepositoryCommand::AddAptRepository { remove: false, .. }
    ));
    assert!(
        matches!(read("dnf config-manager --add-repo https://x/cuda.repo"), RepositoryCommand::AddRepository { source, .. } if source.text == "https://x/cuda.repo")
    );
    assert!(
        matches!(read("dnf config-manager addrepo --from-repofile=https://x/c.repo"), RepositoryCommand::AddRepository { source, .. } if source.text == "https://x/c.repo")
    );
    assert!(matches!(
        read("yum-config-manager --add-repo https://x/c.repo"),
        RepositoryCommand::AddRepository { .. }
    ));
    assert!(matches!(read("zypper addrepo https://x/c.repo"), RepositoryCommand::AddRepository { .. }));
    assert!(
        matches!(read("rpm --import https://x/k.pub"), RepositoryCommand::RpmImport { sources } if sources.len() == 1)
    );
}

#[test]
fn builds() {
    let build = |text: &str| match action(text) {
        Action::Build(build) => build,
        other => panic!("{text}: {other:?}"),
    };
    let text = "cmake -S . -B build -DCMAKE_CUDA_ARCHITECTURES=\"75;80\" -D GGML_NATIVE:BOOL=OFF -DX=$Y";
    let cmake = build(text);
    let definitions: Vec<_> =
        cmake.definitions.iter().map(|d| (d.name.as_str(), d.value.text.as_str())).collect();
    assert_eq!(definitions, [("CMAKE_CUDA_ARCHITECTURES", "75;80"), ("GGML_NATIVE", "OFF"), ("X", "$Y")]);
    let span = cmake.definitions[0].value.span;
    assert_eq!(place(text, span), "75;80");
    let nvcc = build(
        "nvcc -gencode arch=compute_80,code=sm_80 --generate-code=arch=compute_89,code=[sm_89,compute_89] -arch=sm_90 -arch native -o app app.cu",
    );
    let values: Vec<_> = nvcc.gencode.iter().map(|g| (g.flag.as_str(), g.value.text.as_str())).collect();
    assert_eq!(
        values,
        [
            ("-gencode", "arch=compute_80,code=sm_80"),
            ("--generate-code", "arch=compute_89,code=[sm_89,compute_89]"),
            ("-arch", "sm_90"),
            ("-arch", "native")
        ]
    );
    assert_eq!(build("make -j8 CUDA_ARCH=80 all").definitions[0].name, "CUDA_ARCH");
    assert_eq!(build("x86_64-linux-gnu-g++-12 a.cpp").program, "x86_64-linux-gnu-g++-12");
    assert!(matches!(action("./configure --enable-cuda"), Action::Build(_)));
}

#[test]
fn sessions_and_scripts() {
    let Action::Session(Session::Set(set)) = action("export A=1 B=\"x $Y\" C") else { panic!() };
    let variables: Vec<_> =
        set.variables.iter().map(|(name, value, _)| (name.as_str(), value.text.as_str())).collect();
    assert_eq!(
        (variables, texts(&set.names), set.exported),
        (vec![("A", "1"), ("B", "x $Y")], vec!["C"], true)
    );
    assert!(matches!(action("declare -x A=1"), Action::Session(Session::Set(set)) if set.exported));
    assert!(matches!(action("A=1"), Action::Assign));
    assert!(matches!(action("cd /x"), Action::Session(Session::ChangeDirectory(Some(_)))));
    assert!(matches!(action(". /opt/venv/bin/activate"), Action::Session(Session::Source { .. })));
    assert!(matches!(action("unset A B"), Action::Session(Session::Unset(names)) if names.len() == 2));
    for text in [
        "sh cuda_12.4.1_550.54.15_linux.run --silent",
        "./cuda_${V}_linux.run --silent",
        "bash -x /tmp/x.run --silent",
    ] {
        assert!(
            matches!(action(text), Action::Runfile { args, .. } if texts(&args) == ["--silent"]),
            "{text}"
        );
    }
    let Action::RunScript { interpreter, file, args } = action("bash -e scripts/x.sh a b") else { panic!() };
    assert_eq!((interpreter.as_str(), file.text.as_str(), args.len()), ("bash", "scripts/x.sh", 2));
    assert!(matches!(action("bash -c 'x y'"), Action::Program));
    assert!(matches!(action("./scripts/x.sh"), Action::Program));
    assert!(matches!(action("$X install y"), Action::Nothing));
    assert!(matches!(action("echo pip install x"), Action::Text));
}
