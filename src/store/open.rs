//! From a declared URL and its options to a [`Store`].

use std::collections::BTreeMap;
use std::path::{self, Component, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, ClientOptions, CredentialProvider, ObjectStore, ObjectStoreScheme, RetryConfig,
};
use url::Url;

use super::credentials::{Known, Secrets};
use super::{Store, StoreError, StoreKind, secrets};

/// Options that cvm reads itself, for every remote store: how often a request is tried again.
const MAX_RETRIES: &str = "max_retries";
/// … and for how many seconds since the first try.
const RETRY_SECONDS: &str = "retry_timeout_seconds";

type Options = BTreeMap<String, String>;

/// Opens the store that a URL names; contacts nothing.
///
/// - `file:data/lake` and `data/lake` are directories relative to `base_dir`, `file:/abs`, `file:///abs` and `/abs`
///   absolute ones. A directory need not exist: writing makes it.
/// - `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`,
///   `abfss://container@account.dfs.core.windows.net/prefix`: `options` are object_store's configuration keys
///   (`endpoint`, `region`, `access_key_id`, `allow_http`, …) and come before the environment's. An `endpoint` that says `http://` is
///   taken at its word.
/// - `https://host/path` and `http://host/path`: objects are read by name, not listed.
/// - `memory:` is empty and forgotten with the returned value.
///
/// `max_retries` (default 10) and `retry_timeout_seconds` (default 180) bound the retries of any remote store.
///
/// # Errors
/// A URL or option that is not understood, a secret in the URL or one so short that it could not be hidden, or settings that do not
/// make a store. All are configuration errors.
pub fn open(url: &str, options: &Options, base_dir: &path::Path) -> Result<Store, StoreError> {
    if let Some(local) = local_path(url)? {
        refuse_options(url, options)?;
        return open_local(&base_dir.join(local));
    }
    let parsed = Url::parse(url).map_err(|error| StoreError::Url {
        url: without_secrets(url),
        reason: error.to_string(),
    })?;
    let shown = shown_url(&parsed);
    // object_store's own words quote the URL with all that is in it.
    let (scheme, prefix) = ObjectStoreScheme::parse(&parsed).map_err(|_| StoreError::Url {
        url: shown.clone(),
        reason: "unknown scheme, or no bucket or host".to_owned(),
    })?;
    refuse_secrets(&parsed, &shown)?;
    let remembered = secrets::remember(options);
    let remote = Remote {
        url: &parsed,
        shown: &shown,
        options,
        retry: retry(options, &shown)?,
    };
    let (store, kind): (Arc<dyn ObjectStore>, _) = match scheme {
        ObjectStoreScheme::AmazonS3 => (remote.s3()?, StoreKind::S3),
        ObjectStoreScheme::GoogleCloudStorage => (remote.gcs()?, StoreKind::Gcs),
        ObjectStoreScheme::MicrosoftAzure => (remote.azure()?, StoreKind::Azure),
        ObjectStoreScheme::Http => (remote.http()?, StoreKind::Http),
        ObjectStoreScheme::Memory => {
            refuse_options(&shown, options)?;
            (Arc::new(InMemory::new()), StoreKind::Memory)
        }
        _ => {
            return Err(StoreError::Url {
                url: shown,
                reason: "unknown scheme".to_owned(),
            });
        }
    };
    remembered.map_err(|setting| StoreError::ShortSecret {
        url: shown.clone(),
        setting,
    })?;
    Ok(Store {
        store,
        prefix,
        url: shown,
        kind,
    })
}

/// The path of a local URL; none when the URL names something remote.
fn local_path(url: &str) -> Result<Option<PathBuf>, StoreError> {
    if url.starts_with("file://") {
        let parsed = Url::parse(url).map_err(|error| StoreError::Url {
            url: without_secrets(url),
            reason: error.to_string(),
        })?;
        return parsed.to_file_path().map(Some).map_err(|()| StoreError::Url {
            url: without_secrets(url),
            reason: "a file URL with two slashes names a host; use file:relative or file:///absolute"
                .to_owned(),
        });
    }
    if let Some(path) = url.strip_prefix("file:") {
        return Ok(Some(PathBuf::from(path)));
    }
    // A bare path has no scheme; a colon may stand in a later segment.
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = scheme.is_some_and(|scheme| {
        scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    Ok((!is_scheme && !url.is_empty()).then(|| PathBuf::from(url)))
}

fn open_local(directory: &path::Path) -> Result<Store, StoreError> {
    let invalid = |reason: String| StoreError::Url {
        url: directory.display().to_string(),
        reason,
    };
    let absolute = path::absolute(directory).map_err(|error| invalid(error.to_string()))?;
    let resolved = resolve(&absolute);
    let prefix = Path::from_absolute_path(&resolved).map_err(|error| invalid(error.to_string()))?;
    Ok(Store {
        // Rooted at `/`: a root of its own would have to exist already.
        store: Arc::new(LocalFileSystem::new()),
        prefix,
        url: format!("file://{}", resolved.display()),
        kind: StoreKind::File,
    })
}

/// Follows links as far as the path exists and drops `.` and `..` from the rest.
fn resolve(absolute: &path::Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                resolved.pop();
            }
            other => {
                resolved.push(other);
                if let Ok(real) = resolved.canonicalize() {
                    resolved = real;
                }
            }
        }
    }
    resolved
}

/// One remote store about to be built.
struct Remote<'a> {
    url: &'a Url,
    shown: &'a str,
    options: &'a Options,
    retry: RetryConfig,
}

impl Remote<'_> {
    /// The declared options as the provider's keys.
    fn keys<K: std::str::FromStr>(&self) -> Result<Vec<(K, String)>, StoreError> {
        let declared = self.options.iter().filter(|(name, _)| !is_own_option(name));
        declared
            .map(|(name, value)| match name.to_ascii_lowercase().parse() {
                Ok(key) => Ok((key, value.clone())),
                Err(_) => Err(StoreError::UnknownOption {
                    url: self.shown.to_owned(),
                    option: name.clone(),
                }),
            })
            .collect()
    }

    fn built<S>(&self, built: object_store::Result<S>) -> Result<S, StoreError> {
        built.map_err(|error| StoreError::Setup {
            url: self.shown.to_owned(),
            reason: self.without_values(error.to_string()),
        })
    }

    /// What remembers the credentials that `given` hands out.
    fn known<C: Secrets>(
        &self,
        given: &Arc<dyn CredentialProvider<Credential = C>>,
    ) -> Arc<dyn CredentialProvider<Credential = C>> {
        Arc::new(Known::new(Arc::clone(given), self.options.clone()))
    }

    /// object_store quotes a value that it cannot read, which may be a secret under the wrong name.
    fn without_values(&self, mut text: String) -> String {
        for (name, value) in self.options.iter().filter(|(_, value)| value.len() > 3) {
            text = text.replace(value.trim_matches('"'), &format!("(what `{name}` says)"));
        }
        secrets::redacted(&text)
    }

    fn s3(&self) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let mut builder = AmazonS3Builder::from_env().with_url(self.url.as_str());
        for (key, value) in self.keys::<AmazonS3ConfigKey>()? {
            builder = builder.with_config(key, value);
        }
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key));
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        builder = builder.with_retry(self.retry.clone());
        let store = self.built(builder.clone().build())?;
        let known = builder.with_credentials(self.known(store.credentials()));
        Ok(Arc::new(self.built(known.build())?))
    }

    fn gcs(&self) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let mut builder = GoogleCloudStorageBuilder::from_env().with_url(self.url.as_str());
        for (key, value) in self.keys::<GoogleConfigKey>()? {
            builder = builder.with_config(key, value);
        }
        builder = builder.with_retry(self.retry.clone());
        let store = self.built(builder.clone().build())?;
        let known = builder.with_credentials(self.known(store.credentials()));
        Ok(Arc::new(self.built(known.build())?))
    }

    fn azure(&self) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let mut builder = MicrosoftAzureBuilder::from_env().with_url(self.url.as_str());
        for (key, value) in self.keys::<AzureConfigKey>()? {
            builder = builder.with_config(key, value);
        }
        let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        builder = builder.with_retry(self.retry.clone());
        let store = self.built(builder.clone().build())?;
        let known = builder.with_credentials(self.known(store.credentials()));
        Ok(Arc::new(self.built(known.build())?))
    }

    fn http(&self) -> Result<Arc<dyn ObjectStore>, StoreError> {
        // An object is one long response, read as fast as its rows are used: no bound on the whole of it.
        let client = ClientOptions::new()
            .with_allow_http(self.url.scheme() == "http")
            .with_timeout_disabled()
            .with_connect_timeout(Duration::from_secs(10));
        let mut builder = HttpBuilder::new()
            .with_url(&self.url[..url::Position::BeforePath])
            .with_client_options(client);
        for (key, value) in self.keys::<ClientConfigKey>()? {
            builder = builder.with_config(key, value);
        }
        let built = self.built(builder.with_retry(self.retry.clone()).build())?;
        Ok(Arc::new(built))
    }
}

fn is_own_option(name: &str) -> bool {
    name == MAX_RETRIES || name == RETRY_SECONDS
}

fn retry(options: &Options, shown: &str) -> Result<RetryConfig, StoreError> {
    let number = |option: &str| -> Result<Option<u32>, StoreError> {
        let Some(value) = options.get(option) else {
            return Ok(None);
        };
        value
            .parse()
            .map(Some)
            .map_err(|_| StoreError::OptionValue {
                url: shown.to_owned(),
                option: option.to_owned(),
                expected: "a whole number",
            })
    };
    let mut retry = RetryConfig::default();
    if let Some(times) = number(MAX_RETRIES)? {
        retry.max_retries = times as usize;
    }
    if let Some(seconds) = number(RETRY_SECONDS)? {
        retry.retry_timeout = Duration::from_secs(u64::from(seconds));
    }
    Ok(retry)
}

fn refuse_options(url: &str, options: &Options) -> Result<(), StoreError> {
    match options.keys().find(|name| !is_own_option(name)) {
        None => Ok(()),
        Some(option) => Err(StoreError::UnknownOption {
            url: url.to_owned(),
            option: option.clone(),
        }),
    }
}

fn refuse_secrets(url: &Url, shown: &str) -> Result<(), StoreError> {
    let what = if url.password().is_some() {
        "a password"
    } else if !url.username().is_empty() && !names_container(url) {
        "a user"
    } else if url.query().is_some() {
        "a query"
    } else {
        return Ok(());
    };
    Err(StoreError::SecretInUrl {
        url: shown.to_owned(),
        what,
    })
}

/// In `abfss://container@account…` what stands before the `@` is no user but the container.
fn names_container(url: &Url) -> bool {
    matches!(url.scheme(), "az" | "adl" | "azure" | "abfs" | "abfss")
}

fn shown_url(url: &Url) -> String {
    let mut shown = url.clone();
    if !shown.has_host() {
        // Without `//` all is path, a password too.
        return without_secrets(shown.as_str().trim_end_matches('/'));
    }
    // Both setters fail only for URLs that can carry neither.
    let _ = shown.set_password(None);
    if !names_container(url) {
        let _ = shown.set_username("");
    }
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string().trim_end_matches('/').to_owned()
}

/// A text that is no URL may still hold a password before an `@` or a token behind a `?`.
fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match (text.split_once(':'), text.rsplit_once('@')) {
        (Some((scheme, rest)), Some((_, host))) => {
            let slashes = if rest.starts_with("//") { "//" } else { "" };
            format!("{scheme}:{slashes}{host}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt, PutPayload};

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn message(url: &str, pairs: &[(&str, &str)]) -> String {
        open(url, &options(pairs), path::Path::new("/base"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn local_urls_are_relative_to_the_base_directory() {
        let base = tempfile::tempdir().unwrap();
        let real = base.path().canonicalize().unwrap();
        for url in ["file:data/lake", "data/lake", "data/./x/../lake"] {
            let store = open(url, &Options::new(), base.path()).unwrap();
            assert_eq!(
                store.url,
                format!("file://{}/data/lake", real.display()),
                "{url}"
            );
        }
        for url in ["file:///abs/lake", "file:/abs/lake", "/abs/lake"] {
            let store = open(url, &Options::new(), base.path()).unwrap();
            assert_eq!(
                (store.url.as_str(), store.prefix.as_ref()),
                ("file:///abs/lake", "abs/lake")
            );
        }
    }

    #[tokio::test]
    async fn writing_makes_the_directory() {
        let base = tempfile::tempdir().unwrap();
        let store = open("file:not/yet there", &Options::new(), base.path()).unwrap();
        let path = store.join("a/b c.txt");
        store
            .store
            .put(&path, PutPayload::from_static(b"x"))
            .await
            .unwrap();
        assert_eq!(
            std::fs::read(base.path().join("not/yet there/a/b c.txt")).unwrap(),
            b"x"
        );
        assert_eq!(store.relative(&path).unwrap(), "a/b c.txt");
    }

    #[test]
    fn remote_urls_name_bucket_and_prefix() {
        let keys = [
            ("access_key_id", "k"),
            ("secret_access_key", "s3cr"),
            ("region", "eu-west-1"),
        ];
        let store = open(
            "s3://bucket/raw/shop/",
            &options(&keys),
            path::Path::new("/"),
        )
        .unwrap();
        assert_eq!(
            (store.kind, store.prefix.as_ref()),
            (StoreKind::S3, "raw/shop")
        );
        assert_eq!(store.url, "s3://bucket/raw/shop");
        assert_eq!(store.join("a/x=1/b.csv").as_ref(), "raw/shop/a/x=1/b.csv");

        let azure = [("account_name", "acc"), ("account_key", "a2V5")];
        let url = "abfss://lake@acc.dfs.core.windows.net/raw";
        let store = open(url, &options(&azure), path::Path::new("/")).unwrap();
        assert_eq!((store.kind, store.url.as_str()), (StoreKind::Azure, url));

        let store = open(
            "https://example.com/open/data",
            &Options::new(),
            path::Path::new("/"),
        );
        assert_eq!(store.unwrap().kind, StoreKind::Http);
    }

    #[test]
    fn secrets_are_refused_and_never_shown() {
        assert_eq!(
            message("s3://key:secret@bucket/raw", &[]),
            "the URL of store `s3://bucket/raw` carries a password; put credentials into the store's \
             `options` or the environment"
        );
        let query = message("https://host/data?sig=abc", &[]);
        assert!(
            query.contains("carries a query") && !query.contains("abc"),
            "{query}"
        );
        for url in [
            "s3://key:secret@",
            "s3:/key:secret@bucket",
            "key:secret@bucket",
            "file://key:secret@host/raw",
            "ftp://key:secret@host/raw",
        ] {
            assert!(!message(url, &[]).contains("secret"), "{url}");
        }
        let value = message("s3://bucket", &[("allow_http", "hunter2")]);
        assert!(
            value.contains("what `allow_http` says") && !value.contains("hunter2"),
            "{value}"
        );
    }

    #[test]
    fn a_secret_that_could_not_be_hidden_is_refused() {
        let keys = [("access_key_id", "key"), ("secret_access_key", "abc")];
        let refused = message("s3://bucket", &keys);
        assert!(
            refused.starts_with("the secret `secret_access_key` of store `s3://bucket` could not be told from other text"),
            "{refused}"
        );
    }

    #[test]
    fn wrong_urls_and_options_say_so() {
        assert_eq!(
            message("s3://bucket", &[("acces_key", "x")]),
            "store `s3://bucket` has no option `acces_key`"
        );
        assert_eq!(
            message("s3://bucket", &[("max_retries", "many")]),
            "option `max_retries` of store `s3://bucket` is not a whole number"
        );
        assert!(message("ftp://host/x", &[]).starts_with("`ftp://host/x` is no store: "));
        assert!(message("file://host/x", &[]).contains("names a host"));
    }
}
