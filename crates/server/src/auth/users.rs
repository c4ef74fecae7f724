//! All users, in memory, written through to the store.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use bson::rawdoc;
use fieldveil_store::{
    DeleteStatement, FindOptions, Namespace, Store, StoreError, UpdateStatement, WriteOptions,
};

use crate::auth::user::{User, UserName};

/// Database and collection of the users.
pub(crate) const NAMESPACE: (&str, &str) = ("admin", "system.users");

/// The users of a server.
#[derive(Debug)]
pub(crate) struct Users {
    known: RwLock<HashMap<UserName, Arc<User>>>,
    /// Makes the salts of users that do not exist.
    pub(crate) secret: [u8; 32],
}

impl Users {
    /// Reads the users of a store.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut known = HashMap::new();
        for document in store.find(&namespace()?, FindOptions::default())? {
            let document = document?;
            match User::from_document(&document) {
                Some(user) => {
                    known.insert(user.name.clone(), Arc::new(user));
                }
                None => tracing::warn!("a document in admin.system.users is no user; ignored"),
            }
        }
        let mut secret = [0; 32];
        // Without randomness the salts of unknown users can be told apart, which lets nobody in.
        let _ = getrandom::fill(&mut secret);
        Ok(Self { known: RwLock::new(known), secret })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn find(&self, name: &UserName) -> Option<Arc<User>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All users by database and name.
    pub(crate) fn all(&self) -> Vec<Arc<User>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<User>> = known.values().cloned().collect();
        all.sort_by(|left, right| {
            (&left.name.database, &left.name.user).cmp(&(&right.name.database, &right.name.user))
        });
        all
    }

    /// Stores a user, new or changed.
    ///
    /// # Errors
    /// What the store says; the user stays as it was then.
    pub(crate) fn save(&self, store: &Store, user: User) -> Result<(), StoreError> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut statement =
            UpdateStatement::one(rawdoc! { "_id": user.name.id() }, user.to_document());
        statement.upsert = true;
        let outcome = store.update(&namespace()?, vec![statement], &WriteOptions::default())?;
        if let Some(failed) = outcome.errors.into_iter().next() {
            return Err(failed.error);
        }
        known.insert(user.name.clone(), Arc::new(user));
        Ok(())
    }

    /// Removes the users that `is_chosen` says; gives how many there were.
    ///
    /// # Errors
    /// What the store says; nobody is removed then.
    pub(crate) fn remove(
        &self,
        store: &Store,
        is_chosen: impl Fn(&UserName) -> bool,
    ) -> Result<usize, StoreError> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let statements: Vec<DeleteStatement> = known
            .keys()
            .filter(|name| is_chosen(name))
            .map(|name| DeleteStatement {
                filter: rawdoc! { "_id": name.id() },
                only_one: true,
                hint: None,
                collation: None,
            })
            .collect();
        let count = statements.len();
        if count > 0 {
            let outcome = store.delete(&namespace()?, statements, &WriteOptions::default())?;
            if let Some(failed) = outcome.errors.into_iter().next() {
                return Err(failed.error);
            }
        }
        known.retain(|name, _| !is_chosen(name));
        Ok(count)
    }
}

fn namespace() -> Result<Namespace, StoreError> {
    Namespace::new(NAMESPACE.0, NAMESPACE.1)
}
