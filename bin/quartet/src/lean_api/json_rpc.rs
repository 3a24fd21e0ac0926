//! Batches of JSON-RPC calls.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// A method and its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: &'static str,
    params: Vec<Value>,
}

impl Call {
    /// A call without parameters.
    pub(crate) const fn new(method: &'static str) -> Self {
        Self {
            method,
            params: Vec::new(),
        }
    }

    /// A call about a slot.
    pub(crate) fn of_slot(method: &'static str, slot: u64) -> Self {
        Self {
            method,
            params: vec![slot.into()],
        }
    }
}

/// The request; a call's id is its place.
pub(super) fn request(calls: &[Call]) -> String {
    let call = |(id, call): (usize, &Call)| json!({"jsonrpc": "2.0", "id": id, "method": call.method, "params": call.params});
    Value::Array(calls.iter().enumerate().map(call).collect()).to_string()
}

/// The results in the calls' order; `None` where a call failed, or the node does not know it.
#[derive(Debug)]
pub(crate) struct Results(Vec<Option<Value>>);

#[derive(Deserialize)]
struct Answer {
    id: usize,
    result: Option<Value>,
}

impl Results {
    /// `None` when this is no answer to a batch.
    pub(super) fn parse(body: &[u8], calls: usize) -> Option<Self> {
        let answers: Vec<Value> = serde_json::from_slice(body).ok()?;
        let mut results = vec![None; calls];
        let mut is_answer = false;
        for answer in answers {
            is_answer |= answer.get("jsonrpc").is_some();
            let answer: Answer = serde_json::from_value(answer).ok()?;
            if let Some(place) = results.get_mut(answer.id) {
                *place = answer.result;
            }
        }
        is_answer.then_some(Self(results))
    }

    /// The result of the call at `place`, where it came and has this form.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, place: usize) -> Option<T> {
        serde_json::from_value(self.0.get_mut(place)?.take()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_put_in_the_calls_order() {
        let calls = [Call::new("lean_head"), Call::of_slot("lean_votes", 3)];
        let expected = json!([
            {"jsonrpc":"2.0","id":0,"method":"lean_head","params":[]},
            {"jsonrpc":"2.0","id":1,"method":"lean_votes","params":[3]},
        ]);
        assert_eq!(request(&calls), expected.to_string());
        let body = br#"[{"jsonrpc":"2.0","id":2,"error":{"code":-32601}},
            {"jsonrpc":"2.0","id":1,"result":7},{"jsonrpc":"2.0","id":0,"result":"a"},
            {"jsonrpc":"2.0","id":99,"result":8}]"#;
        let mut results = Results::parse(body, 3).unwrap();
        assert_eq!(results.take::<String>(0).as_deref(), Some("a"));
        assert_eq!(results.take::<String>(1), None, "another form");
        assert_eq!(results.take::<Value>(2), None);
        assert_eq!(results.take::<Value>(99), None);
    }

    #[test]
    fn malformed_answers_are_none() {
        for body in ["", "[]", "{}", "[1]", "[{\"id\":0}]", "<html>"] {
            assert!(Results::parse(body.as_bytes(), 1).is_none(), "{body}");
        }
    }
}
