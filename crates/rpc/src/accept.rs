//! What form of an answer the client asks for (RFC 9110, section 12.5.1).

use axum::http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_ENCODING},
};

use crate::error::ApiError;

/// A form in which an answer can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Ssz,
    /// A stream of events.
    Events,
    /// The text of a scrape.
    Text,
}

impl Form {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ssz => "application/octet-stream",
            Self::Events => "text/event-stream",
            Self::Text => "text/plain",
        }
    }

    /// How closely a media range names this form, if it does.
    fn matched_by(self, range: &str) -> Option<u8> {
        let (kind, _) = self.media_type().split_once('/')?;
        match range.split_once('/')? {
            ("*", "*") => Some(0),
            (range, "*") if range == kind => Some(1),
            _ if range == self.media_type() => Some(2),
            _ => None,
        }
    }

    /// The weight that the client gives this form: that of the range that names it most closely.
    fn weight(self, ranges: &[(String, f32)]) -> f32 {
        ranges
            .iter()
            .filter_map(|(range, weight)| Some((self.matched_by(range)?, *weight)))
            .max_by_key(|(closeness, _)| *closeness)
            .map_or(0.0, |(_, weight)| weight)
    }
}

/// The form to answer in: the client's favourite among `offered`, the first one when it has none.
///
/// # Errors
/// 406 when it accepts none of them.
pub(crate) fn negotiate(headers: &HeaderMap, offered: &[Form]) -> Result<Form, ApiError> {
    let header = texts(headers, ACCEPT);
    let ranges: Vec<_> = weighted(&header).collect();
    if ranges.is_empty() {
        return offered.first().copied().ok_or_else(ApiError::internal);
    }

    let mut best = None;
    for form in offered {
        let weight = form.weight(&ranges);
        if weight > best.map_or(0.0, |(_, most)| most) {
            best = Some((*form, weight));
        }
    }
    best.map(|(form, _)| form).ok_or_else(|| {
        let offered: Vec<_> = offered.iter().map(|form| form.media_type()).collect();
        ApiError::not_acceptable(&header.join(","), &offered.join(" or "))
    })
}

/// Whether the client takes an answer in gzip, and likes that no less than a plain one.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let header = texts(headers, ACCEPT_ENCODING);
    let weight = |names: &[&str]| {
        let mut found = weighted(&header).filter(|(name, _)| names.contains(&name.as_str()));
        found.next().map(|(_, weight)| weight)
    };
    let gzip = weight(&["gzip", "x-gzip"]).or_else(|| weight(&["*"]));
    gzip.is_some_and(|gzip| gzip > 0.0 && gzip >= weight(&["identity"]).unwrap_or_default())
}

fn texts(headers: &HeaderMap, name: HeaderName) -> Vec<&str> {
    let values = headers.get_all(name).iter();
    values.filter_map(|value| value.to_str().ok()).collect()
}

/// What a header lists, in lower case, each with its weight.
fn weighted(header: &[&str]) -> impl Iterator<Item = (String, f32)> {
    let items = header.iter().flat_map(|value| value.split(','));
    items
        .filter(|item| !item.trim().is_empty())
        .map(with_weight)
}

/// `item;q=0.5;…` to the item in lower case and its weight, 1 when there is none.
fn with_weight(text: &str) -> (String, f32) {
    let mut parts = text.split(';');
    let item = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let weight = parts
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("q"))
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(1.0);
    (item, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &[&'static str]) -> Result<Form, u16> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        negotiate(&headers, &[Form::Ssz, Form::Json]).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn the_first_form_is_the_default() {
        for accept in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/*"],
            &["text/html, */*;q=0.8"],
        ] {
            assert_eq!(form(accept), Ok(Form::Ssz), "{accept:?}");
        }
    }

    #[test]
    fn the_clients_favourite_wins() {
        let json: [&[_]; 5] = [
            &["application/json"],
            &["Application/JSON; charset=utf-8"],
            &["application/octet-stream;q=0.4, application/json;q=0.5"],
            &["*/*;q=0.1", "application/json"],
            &["application/octet-stream;q=0, */*"],
        ];
        for accept in json {
            assert_eq!(form(accept), Ok(Form::Json), "{accept:?}");
        }
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        let wrong: [&[_]; 7] = [
            &["text/html"],
            &["application/json;q=0"],
            &["image/*"],
            &["*/*;q=0"],
            &["*/*;q=0, application/*;q=0.0"],
            &["*"],
            &["application/json;q=nan"],
        ];
        for accept in wrong {
            assert_eq!(form(accept), Err(406), "{accept:?}");
        }
    }

    #[test]
    fn each_form_has_a_type_of_its_own() {
        let cases = [
            (Form::Events, "text/event-stream"),
            (Form::Events, "text/*"),
            (Form::Text, "text/plain;version=0.0.4;q=0.3"),
            (Form::Text, "application/openmetrics-text, */*;q=0.1"),
        ];
        for (form, accept) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(negotiate(&headers, &[form]).unwrap(), form, "{accept}");
        }
    }

    #[test]
    fn gzip_is_used_only_where_the_client_names_it() {
        let cases = [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate, x-gzip", true),
            ("*", true),
            ("*;q=0.1, identity;q=0", true),
            ("", false),
            ("br", false),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("identity, gzip;q=0.5", false),
            ("gzipped", false),
        ];
        for (accepted, expected) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, accepted.parse().unwrap())]);
            assert_eq!(takes_gzip(&headers), expected, "{accepted:?}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
