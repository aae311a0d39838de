//! Changes that no room decides: made once per Idempotency-Key, with the first answer kept for a repeated request.
//!
//! An answer that holds a secret is kept sealed with the caller's own credential, so that the store never holds the secret itself: a
//! repeated request of the same credential opens it, and nobody else can.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rooms::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::change::{Begun, Change, SEALED};

use super::call::Call;
use super::route::Answer;
use crate::problem::Refused;

/// What a change is answered with.
#[derive(Serialize, Deserialize)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// Where the new resource is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The resource.
    pub body: Value,
    /// Whether it holds a secret.
    #[serde(skip)]
    pub secret: bool,
}

/// How a change begins.
pub enum Started {
    /// It is to be made.
    New(Change),
    /// It was made before.
    Again(Answered),
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = if status == StatusCode::NO_CONTENT {
            status.into_response()
        } else {
            (status, Json(self.body)).into_response()
        };
        let location = self.location.and_then(|l| HeaderValue::from_str(&l).ok());
        if let Some(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl Call {
    /// Begins a change, or finds the answer that a request of the same key got.
    pub async fn change(&self) -> Result<Started, Refused> {
        let record = self.key.as_ref().map(|k| k.record(&self.principal));
        let wanted = record.as_ref().map(|r| r.hash.clone());
        match self.hub.store().change(record).await? {
            Begun::New(change) => Ok(Started::New(change)),
            Begun::Again { hash, .. } if wanted != Some(hash.clone()) => Err(Refusal::new(
                Code::IdempotencyConflict,
                "this key was used for another request; take a new one",
            )
            .into()),
            Begun::Again { response, .. } => Ok(Started::Again(open(&self.sealer, &response)?)),
        }
    }

    /// Makes a change real, and answers.
    pub async fn commit(&self, change: Change, answered: Answered) -> Answer {
        let mut row = self.asked().done(&self.principal);
        row.correlation = self.key.as_ref().map(|k| k.key.clone()).unwrap_or_default();
        let kept = match &self.key {
            Some(_) => Some(keep(&self.sealer, &answered)?),
            None => None,
        };
        change.commit(Some(&row), kept).await?;
        Ok(answered.into_response())
    }
}

fn broken() -> Refusal {
    Refusal::new(
        Code::Internal,
        "the answer of the first request cannot be kept or read",
    )
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, Refusal> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| broken())?;
    Ok(LessSafeKey::new(key))
}

/// The answer as it is kept: in the clear, or sealed where it holds a secret.
fn keep(sealer: &[u8; 32], answered: &Answered) -> Result<String, Refusal> {
    let text = serde_json::to_string(answered).map_err(|_| broken())?;
    if !answered.secret {
        return Ok(text);
    }
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|_| broken())?;
    let mut sealed = text.into_bytes();
    cipher(sealer)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            &mut sealed,
        )
        .map_err(|_| broken())?;
    Ok(format!(
        "{SEALED}{}{}",
        hex::encode(nonce),
        hex::encode(sealed)
    ))
}

fn open(sealer: &[u8; 32], kept: &str) -> Result<Answered, Refusal> {
    let Some(sealed) = kept.strip_prefix(SEALED) else {
        return serde_json::from_str(kept).map_err(|_| broken());
    };
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN * 2).ok_or_else(broken)?;
    let nonce = hex::decode(nonce).map_err(|_| broken())?;
    let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| broken())?;
    let mut text = hex::decode(sealed).map_err(|_| broken())?;
    let text = cipher(sealer)?
        .open_in_place(nonce, Aad::empty(), &mut text)
        .map_err(|_| {
            Refusal::new(
                Code::Conflict,
                "this was done before, with another credential; its answer holds a secret that only that credential can read",
            )
        })?;
    serde_json::from_slice(text).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_kept_sealed_and_opened_by_the_same_credential_only() {
        let answered = Answered {
            status: 201,
            location: None,
            body: json!({"key": "bk_secret"}),
            secret: true,
        };
        let kept = keep(&[1; 32], &answered).unwrap();
        assert!(!kept.contains("bk_secret"));
        let opened = open(&[1; 32], &kept).unwrap();
        assert_eq!((opened.status, opened.body), (201, answered.body));
        assert_eq!(open(&[2; 32], &kept).err().unwrap().code, Code::Conflict);
    }
}
