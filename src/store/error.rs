//! What can go wrong with a store, and whether trying again can help.

use std::error::Error;
use std::{io, iter};

use object_store::client::{HttpError, HttpErrorKind};

use crate::failure::FailureKind;

/// A store that could not be opened or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is none that cvm knows.
    #[error("`{url}` is no store: {reason}; use file:, s3://, gs://, az://, abfss:// or https://")]
    Url {
        /// The URL, without secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The URL carries a user, a password or a query.
    #[error(
        "the URL of store `{url}` carries {what}; put credentials into the store's `options` or the environment"
    )]
    SecretInUrl {
        /// The URL, without secrets.
        url: String,
        /// What it carries.
        what: &'static str,
    },
    /// An option that this kind of store does not have.
    #[error("store `{url}` has no option `{option}`")]
    UnknownOption {
        /// The store's URL.
        url: String,
        /// The option's name.
        option: String,
    },
    /// An option whose value cannot be read. The value is not shown: it may be a secret.
    #[error("option `{option}` of store `{url}` is not {expected}")]
    OptionValue {
        /// The store's URL.
        url: String,
        /// The option's name.
        option: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A secret that no message could be cleared of.
    #[error(
        "the secret `{setting}` of store `{url}` could not be told from other text, and so not be kept out of messages: it needs at \
         least four characters, or eight where it is a number, and must not be `true`, `false`, `null` or `secret`"
    )]
    ShortSecret {
        /// The store's URL.
        url: String,
        /// The option or variable.
        setting: String,
    },
    /// The options and the environment do not make a usable store.
    #[error("store `{url}` cannot be set up: {reason}")]
    Setup {
        /// The store's URL.
        url: String,
        /// Why, without the values of options.
        reason: String,
    },
    /// A request failed, after retries where they make sense.
    #[error("cannot reach `{url}`{}", hint(source))]
    Access {
        /// The URL of the object or path.
        url: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
}

impl StoreError {
    /// The class of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Access { source, .. } => classify(source),
            _ => FailureKind::Configuration,
        }
    }

    /// Whether the object, bucket or directory does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Access {
                source: object_store::Error::NotFound { .. },
                ..
            }
        )
    }
}

/// What a person can do about an error, to stand behind what failed; empty where the error itself says it.
pub(crate) fn hint(error: &object_store::Error) -> &'static str {
    use object_store::Error as E;
    let error_itself: &(dyn Error + 'static) = error;
    let causes = iter::successors(Some(error_itself), |error| (*error).source());
    let status = causes
        .map(ToString::to_string)
        .find_map(|text| status_of(&text));
    match (error, status) {
        (E::Unauthenticated { .. }, _) | (_, Some(401)) => {
            "; the store does not know these credentials: look at the store's `options` and the provider's variables"
        }
        (E::PermissionDenied { .. }, _) | (_, Some(403)) => {
            "; whoever these credentials are may not do that: grant it, or give others by the store's `options` or the provider's \
             variables"
        }
        _ => "",
    }
}

/// The class of an object_store error that came back after its retries.
pub(crate) fn classify(error: &object_store::Error) -> FailureKind {
    use object_store::Error as E;
    match error {
        E::PermissionDenied { .. }
        | E::Unauthenticated { .. }
        | E::NotFound { .. }
        | E::InvalidPath { .. }
        | E::NotSupported { .. }
        | E::NotImplemented { .. }
        | E::UnknownConfigurationKey { .. } => FailureKind::Configuration,
        E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. } => {
            FailureKind::ConcurrentRun
        }
        E::JoinError { .. } => FailureKind::Internal,
        E::Generic { source, .. } => classify_generic(source.as_ref()),
        _ => FailureKind::TransientStore,
    }
}

/// object_store keeps the status of a response private: it is read from the message where no typed cause is found.
fn classify_generic(error: &(dyn Error + Send + Sync + 'static)) -> FailureKind {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(http) = current.downcast_ref::<HttpError>() {
            return match http.kind() {
                HttpErrorKind::Decode => FailureKind::Internal,
                _ => FailureKind::TransientStore,
            };
        }
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return classify_io(io);
        }
        if let Some(status) = status_of(&current.to_string()) {
            return match status {
                408 | 425 | 429 => FailureKind::TransientStore,
                400..500 => FailureKind::Configuration,
                _ => FailureKind::TransientStore,
            };
        }
        cause = current.source();
    }
    if error.to_string().contains("redirect without LOCATION") {
        return FailureKind::Configuration;
    }
    FailureKind::TransientStore
}

fn classify_io(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::InvalidFilename => FailureKind::Configuration,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureKind::Internal,
        _ => FailureKind::TransientStore,
    }
}

fn status_of(message: &str) -> Option<u16> {
    let (_, rest) = message.split_once("non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: impl Into<Box<dyn Error + Send + Sync>>) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: source.into(),
        }
    }

    #[test]
    fn who_is_refused_is_told_to_look_at_credentials() {
        let refused = StoreError::Access {
            url: "s3://lake/raw".to_owned(),
            source: generic("Server returned non-2xx status code: 403 Forbidden: AccessDenied"),
        };
        assert!(
            refused.to_string().starts_with(
                "cannot reach `s3://lake/raw`; whoever these credentials are may not do that"
            ),
            "{refused}"
        );
        assert_eq!(
            hint(&generic("Server returned non-2xx status code: 500 No")),
            ""
        );
    }

    #[test]
    fn what_a_person_must_change_is_configuration() {
        let source = || "no".into();
        for error in [
            object_store::Error::NotFound {
                path: "a".into(),
                source: source(),
            },
            object_store::Error::PermissionDenied {
                path: "a".into(),
                source: source(),
            },
            object_store::Error::Unauthenticated {
                path: "a".into(),
                source: source(),
            },
            generic("Server returned non-2xx status code: 400 Bad Request: region"),
            generic(io::Error::from(io::ErrorKind::PermissionDenied)),
        ] {
            assert_eq!(classify(&error), FailureKind::Configuration, "{error}");
        }
    }

    #[test]
    fn what_may_pass_is_transient() {
        for error in [
            generic("Server returned non-2xx status code: 503 Service Unavailable: slow down"),
            generic("Server returned non-2xx status code: 429 Too Many Requests: "),
            generic(io::Error::from(io::ErrorKind::ConnectionReset)),
            generic(HttpError::new(
                HttpErrorKind::Timeout,
                io::Error::other("late"),
            )),
        ] {
            assert_eq!(classify(&error), FailureKind::TransientStore, "{error}");
        }
    }
}
