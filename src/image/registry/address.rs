//! Addresses: which may be spoken to, and how a redirect's target is read.

use std::net::IpAddr;

use ureq::http::Uri;

/// Scheme, host and port that a request goes to; credentials are bound to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) https: bool,
    /// Host with port where it is not the scheme's own, lower case.
    pub(super) authority: String,
}

impl Origin {
    /// The origin of an absolute http or https address without user information.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str().to_ascii_lowercase();
        if authority.contains('@') || authority.is_empty() {
            return None;
        }
        let own = if https { ":443" } else { ":80" };
        let authority = authority.strip_suffix(own).map_or(authority.clone(), str::to_owned);
        Some(Self { https, authority })
    }

    /// The host without port and brackets.
    pub(super) fn host(&self) -> &str {
        if let Some(rest) = self.authority.strip_prefix('[') {
            return rest.split(']').next().unwrap_or(rest);
        }
        self.authority.split(':').next().unwrap_or(&self.authority)
    }

    /// Whether the host is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host().trim_end_matches('.');
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| unmapped(address).is_loopback())
    }

    /// Whether a stranger must never send anyone here: this machine, link-local (cloud metadata services) and
    /// unspecified addresses, in whatever spelling the resolver would take for one.
    pub(super) fn is_internal(&self) -> bool {
        let host = self.host().trim_end_matches('.');
        let numeric = host.rsplit('.').next().is_some_and(|label| {
            let hex = label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
            hex || (!label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()))
        });
        match host.parse::<IpAddr>().map(unmapped) {
            Ok(address) => {
                let link_local = match address {
                    IpAddr::V4(v4) => v4.is_link_local() || v4.octets().first() == Some(&0),
                    IpAddr::V6(v6) => v6.is_unicast_link_local(),
                };
                link_local || address.is_loopback() || address.is_unspecified()
            }
            // `0x7f.1`, `2130706433`: some resolvers take these for addresses, and no honest server writes them.
            Err(_) => numeric || self.is_loopback() || host == "metadata.google.internal",
        }
    }
}

fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The absolute address that `location` means on a page at `base`.
pub(super) fn join(base: &Uri, location: &str) -> Option<Uri> {
    let lower = location.get(..8).unwrap_or(location).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return location.parse().ok();
    }
    let scheme = base.scheme_str()?;
    if location.starts_with("//") {
        return format!("{scheme}:{location}").parse().ok();
    }
    let authority = base.authority()?;
    if location.starts_with('/') {
        return format!("{scheme}://{authority}{location}").parse().ok();
    }
    if location.is_empty() || location.split(['/', '?']).next()?.contains(':') {
        return None;
    }
    let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{scheme}://{authority}{folder}/{location}").parse().ok()
}

/// Percent-encodes a query value (everything but RFC 3986's unreserved characters, and `:` `/` `,` which are safe there).
pub(super) fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(&text.parse().ok()?)
    }

    #[test]
    fn internal_addresses_in_every_spelling() {
        for text in [
            "http://169.254.169.254/latest",
            "https://127.0.0.1:1/",
            "http://[::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://localhost./",
            "http://a.localhost/",
            "http://0.0.0.0/",
            "http://2130706433/",
            "http://0x7f.0x0.0x0.0x1/",
            "http://127.1/",
            "http://metadata.google.internal/",
        ] {
            assert!(origin(text).unwrap().is_internal(), "{text}");
        }
        assert!(!origin("https://auth.docker.io/token").unwrap().is_internal());
        assert!(!origin("https://10.1.2.3:5000/").unwrap().is_internal());
        assert_eq!(origin("https://user@auth.docker.io/"), None);
        assert_eq!(origin("ftp://x/"), None);
    }

    #[test]
    fn default_ports_do_not_make_another_origin() {
        assert_eq!(origin("https://A.example:443/x"), origin("https://a.example/y"));
        assert_ne!(origin("https://a.example:444/"), origin("https://a.example/"));
    }

    #[test]
    fn redirect_targets() {
        let base: Uri = "https://r.example:8443/v2/a/blobs/x".parse().unwrap();
        let at = |location: &str| join(&base, location).map(|uri| uri.to_string());
        assert_eq!(at("/y?z").as_deref(), Some("https://r.example:8443/y?z"));
        assert_eq!(at("y").as_deref(), Some("https://r.example:8443/v2/a/blobs/y"));
        assert_eq!(at("//cdn.example/y").as_deref(), Some("https://cdn.example/y"));
        assert_eq!(at("HTTP://cdn.example/y").as_deref(), Some("http://cdn.example/y"));
        assert_eq!(at("file:///etc/passwd"), None);
        assert_eq!(at(""), None);
    }
}
