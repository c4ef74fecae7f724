//! Whether a KMS provider can do what it is there for.

use std::time::{Duration, Instant};

use bson::{Document, RawDocumentBuf, doc};
use fieldveil_core::{DataKeyOptions, ExplicitOptions, KeyId};

use super::ClientEncryption;
use crate::{
    engine::KeySource,
    error::{Error, Result},
};

/// How long a provider took.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ProviderCheck {
    /// To wrap a data key, with fetching credentials.
    pub wrap: Duration,
    /// To unwrap it.
    pub unwrap: Duration,
}

impl ClientEncryption {
    /// Wraps and unwraps a data key with this provider and master key, and stores nothing.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// let check = keys.check_provider("local", bson::doc! {}).await?;
    /// println!("wraps in {:?}, unwraps in {:?}", check.wrap, check.unwrap);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Whatever keeps the provider from doing it: a wrong master key, missing permission,
    /// credentials, the network.
    pub async fn check_provider(
        &self,
        provider: &str,
        master_key: Document,
    ) -> Result<ProviderCheck> {
        let mut with_provider = doc! { "provider": provider };
        with_provider.extend(master_key);
        let options = DataKeyOptions {
            master_key: Some(RawDocumentBuf::try_from(&with_provider)?),
            ..DataKeyOptions::default()
        };
        let started = Instant::now();
        let key = self.engine.run(|crypt, env| crypt.create_data_key(options, env)).await?;
        let wrap = started.elapsed();

        // Encrypting under the key makes core unwrap it; the key is given instead of looked up.
        let id = key.get_binary("_id").map_err(|_| Error::Shape { field: "_id" })?;
        let options = ExplicitOptions {
            key_id: KeyId::from_slice(id.bytes),
            algorithm: Some(fieldveil_core::Algorithm::Random),
            ..ExplicitOptions::default()
        };
        let value = RawDocumentBuf::try_from(&doc! { "v": "check" })?;
        let started = Instant::now();
        self.engine
            .run_with(KeySource::Given(&key), |crypt, env| {
                crypt.encrypt_value(&value, &options, env)
            })
            .await?;
        Ok(ProviderCheck { wrap, unwrap: started.elapsed() })
    }
}
