//! A user, as kept in `admin.system.users`.

use bson::{
    RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc, spec::BinarySubtype,
};
use zeroize::Zeroizing;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::{
    auth::{
        role::Role,
        scram::{Credential, Mechanism, ScramError},
    },
    table::Access,
};

/// A user's name, and the database it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UserName {
    pub(crate) user: String,
    pub(crate) database: String,
}

impl UserName {
    pub(crate) fn new(user: impl Into<String>, database: impl Into<String>) -> Self {
        Self { user: user.into(), database: database.into() }
    }

    /// The `_id` of the stored document.
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.database, self.user)
    }
}

impl std::fmt::Display for UserName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}", self.user, self.database)
    }
}

/// A user.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: UserName,
    pub(crate) uuid: [u8; 16],
    pub(crate) roles: Vec<Role>,
    pub(crate) custom_data: Option<RawDocumentBuf>,
    pub(crate) credentials: Vec<(Mechanism, Credential)>,
}

impl User {
    /// Whether one of the roles allows `access` to `database`.
    pub(crate) fn may(&self, access: Access, database: &str) -> bool {
        self.roles.iter().any(|role| role.allows(access, database))
    }

    pub(crate) fn credential(&self, mechanism: Mechanism) -> Option<&Credential> {
        self.credentials.iter().find(|(its, _)| *its == mechanism).map(|(_, found)| found)
    }

    /// Replaces the password.
    pub(crate) fn set_password(
        &mut self,
        password: &str,
        mechanisms: &[Mechanism],
    ) -> Result<(), ScramError> {
        let mut credentials = Vec::new();
        for &mechanism in mechanisms {
            credentials.push((mechanism, Credential::new(mechanism, &self.name.user, password)?));
        }
        self.credentials = credentials;
        Ok(())
    }

    /// As stored.
    pub(crate) fn to_document(&self) -> RawDocumentBuf {
        let mut credentials = RawDocumentBuf::new();
        for (mechanism, credential) in &self.credentials {
            let name = match mechanism {
                Mechanism::Sha1 => cstr!("SCRAM-SHA-1"),
                Mechanism::Sha256 => cstr!("SCRAM-SHA-256"),
            };
            credentials.append(name, credential_document(credential));
        }
        let mut document = rawdoc! {
            "_id": self.name.id(),
            "userId": bson::Binary { subtype: BinarySubtype::Uuid, bytes: self.uuid.to_vec() },
            "user": self.name.user.as_str(),
            "db": self.name.database.as_str(),
            "credentials": credentials,
        };
        if let Some(data) = &self.custom_data {
            document.append(cstr!("customData"), data.clone());
        }
        document.append(cstr!("roles"), roles_array(&self.roles));
        document
    }

    /// As `usersInfo` shows it.
    pub(crate) fn describe(&self, with_credentials: bool) -> RawDocumentBuf {
        let stored = self.to_document();
        let mut shown = RawDocumentBuf::new();
        for (name, value) in stored.iter().flatten() {
            if name.as_str() != "credentials" || with_credentials {
                shown.append(name, value);
            }
        }
        let mechanisms: RawArrayBuf =
            self.credentials.iter().map(|(mechanism, _)| mechanism.name()).collect();
        shown.append(cstr!("mechanisms"), mechanisms);
        shown
    }

    /// Reads a stored document; nothing when it is not one of ours.
    pub(crate) fn from_document(document: &RawDocument) -> Option<Self> {
        let name = UserName::new(document.get_str("user").ok()?, document.get_str("db").ok()?);
        let uuid = document.get_binary("userId").ok()?.bytes.try_into().ok()?;
        let mut roles = Vec::new();
        for role in document.get_array("roles").ok()?.into_iter().flatten() {
            let role = role.as_document()?;
            roles.push(Role::find(role.get_str("role").ok()?, role.get_str("db").ok()?)?);
        }
        let mut credentials = Vec::new();
        for (mechanism, value) in document.get_document("credentials").ok()?.iter().flatten() {
            let mechanism = Mechanism::from_name(mechanism.as_str())?;
            credentials.push((mechanism, parse_credential(value.as_document()?)?));
        }
        Some(Self {
            name,
            uuid,
            roles,
            custom_data: document.get_document("customData").ok().map(ToOwned::to_owned),
            credentials,
        })
    }
}

/// Roles as documents.
pub(crate) fn roles_array(roles: &[Role]) -> RawArrayBuf {
    roles.iter().map(|role| rawdoc! { "role": role.name, "db": role.database.as_str() }).collect()
}

fn credential_document(credential: &Credential) -> RawDocumentBuf {
    rawdoc! {
        "iterationCount": i32::try_from(credential.rounds).unwrap_or(i32::MAX),
        "salt": BASE64.encode(&credential.salt),
        "storedKey": BASE64.encode(&*credential.stored_key),
        "serverKey": BASE64.encode(&*credential.server_key),
    }
}

fn parse_credential(document: &RawDocument) -> Option<Credential> {
    let bytes = |name| match document.get(name) {
        Ok(Some(RawBsonRef::String(text))) => BASE64.decode(text).ok(),
        _ => None,
    };
    Some(Credential {
        rounds: u32::try_from(document.get_i32("iterationCount").ok()?).ok()?,
        salt: bytes("salt")?,
        stored_key: Zeroizing::new(bytes("storedKey")?),
        server_key: Zeroizing::new(bytes("serverKey")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        let mut user = User {
            name: UserName::new("sophia", "app"),
            uuid: [7; 16],
            roles: vec![Role::find("readWrite", "app").unwrap()],
            custom_data: Some(rawdoc! { "a": 1 }),
            credentials: Vec::new(),
        };
        user.set_password("pencil", &Mechanism::ALL).unwrap();
        user
    }

    #[test]
    fn a_stored_user_reads_back() {
        let stored = user().to_document();
        let read = User::from_document(&stored).unwrap();
        assert_eq!(read.to_document(), stored);
        assert!(read.may(Access::Write, "app") && !read.may(Access::Write, "other"));
    }

    #[test]
    fn credentials_are_shown_only_when_asked_for() {
        assert!(user().describe(false).get("credentials").unwrap().is_none());
        assert!(user().describe(true).get("credentials").unwrap().is_some());
        assert!(!format!("{:?}", user()).contains("storedKey"));
    }
}
