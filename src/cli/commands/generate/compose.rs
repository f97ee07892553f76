//! `tollgate generate compose`: a Docker Compose project with an Envoy in front.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::kit::envoy::{self, Surroundings};
use crate::kit::failure::Failure;
use crate::kit::files::{File, absolute};
use crate::kit::module::has_module;
use crate::kit::output::Output;
use crate::kit::plan::{Faults, Plan, is_loopback, of_api};
use crate::kit::template::fill;
use crate::kit::yaml::scalar;
use serde_json::Value;

/// The directory of all files inside the container.
const INSIDE: &str = "/etc/envoy/tollgate";

/// `docker-compose.yaml`, `envoy.yaml` and the files that it names. The inner error contains the errors in the plan.
pub(crate) fn files(
    plan: &Plan,
    module: &Path,
    out: &mut Output,
) -> Result<Result<Vec<File>, Faults>, Failure> {
    let all = plan.ways().map(|way| (way.place(), way.url));
    let all = all.chain(plan.apis.iter().map(|api| (of_api(&api.name), api.upstream.clone())));
    for (place, _) in all.filter(|(_, url)| is_loopback(url)) {
        out.warning(format_args!(
            "{place}: inside a container, localhost is the container itself; use the service's name, or host.docker.internal"
        ));
    }
    let inside = PathBuf::from(INSIDE);
    let around = Surroundings {
        target: "compose",
        directory: inside.clone(),
        module: inside.join("tollgate_filter.wasm"),
        roots: "/etc/ssl/certs/ca-certificates.crt".into(),
        // The container's own addresses. `ports` below decides who can reach them from outside.
        listen: SocketAddr::from(([0, 0, 0, 0], published(plan).port())),
        admin: plan.admin.unwrap_or(envoy::ADMIN),
        tls: plan.tls.as_ref().map(|_| (inside.join("tls/certificate.pem"), inside.join("tls/key.pem"))),
        shares_port: true,
        login_key: envoy::login_key()?,
    };
    let published = published(plan);
    if !has_module(module)? {
        out.warning(format_args!(
            "there is no module at {}; name another place with --module PATH",
            module.display()
        ));
    }
    plan.warn_of_exposure(published, out);
    let mut files = match envoy::files(plan, &around)? {
        Ok(files) => files,
        Err(faults) => return Ok(Err(faults)),
    };
    let has = |start: &str| files.iter().any(|file| file.path.starts_with(start));
    let mut volumes = vec![("./envoy.yaml".to_owned(), "envoy.yaml")];
    volumes.push((absolute(module)?.display().to_string(), "tollgate_filter.wasm"));
    for directory in ["secrets", "ca"] {
        if has(directory) {
            volumes.push((format!("./{directory}"), directory));
        }
    }
    if let Some((certificate, key)) = &plan.tls {
        volumes.push((absolute(certificate)?.display().to_string(), "tls/certificate.pem"));
        volumes.push((absolute(key)?.display().to_string(), "tls/key.pem"));
    }
    let volumes = volumes.iter().fold(String::new(), |text, (from, to)| {
        format!(
            "{text}- {{type: bind, source: {}, target: {}, read_only: true, bind: {{create_host_path: false}}}}\n",
            scalar_path(from),
            scalar(&format!("{INSIDE}/{to}"))
        )
    });
    let publish = Value::from(format!("{published}:{}", published.port())).to_string();
    let text = fill(
        include_str!("templates/docker-compose.yaml"),
        &[
            ("source", &plan.source),
            ("uid", &own_id().to_string()),
            ("volumes", &volumes),
            ("publish", &publish),
            ("env_file", if has("secrets.env") { "env_file: [secrets.env]" } else { "" }),
        ],
    );
    files.insert(0, File::text("docker-compose.yaml", text));
    Ok(Ok(files))
}

/// The address on which the container's host listens.
fn published(plan: &Plan) -> SocketAddr {
    plan.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)))
}

/// A path for Compose, in which `$` begins a variable.
fn scalar_path(path: &str) -> String {
    Value::from(path.replace('$', "$$")).to_string()
}

/// The user that writes the files.
fn own_id() -> u32 {
    #[cfg(target_os = "linux")]
    if let Ok(own) = std::fs::metadata("/proc/self") {
        return std::os::unix::fs::MetadataExt::uid(&own);
    }
    // The first user of most systems.
    1000
}
