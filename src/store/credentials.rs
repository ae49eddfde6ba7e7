//! Credentials that a server hands out while a run lasts, remembered as secrets before they are used.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use object_store::azure::AzureCredential;
use object_store::gcp::GcpCredential;

use super::secrets;

/// A kind of credential, and what of it is secret.
pub(super) trait Secrets: Debug + Send + Sync + 'static {
    /// What nothing may show.
    fn secrets(&self) -> Vec<&str>;
}

impl Secrets for AwsCredential {
    fn secrets(&self) -> Vec<&str> {
        let token = self.token.as_deref();
        token
            .into_iter()
            .chain([self.secret_key.as_str()])
            .collect()
    }
}

impl Secrets for GcpCredential {
    fn secrets(&self) -> Vec<&str> {
        vec![&self.bearer]
    }
}

impl Secrets for AzureCredential {
    fn secrets(&self) -> Vec<&str> {
        match self {
            // An option or variable, known since the store was opened.
            Self::AccessKey(_) => Vec::new(),
            Self::SASToken(pairs) => {
                let signatures = pairs.iter().filter(|(name, _)| name == "sig");
                signatures.map(|(_, value)| value.as_str()).collect()
            }
            Self::BearerToken(token) => vec![token],
        }
    }
}

/// Hands on the credentials of another provider, and remembers each.
#[derive(Debug)]
pub(super) struct Known<C: Secrets> {
    given: Arc<dyn CredentialProvider<Credential = C>>,
    options: BTreeMap<String, String>,
    /// The one that was handed on last: most requests use the same.
    last: Mutex<Option<Arc<C>>>,
}

impl<C: Secrets> Known<C> {
    /// `options` are those of the store.
    pub(super) fn new(
        given: Arc<dyn CredentialProvider<Credential = C>>,
        options: BTreeMap<String, String>,
    ) -> Self {
        Self {
            given,
            options,
            last: Mutex::new(None),
        }
    }
}

#[async_trait]
impl<C: Secrets> CredentialProvider for Known<C> {
    type Credential = C;

    async fn get_credential(&self) -> object_store::Result<Arc<C>> {
        let credential = self.given.get_credential().await.inspect_err(|_| {
            // Who refuses a token may quote it, and its file may hold another than when the store was opened.
            drop(secrets::remember(&self.options));
        })?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = last
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, &credential));
        if !is_known {
            for secret in credential.secrets() {
                secrets::remember_secret(secret);
            }
            *last = Some(Arc::clone(&credential));
        }
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one credential after the other, then none.
    #[derive(Debug)]
    struct Server(Mutex<Vec<Arc<AwsCredential>>>);

    #[async_trait]
    impl CredentialProvider for Server {
        type Credential = AwsCredential;

        async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
            let next = self.0.lock().unwrap().pop();
            next.ok_or(object_store::Error::NotImplemented {
                operation: "credentials".to_owned(),
                implementer: "the test".to_owned(),
            })
        }
    }

    fn credential(number: u8) -> Arc<AwsCredential> {
        Arc::new(AwsCredential {
            key_id: format!("id-{number}-of-a-server"),
            secret_key: format!("key-{number}-of-a-server"),
            token: Some(format!("token-{number}-of-a-server")),
        })
    }

    #[tokio::test]
    async fn each_credential_is_known_before_it_is_used() {
        let given = Server(Mutex::new(vec![credential(2), credential(1)]));
        let known = Known::new(Arc::new(given), BTreeMap::new());
        for number in [1, 2] {
            let text = format!(
                "id-{number}-of-a-server key-{number}-of-a-server token-{number}-of-a-server"
            );
            assert_eq!(secrets::redacted(&text), text);
            known.get_credential().await.unwrap();
            assert_eq!(
                secrets::redacted(&text),
                format!("id-{number}-of-a-server (secret) (secret)")
            );
        }
    }

    #[tokio::test]
    async fn a_token_that_was_refused_is_known_as_it_is_in_its_file_now() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let options = [(
            "web_identity_token_file".to_owned(),
            file.display().to_string(),
        )];
        let known = Known::new(Arc::new(Server(Mutex::default())), options.into());
        std::fs::write(&file, "rotated-in-a-test").unwrap();
        known.get_credential().await.unwrap_err();
        assert_eq!(secrets::redacted("rotated-in-a-test"), "(secret)");
    }

    #[test]
    fn of_azure_signatures_and_tokens_are_secret() {
        let pairs = [("sv", "2024"), ("sig", "signed")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            AzureCredential::SASToken(pairs.into()).secrets(),
            ["signed"]
        );
        let token = AzureCredential::BearerToken("borne".to_owned());
        assert_eq!(token.secrets(), ["borne"]);
    }
}
