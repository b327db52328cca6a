//! Images from registries, honest, broken and hostile ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test may fail loudly"
)]

#[path = "support/oci.rs"]
mod oci;
#[path = "support/registry.rs"]
mod registry;
#[path = "support/scan.rs"]
mod scan;

use std::net::TcpListener;
use std::time::Duration;

use cudalint::image::{
    self, CredentialSource, ImageSource, LayerOutcome, Platform, RegistryOptions, Secret, Source,
    SourceOptions,
};
use oci::{BuiltImage, ImageBuilder, LayerBuilder, Packing};
use registry::{Answer, Request, Server};
use scan::scan;

const CANARY: &str = "canary-password-123";

fn sample() -> BuiltImage {
    let mut state = 1_u32;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    let noise: Vec<u8> = (0..60_000).map(|_| noise()).collect();
    ImageBuilder::new()
        .layer(LayerBuilder::new().file("a", b"first").file("b", &noise).build(), Packing::Gzip, "ADD a")
        .layer(LayerBuilder::new().file("c", b"third").build(), Packing::Zstd, "RUN c")
        .docker()
        .build()
}

const LISTING: &str = "0 file /a first\n0 file /b (60000 bytes)\n1 file /c third\n";

/// What an honest registry answers for `repo:v1`.
fn honest(image: &BuiltImage, request: &Request) -> Answer {
    if request.path.starts_with("/v2/team/quiet/manifests/") {
        return not_found("MANIFEST_UNKNOWN");
    }
    let Some(rest) = request.path.strip_prefix("/v2/team/repo/") else { return not_found("NAME_UNKNOWN") };
    let (kind, name) = rest.split_once('/').unwrap();
    match kind {
        "manifests" if name == "v1" || name == image.digest => Answer::ok(image.manifest.clone())
            .header("Content-Type", image.media_type.clone())
            .header("Docker-Content-Digest", image.digest.clone()),
        "manifests" => not_found("MANIFEST_UNKNOWN"),
        "tags" => Answer::ok(r#"{"name":"team/repo","tags":["v1","v1.1","latest","other"]}"#),
        _ => match (image.blobs.get(name), request.range_start()) {
            (Some(bytes), Some(from)) => Answer::new(206, &bytes[from..])
                .header("Content-Range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
            (Some(bytes), None) => Answer::ok(bytes.clone()),
            (None, _) => not_found("BLOB_UNKNOWN"),
        },
    }
}

fn not_found(code: &str) -> Answer {
    Answer::new(404, format!(r#"{{"errors":[{{"code":"{code}","message":"not known"}}]}}"#))
}

fn is_blob(request: &Request) -> bool {
    request.path.contains("/blobs/")
}

fn options(credentials: CredentialSource) -> SourceOptions {
    SourceOptions {
        registry: RegistryOptions {
            credentials,
            read_timeout: Some(Duration::from_millis(400)),
            retry_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(5),
            ..RegistryOptions::default()
        },
        ..SourceOptions::default()
    }
}

fn account(server: &Server) -> CredentialSource {
    CredentialSource::Account {
        host: server.host.clone(),
        user: "tester".to_owned(),
        password: Secret::new(CANARY.to_owned()),
    }
}

fn open(reference: &str, options: &SourceOptions) -> Box<dyn Source> {
    image::open(&ImageSource::parse(reference).unwrap(), options).unwrap()
}

fn source(server: &Server, credentials: CredentialSource) -> Box<dyn Source> {
    open(&format!("{}/team/repo:v1", server.host), &options(credentials))
}

fn error_of(server: &Server, credentials: CredentialSource, name: &str) -> String {
    let source = open(&format!("{}/{name}", server.host), &options(credentials));
    let text = source.resolve(&Platform::default()).unwrap_err().to_string();
    assert!(!text.contains(CANARY), "{text}");
    text.replace(&server.host, "HOST")
}

fn problems(outcomes: &[LayerOutcome]) -> String {
    let problems = outcomes.iter().flat_map(|outcome| &outcome.problems);
    problems.map(|problem| format!("{problem}\n")).collect()
}

fn expect_whole(source: &dyn Source) {
    let (_, outcomes, lines) = scan(source, 2);
    assert_eq!(problems(&outcomes), "");
    assert_eq!(lines, LISTING);
}

const BASIC: &str = "Basic dGVzdGVyOmNhbmFyeS1wYXNzd29yZC0xMjM=";

#[test]
fn an_open_registry_gives_the_image() {
    let image = sample();
    let server = Server::start({
        let image = image.clone();
        move |request, _| honest(&image, request)
    });
    expect_whole(&*source(&server, CredentialSource::Anonymous));
    let by_digest =
        open(&format!("{}/team/repo@{}", server.host, image.digest), &options(CredentialSource::Anonymous));
    let found = by_digest.resolve(&Platform::default()).unwrap();
    assert_eq!(found.digest.unwrap().to_string(), image.digest);
    assert_eq!(found.layers[1].created_by.as_deref(), Some("RUN c"));
    let asked = server.requests();
    assert!(asked[0].header("accept").unwrap().contains("application/vnd.oci.image.index.v1+json"));
    assert!(asked.iter().all(|request| request.header("authorization").is_none()));
    assert!(asked.iter().all(|request| request.header("accept-encoding") == Some("identity")));
}

#[test]
fn basic_login_and_its_failures() {
    let server = Server::start({
        let image = sample();
        move |request, _| match request.header("authorization") {
            Some(sent) if sent == BASIC => honest(&image, request),
            _ => Answer::ask("Basic realm=\"here\""),
        }
    });
    expect_whole(&*source(&server, account(&server)));
    let wrong = CredentialSource::Account {
        host: server.host.clone(),
        user: "tester".to_owned(),
        password: Secret::new("wrong".to_owned()),
    };
    assert_eq!(
        error_of(&server, wrong, "team/repo:v1"),
        "HOST refused the credentials for team/repo (status 401); log in again with `docker login HOST`"
    );
    let message = error_of(&server, CredentialSource::Anonymous, "team/repo:v1");
    assert!(
        message.starts_with("HOST does not give team/repo to everyone (status 401); log in with"),
        "{message}"
    );
    // An account for another host stays at home.
    let elsewhere = CredentialSource::Account {
        host: "registry.example".to_owned(),
        user: "tester".to_owned(),
        password: Secret::new(CANARY.to_owned()),
    };
    let before = server.requests().len();
    error_of(&server, elsewhere, "team/repo:v1");
    assert!(server.requests()[before..].iter().all(|request| request.header("authorization").is_none()));
}

/// A token server on another port; it wants the account unless the registry is open to all.
fn token_server(open: bool) -> Server {
    Server::start(move |request, _| {
        let refresh = request.method == "POST" && request.body.contains("refresh_token=refresh-canary");
        if open || refresh || request.header("authorization") == Some(BASIC) {
            Answer::ok(r#"{"token":"good","expires_in":300}"#)
        } else {
            Answer::new(401, "no")
        }
    })
}

fn token_registry(token: &Server) -> Server {
    let image = sample();
    let realm = format!("http://{}/token", token.host);
    Server::start(move |request, _| match request.header("authorization") {
        Some("Bearer good") => honest(&image, request),
        _ => Answer::ask(&format!(
            "Bearer realm=\"{realm}\",service=\"a b\",scope=\"repository:team/repo:pull\",error=\"invalid_token\""
        )),
    })
}

#[test]
fn bearer_tokens_are_fetched_once() {
    for (open, credentials) in [(true, false), (false, true)] {
        let token = token_server(open);
        let server = token_registry(&token);
        let credentials = if credentials { account(&server) } else { CredentialSource::Anonymous };
        expect_whole(&*source(&server, credentials));
        let asked = token.requests();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].path, "/token?service=a%20b&scope=repository:team/repo:pull");
        // The password went to the token server, never to the registry.
        assert!(server.requests().iter().all(|request| request.header("authorization") != Some(BASIC)));
    }
    let token = token_server(false);
    let message = error_of(&token_registry(&token), CredentialSource::Anonymous, "team/repo:v1");
    assert!(message.contains("does not give team/repo to everyone"), "{message}");
}

#[test]
fn identity_tokens_are_exchanged() {
    let token = token_server(false);
    let server = token_registry(&token);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let config = format!(r#"{{"auths":{{"{}":{{"identitytoken":"refresh-canary"}}}}}}"#, server.host);
    std::fs::write(&file, config).unwrap();
    expect_whole(&*source(&server, CredentialSource::Files(vec![file])));
    assert_eq!(token.requests()[0].method, "POST");
    assert!(token.requests()[0].body.contains("grant_type=refresh_token"));
}

#[test]
fn an_expired_token_is_renewed() {
    let token = Server::start(|_, before| Answer::ok(format!(r#"{{"access_token":"t{before}"}}"#)));
    let realm = format!("http://{}/token", token.host);
    let image = sample();
    // The token of the manifest is no good for blobs.
    let server = Server::start(move |request, _| {
        let wanted = if is_blob(request) { "Bearer t1" } else { "Bearer t0" };
        if request.header("authorization") == Some(wanted) {
            honest(&image, request)
        } else {
            Answer::ask(&format!("Bearer realm=\"{realm}\""))
        }
    });
    expect_whole(&*source(&server, CredentialSource::Anonymous));
}

#[test]
fn hostile_token_servers_get_nothing() {
    let token = Server::start(|_, _| Answer::redirect("http://127.0.0.1:1/steal"));
    for (challenge, reason) in [
        ("Bearer realm=\"http://token.example/t\"", "credentials and tokens go over HTTPS only"),
        ("Bearer realm=\"http://169.254.169.254/latest\"", "credentials and tokens go over HTTPS only"),
        ("Bearer realm=\"ftp://token.example/\"", "it is no plain http or https address"),
        ("Bearer realm=\"file:///etc/passwd\"", "it is no address"),
        ("Bearer realm=\"https://user@token.example/\"", "it is no plain http or https address"),
        ("Bearer service=\"x\"", "it is no address"),
        ("Bearer realm=\"x", "a quoted string is malformed"),
        ("Negotiate", "it offers only negotiate"),
        (&format!("Bearer realm=\"http://{}/\"", token.host), "it redirects"),
    ] {
        let challenge = challenge.to_owned();
        let server = Server::start(move |_, _| Answer::ask(&challenge));
        let message = error_of(&server, account(&server), "team/repo:v1");
        assert!(message.contains(reason), "{message}");
    }
    for (answer, reason) in [
        (Answer::ok(vec![b' '; 2 << 20]), "--limit token_bytes"),
        (Answer::ok("{}"), "holds no token"),
        (Answer::ok(r#"{"token":"a\r\nHost: x"}"#), "characters that no token has"),
        (Answer::ok(format!("{CANARY} is no JSON")), "no JSON object"),
        (Answer::new(500, ""), "it answered 500"),
    ] {
        let token = Server::start(move |_, _| answer.clone());
        let message = error_of(&token_registry(&token), CredentialSource::Anonymous, "team/repo:v1");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_redirect_takes_no_credentials_along_not_even_on_its_second_hop() {
    let image = sample();
    let storage = Server::start_with(|host| {
        let second = format!("http://{host}");
        let image = image.clone();
        move |request: &Request, _| match request.path.strip_prefix("/first") {
            Some(rest) => Answer::redirect(format!("{second}{rest}")),
            None => honest(&image, request),
        }
    });
    let target = format!("http://{}/first", storage.host);
    let server = Server::start({
        let image = image.clone();
        move |request, _| match request.header("authorization") {
            Some(sent) if sent == BASIC && is_blob(request) => {
                Answer::redirect(format!("{target}{}", request.path))
            }
            Some(sent) if sent == BASIC => honest(&image, request),
            _ => Answer::ask("Basic realm=x"),
        }
    });
    expect_whole(&*source(&server, account(&server)));
    assert!(storage.requests().len() >= 6);
    assert!(storage.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_redirect_target_cannot_ask_for_a_login() {
    let token = Server::start(|_, _| Answer::ok(r#"{"token":"x"}"#));
    let realm = format!("http://{}/token", token.host);
    let storage = Server::start(move |_, _| Answer::ask(&format!("Bearer realm=\"{realm}\"")));
    let target = format!("http://{}/x", storage.host);
    let server = Server::start(move |_, _| Answer::redirect(target.clone()));
    let message = error_of(&server, account(&server), "team/repo:v1");
    assert!(message.starts_with("HOST answered 401 to a request for the manifest of team/repo"), "{message}");
    assert!(token.requests().is_empty());
}

#[test]
fn redirects_that_are_refused() {
    let looping = Server::start(|request, _| Answer::redirect(request.path.clone()));
    assert!(
        error_of(&looping, CredentialSource::Anonymous, "team/repo:v1").contains("redirects again and again")
    );
    assert_eq!(looping.requests().len(), 6);
    for (location, reason) in [
        ("http://user@x/", "no http or https address"),
        ("ftp://x/", "its target is no address"),
        ("", "its target is no address"),
    ] {
        let server = Server::start(move |_, _| Answer::redirect(location));
        assert!(error_of(&server, CredentialSource::Anonymous, "team/repo:v1").contains(reason));
    }
}

#[test]
fn a_busy_registry_is_asked_again_but_not_for_ever() {
    let image = sample();
    let server = Server::start(move |request, before| match before {
        0 => Answer::new(429, "").header("Retry-After", "3600"),
        1 => Answer::new(503, ""),
        2 => Answer::new(502, ""),
        _ => honest(&image, request),
    });
    expect_whole(&*source(&server, CredentialSource::Anonymous));
    let busy = Server::start(|_, _| Answer::new(429, "").header("Retry-After", "99999999999999999999"));
    let message = error_of(&busy, CredentialSource::Anonymous, "team/repo:v1");
    assert!(message.starts_with("HOST stayed too busy (status 429) after 4 attempts"), "{message}");
    assert_eq!(busy.requests().len(), 4);
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    for ranges in [true, false] {
        let image = sample();
        let first = image.layer_digests()[0].clone();
        let size = image.blobs[&first].len();
        let server = Server::start(move |request, _| {
            let mut answer = if ranges || request.range_start().is_none() {
                honest(&image, request)
            } else {
                Answer::ok(image.blobs[&first].clone())
            };
            match (request.path.ends_with(&first), request.range_start()) {
                (true, None) => answer = answer.cut(size / 3),
                (true, Some(from)) if from < size / 2 => answer = answer.stall(size / 2),
                _ => {}
            }
            answer
        });
        expect_whole(&*source(&server, CredentialSource::Anonymous));
        assert!(server.requests().iter().filter(|request| request.range_start().is_some()).count() >= 2);
    }
}

#[test]
fn a_transfer_that_breaks_every_time_is_given_up() {
    let image = sample();
    let first = image.layer_digests()[0].clone();
    let server = Server::start(move |request, _| {
        let answer = honest(&image, request);
        if request.path.ends_with(&first) { answer.cut(1_000) } else { answer }
    });
    let (_, outcomes, lines) = scan(&*source(&server, CredentialSource::Anonymous), 2);
    assert!(lines.ends_with("1 file /c third\n"), "{lines}");
    let text = problems(&outcomes).replace(&server.host, "HOST");
    assert!(text.starts_with("layer 0 (sha256:"), "{text}");
    assert!(
        text.contains("the transfer from HOST broke off after 4000 of ") && text.contains("and 3 resumes"),
        "{text}"
    );
}

#[test]
fn damaged_blobs_and_manifests_are_noticed() {
    let mut image = sample();
    image.tamper(1, |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    let server = Server::start({
        let image = image.clone();
        move |request, _| honest(&image, request)
    });
    let (_, outcomes, _) = scan(&*source(&server, CredentialSource::Anonymous), 2);
    assert!(problems(&outcomes).contains("layer 1 (sha256:"));
    assert!(problems(&outcomes).contains("its bytes have the wrong digest"));
    // A tag that changes between two answers: the stated digest is not the one of the bytes.
    let other = sample();
    let server = Server::start(move |request, _| {
        let mut answer = honest(&other, request);
        if request.path.contains("/manifests/") {
            answer.body.push(b' ');
        }
        answer
    });
    assert!(
        error_of(&server, CredentialSource::Anonymous, "team/repo:v1")
            .contains("manifest of HOST/team/repo:v1 has the wrong digest")
    );
}

#[test]
fn a_huge_manifest_is_refused_early() {
    let server = Server::start(|_, _| {
        Answer::ok(vec![b' '; 8 << 20]).header("Content-Length", "300000000").stall(8 << 20)
    });
    let message = error_of(&server, CredentialSource::Anonymous, "team/repo:v1");
    assert!(
        message.contains("is larger than 4194304 bytes; raise it with --limit manifest_bytes"),
        "{message}"
    );
}

#[test]
fn missing_things_are_named_with_what_is_near() {
    let image = sample();
    let server = Server::start(move |request, _| honest(&image, request));
    let anonymous = || CredentialSource::Anonymous;
    assert_eq!(
        error_of(&server, anonymous(), "team/repo:v1.2"),
        "HOST has no tag v1.2 in team/repo; near it there is v1.1, v1, other"
    );
    assert_eq!(
        error_of(&server, anonymous(), "team/none:v1"),
        "HOST has no repository team/none; check its spelling"
    );
    // Docker's registry says only about tags that the repository is not there.
    assert_eq!(
        error_of(&server, anonymous(), "team/quiet:v1"),
        "HOST has no repository team/quiet; check its spelling"
    );
    let digest = format!("sha256:{}", "0".repeat(64));
    assert_eq!(
        error_of(&server, anonymous(), &format!("team/repo@{digest}")),
        format!("HOST has no {digest} in team/repo; check its spelling")
    );
}

#[test]
fn unreachable_and_silent_registries() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let message = open(&format!("{host}/x"), &options(CredentialSource::Anonymous))
        .resolve(&Platform::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with(&format!("cannot reach {host}: ")) && message.contains("check the name"),
        "{message}"
    );
    let silent = Server::start(|_, _| Answer::default().stall(0).header("Content-Length", "5"));
    let message = error_of(&silent, CredentialSource::Anonymous, "team/repo:v1");
    assert!(message.contains("HOST"), "{message}");
}

#[test]
fn plain_http_to_a_tls_port_is_explained() {
    let server = Server::start(|_, _| Answer::new(400, "Client sent an HTTP request to an HTTPS server.\n"));
    let message = error_of(&server, CredentialSource::Anonymous, "team/repo:v1");
    assert!(
        message.contains("answered 400 to a request for the manifest of team/repo over plain HTTP; if it"),
        "{message}"
    );
}

#[test]
fn an_unusable_ca_file_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut options = options(CredentialSource::Anonymous);
    options.registry.ca_file = Some(file.path().to_owned());
    let source = ImageSource::parse("registry.example/x").unwrap();
    let Err(error) = image::open(&source, &options) else { panic!("an empty file was taken") };
    let expected = format!(
        "--ca-file {}: it holds no certificate; it must hold PEM certificates",
        file.path().display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn artifacts_and_schema_1_are_no_images() {
    for (manifest, expected) in [
        (r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#.to_owned(), "Docker schema 1 manifest"),
        (
            format!(
                r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:{}"}},"layers":[]}}"#,
                "0".repeat(64)
            ),
            "artifact with config `application/vnd.cncf.helm.config.v1+json`; it is no container image",
        ),
        ("<html>".to_owned(), "is broken: it is no JSON object"),
    ] {
        let server = Server::start(move |_, _| Answer::ok(manifest.clone()));
        let message = error_of(&server, CredentialSource::Anonymous, "team/repo:v1");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn foreign_addresses_are_never_asked() {
    let lure = Server::start(|_, _| Answer::ok("x"));
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{}"}},"layers":[{{"digest":"sha256:{}","size":1,"urls":["http://{}/x"],
        "mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}}]}}"#,
        image::Digest::sha256(b"{}"),
        "0".repeat(64),
        lure.host
    );
    let server = Server::start(move |request, _| {
        if request.path.contains("/manifests/") {
            Answer::ok(manifest.clone())
        } else if request.path.contains(&"0".repeat(64)) {
            not_found("BLOB_UNKNOWN")
        } else {
            Answer::ok("{}")
        }
    });
    let (_, outcomes, _) = scan(&*source(&server, CredentialSource::Anonymous), 1);
    assert!(problems(&outcomes).contains("stored outside the registry"), "{}", problems(&outcomes));
    assert!(lure.requests().is_empty());
}
