//! References and transports: what is read, what is refused, and at which character.

use proptest::prelude::*;

use super::*;

fn full(text: &str) -> String {
    match Reference::parse(text) {
        Ok(reference) => reference.to_string(),
        Err(error) => format!("{:?} at {}", error.reason, error.offset),
    }
}

#[test]
fn dockers_defaults_are_filled_in() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (text, expected) in [
        ("ubuntu", "docker.io/library/ubuntu:latest"),
        ("ubuntu:24.04", "docker.io/library/ubuntu:24.04"),
        ("nvidia/cuda:12.4.1-base-ubuntu22.04", "docker.io/nvidia/cuda:12.4.1-base-ubuntu22.04"),
        ("docker.io/ubuntu", "docker.io/library/ubuntu:latest"),
        ("index.docker.io/a/b", "docker.io/a/b:latest"),
        ("nvcr.io/nvidia/pytorch:24.01-py3", "nvcr.io/nvidia/pytorch:24.01-py3"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x:y", "localhost:5000/x:y"),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("[2001:db8::1]/x", "[2001:db8::1]/x:latest"),
        ("Registry.Example/x", "registry.example/x:latest"),
        ("8G/8", "8G/8:latest"),
        ("a__b/c--d/e.f_g", "docker.io/a__b/c--d/e.f_g:latest"),
    ] {
        assert_eq!(full(text), expected, "{text}");
    }
    assert_eq!(full(&format!("a/b@{digest}")), format!("docker.io/a/b@{digest}"));
    assert_eq!(full(&format!("a/b:t@{digest}")), format!("docker.io/a/b:t@{digest}"));
}

#[test]
fn the_place_of_the_error_is_named() {
    for (text, expected) in [
        ("", "Empty at 0"),
        ("foo/Bar", "UpperCase at 4"),
        ("foo:", "Tag at 4"),
        ("foo:a:b", "Tag at 5"),
        ("foo:-x", "Tag at 4"),
        ("foo//bar", "Repository at 4"),
        ("foo/bar/", "Repository at 8"),
        ("/foo", "Repository at 0"),
        ("foo..bar", "Repository at 4"),
        ("foo bar", "Repository at 3"),
        ("host.example:99999/foo", "Host at 13"),
        ("-bad.example/foo", "Host at 0"),
        ("[::zz]:5000/foo", "Host at 1"),
        ("repo@sha256:1234", "Digest at 5"),
        ("repo@sha256:../../../etc/passwd", "Digest at 5"),
        ("base:${TAG}", "Variable at 5"),
        (&"a".repeat(64), "ImageId at 0"),
        (&"g".repeat(256), "TooLong at 0"),
    ] {
        assert_eq!(full(text), expected, "{text}");
    }
    let message = Reference::parse("foo/Bar:x").unwrap_err().to_string();
    assert_eq!(
        message,
        "`foo/Bar:x` is no image reference: repository names are lower case (at character 5)"
    );
}

#[test]
fn hosts_know_their_kind() {
    let host = |text: &str| Reference::parse(text).unwrap().registry;
    assert!(host("localhost:1/x").is_loopback());
    assert!(host("127.3.2.1/x").is_loopback());
    assert!(host("[::1]:5000/x").is_loopback());
    assert!(!host("localhost.example/x").is_loopback());
    assert_eq!(host("ubuntu").api_host(), "registry-1.docker.io");
    assert_eq!(host("[::1]:5000/x").host(), "::1");
}

#[test]
fn transports() {
    let shown = |text: &str| match ImageSource::parse(text) {
        Ok(source) => source.to_string(),
        Err(error) => format!("{:?} at {}", error.reason, error.offset),
    };
    for (text, expected) in [
        ("docker://alpine", "docker.io/library/alpine:latest"),
        ("alpine:3", "docker.io/library/alpine:3"),
        ("oci:./img", "oci:./img"),
        ("oci:/a/b:v1", "oci:/a/b:v1"),
        ("oci-archive:x.tar:registry.example/a:b", "oci-archive:x.tar:registry.example/a:b"),
        ("docker-archive:x.tar", "docker-archive:x.tar"),
        ("docker-archive:x.tar:a:b", "docker-archive:x.tar:a:b"),
        ("docker-daemon:alpine:3", "docker-daemon:docker.io/library/alpine:3"),
        ("dir:/rootfs", "dir:/rootfs"),
        ("oci:", "MissingValue at 4"),
        ("dir:", "MissingValue at 4"),
        ("docker://", "Empty at 9"),
        ("docker://Foo", "UpperCase at 9"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    let id = "c".repeat(64);
    assert_eq!(shown(&format!("docker-daemon:{id}")), format!("docker-daemon:sha256:{id}"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}|[a-zA-Z0-9:/@._\\[\\]-]{0,40}") {
        if let Err(error) = ImageSource::parse(&text) {
            prop_assert!(error.offset <= text.chars().count());
        }
    }

    #[test]
    fn a_full_reference_reads_back(text in "[a-zA-Z0-9.:/_-]{1,30}") {
        if let Ok(reference) = Reference::parse(&text) {
            prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap().to_string(), reference.to_string());
        }
    }
}
