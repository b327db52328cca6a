//! Tags near one that is not there, for the error message only.

use std::io::Read;

use serde::Deserialize;

use super::client::Client;
use crate::nearest::edit_distance;

/// Tags asked for; a longer list is not paged through for a hint.
const ASKED: usize = 1_000;
const SHOWN: usize = 3;

#[derive(Deserialize, Default)]
#[serde(default)]
struct TagList {
    tags: Option<Vec<String>>,
}

impl Client {
    /// The tags most like `wanted`, best first; empty when the registry does not tell, `None` when it says that there
    /// is no such repository.
    pub(super) fn nearest_tags(&self, wanted: &str) -> Option<Vec<String>> {
        let Ok(answer) = self.get(&format!("tags/list?n={ASKED}"), None, None) else {
            return Some(Vec::new());
        };
        match answer.status().as_u16() {
            200 => {}
            404 => return None,
            _ => return Some(Vec::new()),
        }
        let mut body = Vec::new();
        let reader = answer.into_body().into_reader();
        if reader.take(self.limits().manifest_bytes).read_to_end(&mut body).is_err() {
            return Some(Vec::new());
        }
        let list: TagList = serde_json::from_slice(&body).unwrap_or_default();
        Some(nearest(wanted, list.tags.unwrap_or_default()))
    }
}

fn nearest(wanted: &str, tags: Vec<String>) -> Vec<String> {
    let plain = |tag: &String| {
        tag.len() <= 128 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    let mut ranked: Vec<(usize, String)> =
        tags.into_iter().take(ASKED).filter(plain).map(|tag| (edit_distance(wanted, &tag), tag)).collect();
    ranked.sort();
    ranked.into_iter().take(SHOWN).map(|(_, tag)| tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_tags_come_first() {
        let tags = ["12.4.0-base", "latest", "12.4.1-base-ubuntu22.04", "12.4.1-base", "a\u{1b}[2J"];
        let tags = tags.map(str::to_owned).to_vec();
        assert_eq!(nearest("12.4-base", tags), ["12.4.0-base", "12.4.1-base", "latest"]);
    }
}
