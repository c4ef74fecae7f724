//! The functions of a `mongo_crypt_v1` library, and where a symbol was loaded from.

use std::ffi::{c_char, c_int, c_void};
use std::path::PathBuf;

/// Every function that is called, by its name after `mongo_crypt_v1_`.
pub(super) struct Symbols {
    pub(super) get_version: unsafe extern "C" fn() -> u64,
    pub(super) get_version_str: unsafe extern "C" fn() -> *const c_char,
    pub(super) status_create: unsafe extern "C" fn() -> *mut c_void,
    pub(super) status_destroy: unsafe extern "C" fn(*mut c_void),
    pub(super) status_get_error: unsafe extern "C" fn(*const c_void) -> c_int,
    pub(super) status_get_code: unsafe extern "C" fn(*const c_void) -> c_int,
    pub(super) status_get_explanation: unsafe extern "C" fn(*const c_void) -> *const c_char,
    pub(super) lib_create: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    pub(super) lib_destroy: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    pub(super) query_analyzer_create: unsafe extern "C" fn(*mut c_void, *mut c_void) -> *mut c_void,
    pub(super) query_analyzer_destroy: unsafe extern "C" fn(*mut c_void),
    pub(super) analyze_query: unsafe extern "C" fn(
        *mut c_void,
        *const u8,
        *const c_char,
        u32,
        *mut u32,
        *mut c_void,
    ) -> *mut u8,
    pub(super) bson_free: unsafe extern "C" fn(*mut u8),
}

impl Symbols {
    /// Looks all of them up; `Err` names the first that is missing.
    pub(super) fn load(library: &libloading::Library) -> Result<Self, String> {
        Ok(Self {
            get_version: find(library, "get_version")?,
            get_version_str: find(library, "get_version_str")?,
            status_create: find(library, "status_create")?,
            status_destroy: find(library, "status_destroy")?,
            status_get_error: find(library, "status_get_error")?,
            status_get_code: find(library, "status_get_code")?,
            status_get_explanation: find(library, "status_get_explanation")?,
            lib_create: find(library, "lib_create")?,
            lib_destroy: find(library, "lib_destroy")?,
            query_analyzer_create: find(library, "query_analyzer_create")?,
            query_analyzer_destroy: find(library, "query_analyzer_destroy")?,
            analyze_query: find(library, "analyze_query")?,
            bson_free: find(library, "bson_free")?,
        })
    }

    /// Where the library was loaded from.
    pub(super) fn path(&self) -> Option<PathBuf> {
        path_of(self.get_version as *const ())
    }
}

fn find<T: Copy>(library: &libloading::Library, name: &str) -> Result<T, String> {
    let name = format!("mongo_crypt_v1_{name}");
    // SAFETY: `T` is the type that the public header of such libraries gives to this name.
    let symbol = unsafe { library.get::<T>(name.as_bytes()) };
    symbol.map(|symbol| *symbol).map_err(|_| name)
}

/// Whether a library is this one, or another that takes its place.
pub(super) fn is_mongocrypt(library: &libloading::Library) -> bool {
    // SAFETY: the symbol is looked for and never called.
    unsafe { library.get::<*const ()>(b"mongocrypt_version\0") }.is_ok()
}

/// The file that a function was loaded from.
#[cfg(unix)]
pub(super) fn path_of(function: *const ()) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;

    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `dladdr` takes any address, and fills `info` if it returns other than zero.
    let file_name = unsafe {
        if libc::dladdr(function.cast(), info.as_mut_ptr()) == 0 {
            return None;
        }
        info.assume_init().dli_fname
    };
    if file_name.is_null() {
        return None;
    }
    // SAFETY: the loader keeps the name, NUL-terminated, while the library is loaded.
    let name = unsafe { std::ffi::CStr::from_ptr(file_name) };
    std::path::absolute(std::ffi::OsStr::from_bytes(name.to_bytes())).ok()
}

/// The file that a function was loaded from.
#[cfg(not(unix))]
pub(super) fn path_of(_: *const ()) -> Option<PathBuf> {
    None
}
