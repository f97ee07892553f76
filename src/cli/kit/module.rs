//! The module that a configuration loads: a file, or an address from which a cluster fetches it.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use url::Url;

use crate::kit::failure::Failure;
use crate::kit::output::Output;

/// The address from which a cluster fetches the module.
#[derive(Debug, clap::Args)]
pub(crate) struct ModuleArgs {
    /// Load the module from this address: oci://… or https://…
    #[arg(long, value_name = "URL", default_value = PLACEHOLDER, value_parser = address)]
    module: String,
    /// Pin the module's file by its SHA-256, as 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    module_sha256: Option<String>,
}

/// The module, as Kubernetes resources name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Module<'a> {
    /// `oci://…` or `https://…`.
    pub(crate) url: &'a str,
    /// The SHA-256 of its file.
    pub(crate) sha256: Option<&'a str>,
}

impl ModuleArgs {
    /// The module, with warnings about an address that is only an example, or whose content can change.
    pub(crate) fn module(&self, out: &mut Output) -> Module<'_> {
        let Self { module, module_sha256 } = self;
        if module == PLACEHOLDER {
            out.warning(format_args!(
                "{module} is a placeholder; name the place of your module with --module"
            ));
        } else if module_sha256.is_none() && !module.contains("@sha256:") {
            out.warning(format_args!(
                "{module} is not pinned, so its content may change; pin it with --module-sha256, or with a digest in the address (…@sha256:…)"
            ));
        }
        Module { url: module, sha256: module_sha256.as_deref() }
    }
}

/// Whether the file exists. A file that is not a module is an error.
pub(crate) fn has_module(path: &Path) -> Result<bool, Failure> {
    let mut start = Vec::new();
    match File::open(path).and_then(|file| file.take(8).read_to_end(&mut start)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Failure::file("read", path, &error)),
        Ok(_) => {}
    }
    if start == *b"\0asm\x01\0\0\0" {
        return Ok(true);
    }
    let what = match start.as_slice() {
        [] => "is empty",
        [0, b'a', b's', b'm', 0x0d, ..] => "is a WebAssembly component",
        _ => "is not a WebAssembly module",
    };
    let failure = Failure::new(format_args!("{} {what}", path.display()));
    Err(failure.help("Expected the file that make build writes: tollgate_filter.wasm."))
}

fn address(text: &str) -> Result<String, String> {
    let fits = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "oci" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && !matches!(url.path(), "" | "/")
    });
    let plain = text.bytes().all(|b| b.is_ascii_graphic());
    if fits && plain { Ok(text.to_owned()) } else { Err("expected oci://… or https://…".to_owned()) }
}

fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("expected 64 hexadecimal digits, as sha256sum prints them".to_owned())
}

const PLACEHOLDER: &str = "oci://registry.example.com/tollgate:0.1.0";
