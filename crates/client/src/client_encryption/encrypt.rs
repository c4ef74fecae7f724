//! Values and expressions encrypted explicitly.

use bson::{Binary, Bson, Document, RawDocumentBuf, doc};
use fieldveil_core::{ExplicitOptions, KeyId};

use super::{
    Algorithm, ClientEncryption, EncryptKey, QueryType, RangeOptions, TextOptions,
    algorithm::check_key_id,
};
use crate::{
    action::{Pending, awaitable, opaque_debug},
    error::{Error, Result},
};

impl ClientEncryption {
    /// Encrypts one value to a BSON binary of subtype 6.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
    /// use fieldveil::Algorithm;
    /// let secret = keys.encrypt("123-12-1234", "example", Algorithm::Deterministic).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// For Queryable Encryption the result is a payload: to be inserted, or with a
    /// [`query_type`](Encrypt::query_type) to be compared with.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption, id: bson::Binary) -> fieldveil::Result<()> {
    /// use fieldveil::{Algorithm, QueryType};
    /// let payload = keys
    ///     .encrypt("123-12-1234", id, Algorithm::Indexed)
    ///     .query_type(QueryType::Equality)
    ///     .contention_factor(8)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the key is unknown or cannot be unwrapped, the value's type cannot be encrypted with this
    /// algorithm, or the options do not go together.
    pub fn encrypt(
        &self,
        value: impl Into<Bson>,
        key: impl Into<EncryptKey>,
        algorithm: Algorithm,
    ) -> Encrypt<'_> {
        let options = Options::new(key.into(), algorithm);
        Encrypt { keys: self, value: value.into(), options }
    }

    /// Encrypts the bounds of a range query: of a filter, as `{$and: [{age: {$gte: 18}}, {age:
    /// {$lt: 65}}]}`, or of an aggregation expression, as `{$and: [{$gte: ["$age", 18]}, ..]}`. The
    /// algorithm is [`Algorithm::Range`], the query type [`QueryType::Range`].
    ///
    /// ```no_run
    /// # use bson::{Bson, doc};
    /// # async fn run(keys: fieldveil::ClientEncryption, id: bson::Binary) -> fieldveil::Result<()> {
    /// use fieldveil::RangeOptions;
    /// let adults = keys
    ///     .encrypt_expression(doc! { "$and": [{ "age": { "$gte": 18 } }] }, id)
    ///     .contention_factor(8)
    ///     .range(RangeOptions {
    ///         min: Some(Bson::Int32(0)),
    ///         max: Some(Bson::Int32(150)),
    ///         ..RangeOptions::default()
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt); and if the expression has another shape.
    pub fn encrypt_expression(
        &self,
        expression: Document,
        key: impl Into<EncryptKey>,
    ) -> EncryptExpression<'_> {
        let mut options = Options::new(key.into(), Algorithm::Range);
        options.query_type = Some(QueryType::Range);
        EncryptExpression { keys: self, expression, options }
    }

    /// Decrypts a BSON binary of subtype 6. The key and the algorithm are named inside.
    ///
    /// ```no_run
    /// # async fn run(keys: fieldveil::ClientEncryption, secret: bson::Binary) -> fieldveil::Result<()> {
    /// let value = keys.decrypt(&secret).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the key is unknown or cannot be unwrapped, or the ciphertext was changed.
    pub fn decrypt<'a>(&'a self, value: &'a Binary) -> Pending<'a, Bson> {
        Pending::new(async move {
            let value = RawDocumentBuf::try_from(&doc! { "v": value.clone() })?;
            let decrypted = self.engine.run(|crypt, env| crypt.decrypt_value(&value, env)).await?;
            Document::try_from(decrypted.as_ref())?.remove("v").ok_or(Error::Shape { field: "v" })
        })
    }
}

/// What both kinds of explicit encryption are told.
struct Options {
    key: EncryptKey,
    algorithm: Algorithm,
    index_key: Option<Binary>,
    contention_factor: Option<i64>,
    query_type: Option<QueryType>,
    range: Option<RangeOptions>,
    text: Option<TextOptions>,
}

impl Options {
    fn new(key: EncryptKey, algorithm: Algorithm) -> Self {
        Self {
            key,
            algorithm,
            index_key: None,
            contention_factor: None,
            query_type: None,
            range: None,
            text: None,
        }
    }

    fn to_core(&self) -> Result<ExplicitOptions> {
        let mut options = ExplicitOptions {
            algorithm: Some(self.algorithm.to_core()),
            contention_factor: self.contention_factor,
            query_type: self.query_type,
            range: self.range.as_ref().map(RangeOptions::to_core).transpose()?,
            text: self.text.map(TextOptions::to_core).transpose()?,
            index_key_id: self.index_key.as_ref().map(key_id).transpose()?,
            ..ExplicitOptions::default()
        };
        match &self.key {
            EncryptKey::Id(id) => options.key_id = Some(key_id(id)?),
            EncryptKey::AltName(name) => options.key_alt_names.push(name.clone()),
        }
        Ok(options)
    }
}

fn key_id(id: &Binary) -> Result<KeyId> {
    check_key_id(id)?;
    KeyId::from_slice(&id.bytes).ok_or(Error::Shape { field: "_id" })
}

/// The setters that both kinds of explicit encryption have.
macro_rules! index_setters {
    () => {
        /// How many writers of the same value can go on side by side; must be the one in the
        /// collection's `encryptedFields`. Required for indexed algorithms.
        pub fn contention_factor(mut self, factor: i64) -> Self {
            self.options.contention_factor = Some(factor);
            self
        }

        /// The key of the index, if it is not the key of the value.
        pub fn index_key(mut self, id: Binary) -> Self {
            self.options.index_key = Some(id);
            self
        }

        /// The range index. Required for [`Algorithm::Range`].
        pub fn range(mut self, range: RangeOptions) -> Self {
            self.options.range = Some(range);
            self
        }
    };
}

/// A pending encryption of a value, made by [`ClientEncryption::encrypt`].
#[must_use]
pub struct Encrypt<'a> {
    keys: &'a ClientEncryption,
    value: Bson,
    options: Options,
}

impl<'a> Encrypt<'a> {
    index_setters!();

    /// Encrypts to look for the value, in this way, instead of to store it.
    pub fn query_type(mut self, query_type: QueryType) -> Self {
        self.options.query_type = Some(query_type);
        self
    }

    /// The text indexes. Required for [`Algorithm::String`].
    pub fn text(mut self, text: TextOptions) -> Self {
        self.options.text = Some(text);
        self
    }

    async fn execute(self) -> Result<Binary> {
        let value = RawDocumentBuf::try_from(&doc! { "v": self.value })?;
        let options = self.options.to_core()?;
        let engine = &self.keys.engine;
        let encrypted = engine.run(|crypt, env| crypt.encrypt_value(&value, &options, env)).await?;
        match Document::try_from(encrypted.as_ref())?.remove("v") {
            Some(Bson::Binary(binary)) => Ok(binary),
            _ => Err(Error::Shape { field: "v" }),
        }
    }
}

awaitable!(['a] Encrypt<'a> => Binary);
opaque_debug!([] Encrypt<'_>);

/// A pending encryption of a range query, made by [`ClientEncryption::encrypt_expression`].
#[must_use]
pub struct EncryptExpression<'a> {
    keys: &'a ClientEncryption,
    expression: Document,
    options: Options,
}

impl<'a> EncryptExpression<'a> {
    index_setters!();

    async fn execute(self) -> Result<Document> {
        let expression = RawDocumentBuf::try_from(&doc! { "v": self.expression })?;
        let options = self.options.to_core()?;
        let engine = &self.keys.engine;
        let encrypted =
            engine.run(|crypt, env| crypt.encrypt_expression(&expression, &options, env)).await?;
        match Document::try_from(encrypted.as_ref())?.remove("v") {
            Some(Bson::Document(document)) => Ok(document),
            _ => Err(Error::Shape { field: "v" }),
        }
    }
}

awaitable!(['a] EncryptExpression<'a> => Document);
opaque_debug!([] EncryptExpression<'_>);
