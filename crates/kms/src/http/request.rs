//! Writes a request.

use zeroize::Zeroizing;

use crate::{KmsError, SecretBytes};

/// A `POST` with its headers, which may carry credentials.
pub(crate) struct HttpRequest {
    target: String,
    headers: Vec<(&'static str, Zeroizing<String>)>,
    body: Zeroizing<String>,
}

impl HttpRequest {
    /// `target` is the path with its query.
    pub(crate) fn post(target: impl Into<String>, host: &str, body: Zeroizing<String>) -> Self {
        let mut request = Self { target: target.into(), headers: Vec::new(), body };
        request.push("Connection", "close");
        request.push("Host", host);
        request.push("Content-Length", &request.body.len().to_string());
        request
    }

    /// Adds a header whose value is fixed by us.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.push(name, value);
        self
    }

    /// Adds a header whose value comes from options.
    ///
    /// # Errors
    /// `HeaderCharacter` if it would end the header.
    pub(crate) fn with_checked(self, name: &'static str, value: &str) -> Result<Self, KmsError> {
        if value.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(KmsError::HeaderCharacter(name));
        }
        Ok(self.with(name, value))
    }

    /// The headers in the order in which they are sent.
    pub(crate) fn sorted_headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        headers
    }

    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    /// Writes it, with `authorization` after the sorted headers.
    pub(crate) fn write(&self, authorization: Option<&str>) -> SecretBytes {
        let headers = self.sorted_headers();
        let length =
            headers.iter().map(|(name, value)| name.len() + value.len() + 3).sum::<usize>()
                + self.target.len()
                + authorization.map_or(0, str::len)
                + self.body.len()
                + 64;
        // Large enough at once: growing would leave copies behind.
        let mut out = Zeroizing::new(String::with_capacity(length));
        out.push_str("POST ");
        out.push_str(&self.target);
        out.push_str(" HTTP/1.1\r\n");
        for (name, value) in headers {
            out.push_str(name);
            out.push(':');
            out.push_str(value);
            out.push_str("\r\n");
        }
        if let Some(authorization) = authorization {
            out.push_str("Authorization: ");
            out.push_str(authorization);
            out.push_str("\r\n");
        }
        out.push_str("\r\n");
        out.push_str(&self.body);
        SecretBytes::new(std::mem::take(&mut *out).into_bytes())
    }

    fn push(&mut self, name: &'static str, value: &str) {
        self.headers.push((name, Zeroizing::new(value.to_owned())));
    }
}
