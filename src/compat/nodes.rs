//! Pools of Kubernetes nodes: `kubectl get nodes -o json` with the labels of GPU feature discovery.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gpu::{Gpu, find};
use super::tables::Tables;
use super::version::{ComputeCapability, DriverVersion};

/// Nodes with the same driver and GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// The driver; `None` when the labels do not tell.
    pub driver: Option<DriverVersion>,
    /// The GPU; `None` when it is not known and the labels give no compute capability either.
    pub gpu: Option<Gpu>,
    /// The product as the label spells it.
    pub product: Option<String>,
    /// Whether its GPUs are split (MIG).
    pub mig: bool,
    /// Names of the nodes, sorted.
    pub nodes: Vec<String>,
}

/// What a list of nodes holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NodePools {
    /// Pools, by driver, then product.
    pub pools: Vec<Pool>,
    /// Nodes without any label of a GPU.
    pub without_gpu: usize,
    /// What is missing or contradictory, in words, with the node's name.
    pub problems: Vec<String>,
}

/// A text that is no list of nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {problem}")]
pub struct NodesError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
}

#[derive(Deserialize)]
struct Document {
    kind: Option<String>,
    items: Option<Vec<Node>>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Groups nodes by driver and GPU.
///
/// # Errors
///
/// A text that is no JSON, or neither a list of nodes nor a node.
pub fn parse_nodes(text: &str, tables: &Tables) -> Result<NodePools, NodesError> {
    let document: Document = serde_json::from_str(text).map_err(|error| NodesError {
        line: error.line(),
        column: error.column(),
        problem: format!("this is no output of `kubectl get nodes -o json`: {error}"),
    })?;
    let nodes: Vec<Node> = match (document.items, document.metadata) {
        (Some(items), _) => items,
        (None, Some(metadata)) if document.kind.as_deref() == Some("Node") => vec![Node { metadata }],
        _ => {
            let problem =
                "there is neither `items` nor a node; write the output of `kubectl get nodes -o json`"
                    .to_owned();
            return Err(NodesError { line: 1, column: 1, problem });
        }
    };
    let mut result = NodePools::default();
    /// Driver, product, compute capability, and whether the nodes slice their GPUs.
    type Kind = (Option<DriverVersion>, Option<String>, Option<ComputeCapability>, bool);
    let mut pools: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for Node { metadata } in nodes {
        let labels = Labels(&metadata.labels);
        if !labels.has_gpu() {
            result.without_gpu += 1;
            continue;
        }
        let name = &metadata.name;
        let driver = labels.driver();
        if driver.is_none() {
            result.problems.push(format!("{name}: no label tells the driver version"));
        }
        let product = labels.get("gpu.product").map(str::to_owned);
        let cc = labels.capability();
        if product.is_none() && cc.is_none() {
            result.problems.push(format!("{name}: no label tells the GPU"));
        }
        pools.entry((driver, product, cc, labels.is_mig())).or_default().push(metadata.name);
    }
    for ((driver, product, cc, mig), mut nodes) in pools {
        nodes.sort();
        let gpu = gpu_of(product.as_deref(), cc, tables);
        if gpu.is_none()
            && let (Some(product), Some(node)) = (&product, nodes.first())
        {
            result.problems.push(format!(
                "{node}: the GPU `{product}` is not known and no label tells its compute capability"
            ));
        }
        result.pools.push(Pool { driver, gpu, product, mig, nodes });
    }
    Ok(result)
}

/// A GPU by product label; the capability that the node itself reports goes before the table's.
fn gpu_of(product: Option<&str>, cc: Option<ComputeCapability>, tables: &Tables) -> Option<Gpu> {
    let model = product.and_then(|product| find(product, tables));
    match (model, cc) {
        (Some(model), cc) => {
            let mut gpu = Gpu::of_model(model);
            gpu.cc = cc.unwrap_or(gpu.cc);
            Some(gpu)
        }
        (None, Some(cc)) => {
            let mut gpu = Gpu::of_capability(cc, None);
            if let Some(product) = product {
                product.clone_into(&mut gpu.name);
            }
            Some(gpu)
        }
        (None, None) => None,
    }
}

struct Labels<'n>(&'n BTreeMap<String, String>);

impl Labels<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&format!("nvidia.com/{name}")).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn has_gpu(&self) -> bool {
        self.get("gpu.product").is_some()
            || self.get("gpu.compute.major").is_some()
            || self.get("gpu.count").is_some_and(|count| count != "0")
            || self.get("gpu.present") == Some("true")
    }

    /// The full version, else its three labels, else the three older ones.
    fn driver(&self) -> Option<DriverVersion> {
        if let Some(version) = self.get("cuda.driver-version.full").and_then(|full| full.parse().ok()) {
            return Some(version);
        }
        let joined = |names: [&str; 3]| {
            let parts: Vec<&str> = names.iter().map_while(|name| self.get(name)).collect();
            parts.join(".").parse().ok()
        };
        joined(["cuda.driver-version.major", "cuda.driver-version.minor", "cuda.driver-version.revision"])
            .or_else(|| joined(["cuda.driver.major", "cuda.driver.minor", "cuda.driver.rev"]))
    }

    fn capability(&self) -> Option<ComputeCapability> {
        let major = self.get("gpu.compute.major")?;
        let minor = self.get("gpu.compute.minor")?;
        format!("{major}.{minor}").parse().ok()
    }

    fn is_mig(&self) -> bool {
        let product_is_slice = self.get("gpu.product").is_some_and(|product| product.contains("-MIG-"));
        product_is_slice
            || self.0.iter().any(|(name, value)| {
                name.starts_with("nvidia.com/mig-") && name.ends_with(".count") && value != "0"
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, labels: &[(&str, &str)]) -> String {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("\"nvidia.com/{key}\": \"{value}\"")).collect();
        format!(
            "{{\"metadata\": {{\"name\": \"{name}\", \"labels\": {{{}}}}}, \"status\": {{}}}}",
            labels.join(",")
        )
    }

    fn list(nodes: &[String]) -> NodePools {
        let text = format!("{{\"kind\": \"NodeList\", \"items\": [{}]}}", nodes.join(","));
        parse_nodes(&text, Tables::builtin()).unwrap()
    }

    #[test]
    fn nodes_are_grouped_by_driver_and_gpu() {
        let full = [("cuda.driver-version.full", "535.104.05"), ("gpu.product", "NVIDIA-A100-SXM4-80GB")];
        let old = [
            ("cuda.driver.major", "535"),
            ("cuda.driver.minor", "104"),
            ("cuda.driver.rev", "05"),
            ("gpu.product", "NVIDIA-A100-SXM4-80GB"),
        ];
        let slice =
            [("cuda.driver-version.full", "535.104.05"), ("gpu.product", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb")];
        let pools = list(&[
            node("b", &full),
            node("a", &old),
            node("c", &slice),
            node("d", &[]),
            node(
                "e",
                &[
                    ("gpu.product", "Tesla-T4-SHARED"),
                    ("cuda.driver-version.major", "565"),
                    ("cuda.driver-version.minor", "77"),
                    ("cuda.driver-version.revision", ""),
                ],
            ),
        ]);
        let shown: Vec<String> = pools
            .pools
            .iter()
            .map(|pool| {
                format!(
                    "{} {} {} {}",
                    pool.driver.as_ref().map_or("-".to_owned(), ToString::to_string),
                    pool.gpu.as_ref().map_or("-", |gpu| &gpu.name),
                    pool.mig,
                    pool.nodes.join("+")
                )
            })
            .collect();
        assert_eq!(shown, ["535.104.05 A100 true c", "535.104.05 A100 false a+b", "565.77 Tesla T4 false e"]);
        assert_eq!(pools.without_gpu, 1);
        assert_eq!(pools.problems, Vec::<String>::new());
    }

    #[test]
    fn what_the_labels_do_not_tell_is_said() {
        let pools = list(&[
            node("x", &[("gpu.product", "NVIDIA-Q9000"), ("cuda.driver-version.full", "550.54.15")]),
            node(
                "y",
                &[("gpu.product", "NVIDIA-Q9000"), ("gpu.compute.major", "8"), ("gpu.compute.minor", "6")],
            ),
            node("z", &[("gpu.present", "true")]),
        ]);
        assert_eq!(pools.pools.len(), 3);
        assert!(
            pools
                .problems
                .iter()
                .any(|p| p
                    == "x: the GPU `NVIDIA-Q9000` is not known and no label tells its compute capability")
        );
        assert!(pools.problems.iter().any(|p| p == "y: no label tells the driver version"));
        assert!(pools.problems.iter().any(|p| p == "z: no label tells the GPU"));
        let known = pools.pools.iter().find(|pool| pool.nodes == ["y"]).unwrap().gpu.clone().unwrap();
        assert_eq!(
            (known.name.as_str(), known.cc, known.class),
            ("NVIDIA-Q9000", ComputeCapability::new(8, 6), None)
        );
    }

    #[test]
    fn other_documents_are_refused_with_a_place() {
        let error = |text: &str| parse_nodes(text, Tables::builtin()).unwrap_err().to_string();
        assert!(error("{\n  nope\n}").starts_with("2:3: this is no output of `kubectl get nodes -o json`"));
        assert!(error("{}").starts_with("1:1: there is neither `items` nor a node"));
        let deep = "[".repeat(100_000);
        assert!(error(&deep).contains("this is no output"));
        assert_eq!(
            parse_nodes("{\"kind\":\"Node\",\"metadata\":{\"name\":\"n\"}}", Tables::builtin())
                .unwrap()
                .without_gpu,
            1
        );
    }
}
