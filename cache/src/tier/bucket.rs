//! A bucket as a tier: S3 and what speaks like it, Google Cloud Storage, Azure, or a web server that is read.
//!
//! Who may use it is said by the environment, in the words of each service (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`,
//! `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, …). An object is put on the condition that its name is free.
//! Some services do not know that condition, and some accept it and pass it over: two puts of one name that race tell
//! which, once. There a name is looked at before it is put, so that of two who put it at one moment the later one stays.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    RetryConfig,
};
use tokio::runtime::Runtime;

use super::{Failure, LISTED_MAX, Listed, OBJECT_BYTES_MAX, ObjectName, Put, Tier, late, patience_for};
use crate::claim::random_token;

/// Where it is found out how a bucket puts.
const PROBES: &str = "probes";
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// Requests that fail are tried again so often, and for so long.
const RETRIES: usize = 2;
const RETRY_FOR: Duration = Duration::from_secs(10);

/// A bucket, or a part of it.
#[derive(Debug)]
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// A web server, of which nothing but reading is expected.
    is_only_read: bool,
    /// Whether a put on a condition is one; unknown until it was tried.
    keeps_conditions: OnceLock<bool>,
}

/// The schemes of places that are buckets.
const SCHEMES: [&str; 8] =
    ["s3://", "s3a://", "gs://", "az://", "azure://", "abfs://", "http://", "https://"];

/// Whether a place is a bucket and not a folder.
pub(crate) fn is_bucket(place: &str) -> bool {
    SCHEMES.iter().any(|scheme| place.starts_with(scheme))
}

/// What services say where there is no room, or no more than was agreed: the status 507, and their own words.
const FULL: [&str; 3] = ["507 Insufficient", "StorageFull", "QuotaExceeded"];

/// Threads that wait for networks, for all buckets of this process.
fn runtime() -> Result<&'static Runtime, Failure> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let new = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().ok();
    RUNTIME
        .get_or_init(new)
        .as_ref()
        .ok_or_else(|| Failure::Unreachable("no thread can be had to wait for it".to_owned()))
}

impl Bucket {
    /// The bucket at a URL. Nothing is asked of it yet.
    ///
    /// # Errors
    /// What is wrong with the URL, or missing in the environment.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_connect_timeout(CONNECT)
            .with_timeout(patience_for(OBJECT_BYTES_MAX));
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
        let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_FOR };
        let (scheme, rest) = url.split_once("://").ok_or("is no URL")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let said = |error: Error| error.to_string();
        let root = format!("{scheme}://{bucket}");
        let store: Arc<dyn ObjectStore> = match scheme {
            "s3" | "s3a" => {
                let builder = AmazonS3Builder::from_env().with_url(root).with_client_options(options);
                // Of what speaks like S3 not everything deletes several objects in one request.
                let builder = builder.with_disable_bulk_delete(true);
                Arc::new(builder.with_retry(retry).build().map_err(said)?)
            }
            "gs" => {
                let builder = GoogleCloudStorageBuilder::from_env().with_url(root);
                Arc::new(builder.with_client_options(options).with_retry(retry).build().map_err(said)?)
            }
            "az" | "azure" | "abfs" => {
                let builder = MicrosoftAzureBuilder::from_env().with_url(root);
                Arc::new(builder.with_client_options(options).with_retry(retry).build().map_err(said)?)
            }
            _ => {
                let builder = HttpBuilder::new().with_url(url).with_client_options(options);
                let store = Arc::new(builder.with_retry(retry).build().map_err(said)?);
                let (prefix, keeps_conditions) = (Path::default(), OnceLock::new());
                return Ok(Self { store, prefix, is_only_read: true, keeps_conditions });
            }
        };
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|error| error.to_string())?;
        Ok(Self { store, prefix, is_only_read: false, keeps_conditions: OnceLock::new() })
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }

    /// Waits for an answer, and no longer than anyone would.
    fn wait<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<Result<T, Error>, Failure> {
        Self::wait_for(0, answer)
    }

    /// As [`Bucket::wait`], while so many bytes move at most.
    fn wait_for<T>(
        bytes: u64,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, Failure> {
        let patience = patience_for(bytes);
        runtime()?
            .block_on(async { tokio::time::timeout(patience, answer).await })
            .map_err(|_| late(patience))
    }

    fn create(&self, path: &Path, bytes: Vec<u8>) -> impl Future<Output = Result<(), Error>> {
        let (store, path) = (Arc::clone(&self.store), path.clone());
        let options = PutOptions::from(PutMode::Create);
        async move { store.put_opts(&path, PutPayload::from(bytes), options).await.map(|_| ()) }
    }

    /// Whether of two puts that create one name exactly one succeeds.
    fn keeps_conditions(&self) -> Result<bool, Failure> {
        if let Some(known) = self.keeps_conditions.get() {
            return Ok(*known);
        }
        let path = self.path(&format!("{PROBES}/{}", random_token()));
        let [one, other] = [b"one".to_vec(), b"other".to_vec()].map(|bytes| self.create(&path, bytes));
        let raced = Self::wait(async { Ok(futures_util::join!(one, other)) })?.map_err(not_written)?;
        let _ = Self::wait(self.store.delete(&path));
        let keeps = match raced {
            (Ok(()), Err(error)) | (Err(error), Ok(())) if is_taken(&error) => true,
            (Ok(()), Ok(())) | (Err(Error::NotImplemented { .. } | Error::NotSupported { .. }), _) => false,
            (Err(error), _) | (_, Err(error)) => return Err(not_written(error)),
        };
        Ok(*self.keeps_conditions.get_or_init(|| keeps))
    }
}

impl Tier for Bucket {
    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path(&name.to_string());
        let too_large = || Failure::NoObject(format!("it is larger than {bytes_max} bytes"));
        let found = match Self::wait(self.store.get(&path))? {
            Ok(found) if found.meta.size > bytes_max => return Err(too_large()),
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Failure::Unreachable(said(&error))),
        };
        let size = found.meta.size;
        let read = async {
            // What a server says of a size binds nobody.
            let (mut bytes, mut parts) = (Vec::new(), found.into_stream());
            while let Some(part) = parts.next().await {
                bytes.extend_from_slice(&part?);
                if bytes.len() as u64 > bytes_max {
                    return Ok(None);
                }
            }
            Ok(Some(bytes))
        };
        match Self::wait_for(size, read)? {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            Ok(None) => Err(too_large()),
            Err(error) => Err(Failure::Unreachable(said(&error))),
        }
    }

    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<Put, Failure> {
        if self.is_only_read {
            return Err(only_read());
        }
        let path = self.path(&name.to_string());
        if self.keeps_conditions()? {
            return match Self::wait_for(bytes.len() as u64, self.create(&path, bytes.to_vec()))? {
                Ok(()) => Ok(Put::Stored),
                Err(error) if is_taken(&error) => Ok(Put::AlreadyThere),
                Err(error) => Err(not_written(error)),
            };
        }
        match Self::wait(self.store.head(&path))? {
            Ok(_) => return Ok(Put::AlreadyThere),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(not_written(error)),
        }
        self.replace(name, bytes).map(|()| Put::Stored)
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Failure> {
        if self.is_only_read {
            return Err(only_read());
        }
        let path = self.path(&name.to_string());
        let put = self.store.put(&path, PutPayload::from(bytes.to_vec()));
        Self::wait_for(bytes.len() as u64, put)?.map(|_| ()).map_err(not_written)
    }

    fn remove(&self, name: &ObjectName) -> Result<(), Failure> {
        if self.is_only_read {
            return Err(only_read());
        }
        let path = self.path(&name.to_string());
        match Self::wait(self.store.delete(&path))? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            // Some services answer oddly where there was nothing.
            Err(error) => match Self::wait(self.store.head(&path))? {
                Err(Error::NotFound { .. }) => Ok(()),
                _ => Err(not_written(error)),
            },
        }
    }

    fn list(&self, folder: &str) -> Result<Listed, Failure> {
        let prefix = self.path(folder);
        let mut listed = Listed { names: Vec::new(), is_complete: true };
        let all = async {
            let mut objects = self.store.list(Some(&prefix));
            while let Some(object) = objects.next().await {
                listed.names.extend(object?.location.filename().map(str::to_owned));
                if listed.names.len() >= LISTED_MAX {
                    listed.is_complete = false;
                    break;
                }
            }
            Ok(())
        };
        let ended = Self::wait(all);
        match ended {
            Ok(Ok(())) => Ok(listed),
            // Most web servers list nothing.
            _ if self.is_only_read => Ok(Listed { is_complete: false, ..listed }),
            Ok(Err(error)) => Err(Failure::Unreachable(said(&error))),
            // What came in time is there.
            Err(_) => Ok(Listed { is_complete: false, ..listed }),
        }
    }

    fn can_write(&self) -> Result<bool, Failure> {
        Ok(!self.is_only_read)
    }

    fn is_empty(&self) -> Result<bool, Failure> {
        if self.is_only_read {
            return Ok(false);
        }
        let first = async {
            let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
            let mut objects = self.store.list(prefix);
            while let Some(object) = objects.next().await.transpose()? {
                // Somebody else may just find out how it puts.
                if !object.location.prefix_matches(&self.path(PROBES)) {
                    return Ok(Some(object));
                }
            }
            Ok(None)
        };
        match Self::wait(first)? {
            Ok(first) => Ok(first.is_none()),
            Err(error) => Err(Failure::Unreachable(said(&error))),
        }
    }
}

/// Whether a put was refused since the name is taken.
fn is_taken(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. })
}

fn not_written(error: Error) -> Failure {
    let text = whole(&error);
    match error {
        // Some forbid what there is no room for.
        error if FULL.iter().any(|word| text.contains(word)) => Failure::Full(said(&error)),
        Error::PermissionDenied { .. } => Failure::ReadOnly(said(&error)),
        error => Failure::Unreachable(said(&error)),
    }
}

fn only_read() -> Failure {
    Failure::ReadOnly("a web server is only read".to_owned())
}

/// An error in one line that is not longer than a person reads.
fn said(error: &Error) -> String {
    whole(error).chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// An error and what caused it.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
