//! JSON-RPC 2.0: the envelope. What the methods do is in [`methods`].

mod fault;
mod methods;

use axum::{
    body::{Bytes, HttpBody as _},
    extract::{FromRequest as _, Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    accept::Form,
    error::ApiError,
    node::{BatchPermit, NodeView},
};
use fault::Fault;

/// Bytes of a request's body.
pub(crate) const MAX_BODY: usize = 64 << 10;
/// Calls in one batch.
const MAX_BATCH: usize = 100;
/// Bytes of the answers to a batch after which the rest of it is refused, and most of one answer of many blocks.
const MAX_ANSWERS: usize = 4 << 20;

/// A call that is well formed.
#[derive(Debug)]
struct Call {
    /// `None` for a notification, which gets no answer.
    id: Option<Value>,
    method: String,
    params: Params,
}

/// The parameters of a call.
#[derive(Debug)]
enum Params {
    Positional(Vec<Value>),
    Named(Map<String, Value>),
}

/// The answer to one call.
#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Fault>,
    id: &'a Value,
}

/// Answers a call or a batch of calls.
pub(crate) async fn answer(
    State(node): State<NodeView>,
    request: Request,
) -> Result<Response, ApiError> {
    let body = read(request).await?;
    let mut answers = Vec::new();
    match serde_json::from_slice(&body) {
        Err(error) => write(&mut answers, &Value::Null, Err(Fault::parse(&error))),
        Ok(Value::Array(calls)) if calls.is_empty() => {
            let fault = Fault::invalid_request("a batch needs at least one call");
            write(&mut answers, &Value::Null, Err(fault));
        }
        Ok(Value::Array(calls)) if calls.len() > MAX_BATCH => {
            let fault = Fault::invalid_request(format!(
                "expected a batch of at most {MAX_BATCH} calls, found {}",
                calls.len()
            ));
            write(&mut answers, &Value::Null, Err(fault));
        }
        Ok(Value::Array(calls)) => answer_batch(&node, calls, &mut answers).await,
        Ok(call) => answer_one(&node, call, &mut answers, None).await,
    }
    if answers.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let headers = [(CONTENT_TYPE, Form::Json.media_type())];
    Ok((headers, answers).into_response())
}

/// The body, of bounded size. One that announces more is refused before it comes.
async fn read(request: Request) -> Result<Bytes, ApiError> {
    if request.body().size_hint().lower() > MAX_BODY as u64 {
        return Err(ApiError::too_large(MAX_BODY));
    }
    let body = Bytes::from_request(request, &()).await;
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(MAX_BODY),
        _ => ApiError::bad_request(rejection.body_text()),
    })
}

async fn answer_batch(node: &NodeView, calls: Vec<Value>, answers: &mut Vec<u8>) {
    let mut leave = None;
    for call in calls {
        let start = answers.len();
        answers.push(if start == 0 { b'[' } else { b',' });
        let written = answers.len();
        answer_one(node, call, answers, Some(&mut leave)).await;
        if answers.len() == written {
            // A notification has no place in the answers.
            answers.truncate(start);
        }
    }
    if !answers.is_empty() {
        answers.push(b']');
    }
}

/// Answers a call. A batch has a place for the leave that it needs from its first heavy call on, since it
/// holds the answers while the others are worked out.
async fn answer_one(
    node: &NodeView,
    call: Value,
    answers: &mut Vec<u8>,
    batch: Option<&mut Option<BatchPermit>>,
) {
    let call = match Call::parse(call) {
        Ok(call) => call,
        Err((id, fault)) => return write(answers, &id, Err(fault)),
    };
    let outcome = if answers.len() > MAX_ANSWERS {
        Err(Fault::too_large(MAX_ANSWERS))
    } else if let Err(error) = admit(node, &call.method, batch) {
        Err(error.into())
    } else {
        methods::call(node, &call.method, call.params).await
    };
    if let Some(id) = call.id {
        write(answers, &id, outcome);
    }
}

/// Gets a batch the leave that it needs for this method, if it needs one and has none.
fn admit(
    node: &NodeView,
    method: &str,
    batch: Option<&mut Option<BatchPermit>>,
) -> Result<(), ApiError> {
    if let Some(leave @ None) = batch
        && methods::is_heavy(method)
    {
        *leave = Some(node.heavy_batch()?);
    }
    Ok(())
}

impl Call {
    /// Checks the form of a call. The error bears the id to answer with: the call's, if it has a valid one.
    fn parse(call: Value) -> Result<Self, (Value, Fault)> {
        let Value::Object(mut members) = call else {
            let fault = Fault::invalid_request("a call is an object");
            return Err((Value::Null, fault));
        };
        let id = match members.remove("id") {
            Some(id @ (Value::Array(_) | Value::Object(_) | Value::Bool(_))) => {
                let fault = Fault::invalid_request(format!(
                    "expected a string, a number or null as `id`, found {id}"
                ));
                return Err((Value::Null, fault));
            }
            id => id,
        };
        let invalid = |id: Option<Value>, detail: &str| {
            (id.unwrap_or_default(), Fault::invalid_request(detail))
        };
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(invalid(id, "expected `jsonrpc` to be \"2.0\""));
        }
        let Some(Value::String(method)) = members.remove("method") else {
            return Err(invalid(id, "expected a string as `method`"));
        };
        let params = match members.remove("params") {
            None => Params::Positional(Vec::new()),
            Some(Value::Array(values)) => Params::Positional(values),
            Some(Value::Object(values)) => Params::Named(values),
            Some(_) => return Err(invalid(id, "expected an array or an object as `params`")),
        };
        Ok(Self { id, method, params })
    }
}

impl Params {
    /// Insists that there are none.
    fn none(&self) -> Result<(), Fault> {
        let found = match self {
            Self::Positional(values) => values.len(),
            Self::Named(values) => values.len(),
        };
        match found {
            0 => Ok(()),
            _ => Err(Fault::invalid_params(format!(
                "expected no parameters, found {found}"
            ))),
        }
    }

    /// The only parameter, which is called `name`.
    fn one(self, name: &str) -> Result<Value, Fault> {
        let wrong = || Fault::invalid_params(format!("expected one parameter, `{name}`"));
        match self {
            Self::Positional(values) => {
                let [value] = <[Value; 1]>::try_from(values).map_err(|_| wrong())?;
                Ok(value)
            }
            Self::Named(mut values) => {
                let value = values.remove(name).ok_or_else(wrong)?;
                if values.is_empty() {
                    Ok(value)
                } else {
                    Err(wrong())
                }
            }
        }
    }
}

impl Params {
    /// The two parameters of these names, by position or by name.
    fn two(self, names: [&str; 2]) -> Result<[Value; 2], Fault> {
        let wrong = || {
            let [first, second] = names;
            Fault::invalid_params(format!("expected two parameters, `{first}` and `{second}`"))
        };
        match self {
            Self::Positional(values) => <[Value; 2]>::try_from(values).map_err(|_| wrong()),
            Self::Named(mut values) => {
                let found = names.map(|name| values.remove(name));
                match found {
                    [Some(first), Some(second)] if values.is_empty() => Ok([first, second]),
                    _ => Err(wrong()),
                }
            }
        }
    }
}

/// Appends the answer to a call.
fn write(answers: &mut Vec<u8>, id: &Value, outcome: Result<Box<RawValue>, Fault>) {
    let answer = Answer {
        jsonrpc: "2.0",
        result: outcome.as_deref().ok(),
        error: outcome.as_ref().err(),
        id,
    };
    // Strings, numbers and what is already JSON: there is nothing here that cannot be written.
    let _ = serde_json::to_writer(answers, &answer);
}
