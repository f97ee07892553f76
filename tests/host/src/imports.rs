//! The calls that a module can make: proxy-wasm's, and the part of WASI that Envoy has.

use std::time::Duration;

use wasmi::{Caller, Engine, Error, Extern, Linker, Memory, Module};

use crate::abi::{Buffer, Map, Status, deserialize, serialize};
use crate::foreign::{sign, verify_signature};
use crate::host::{Afterwards, Call, Host, LogLine, Timer};

/// All calls that the host has; those that the module imports besides trap when they are made.
pub(crate) fn linker(engine: &Engine, module: &Module) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    proxy(&mut linker).expect("every call has its own name");
    wasi(&mut linker).expect("every call has its own name");
    for import in module.imports() {
        let (module, name) = (import.module().to_owned(), import.name().to_owned());
        if let Some(signature) = import.ty().func() {
            let what = format!("{module}.{name} is not a call that this host has");
            // Those that are there already stay: a second definition is an error, which is well.
            let _ = linker
                .func_new(&module, &name, signature.clone(), move |_, _, _| Err(Error::new(what.clone())));
        }
    }
    linker
}

/// A module in the middle of a host call.
struct Guest<'a>(Caller<'a, Host>);

impl Guest<'_> {
    fn host(&mut self) -> &mut Host {
        self.0.data_mut()
    }

    fn memory(&self) -> Option<Memory> {
        self.0.get_export("memory").and_then(Extern::into_memory)
    }

    fn read(&self, at: u32, length: u32) -> Option<Vec<u8>> {
        let end = (at as usize).checked_add(length as usize)?;
        Some(self.memory()?.data(&self.0).get(at as usize..end)?.to_vec())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Option<()> {
        self.memory()?.write(&mut self.0, at as usize, bytes).ok()
    }

    fn write_u32(&mut self, at: u32, number: usize) -> Option<()> {
        self.write(at, &u32::try_from(number).ok()?.to_le_bytes())
    }

    /// Hands bytes over in memory that the module allocates.
    fn give(&mut self, bytes: &[u8], pointer_at: u32, length_at: u32) -> Option<()> {
        let mut at = 0;
        if !bytes.is_empty() {
            let allocate = self.0.get_export("proxy_on_memory_allocate").and_then(Extern::into_func)?;
            let allocate = allocate.typed::<u32, u32>(&self.0).ok()?;
            at = allocate.call(&mut self.0, u32::try_from(bytes.len()).ok()?).ok()?;
            let entries = &mut self.0.data_mut().crossings.entries;
            *entries.entry("proxy_on_memory_allocate".to_owned()).or_default() += 1;
            self.write(at, bytes)?;
        }
        self.write_u32(pointer_at, at as usize)?;
        self.write_u32(length_at, bytes.len())
    }

    fn text(&self, at: u32, length: u32) -> Option<String> {
        self.read(at, length).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Bytes that are not within the module's memory.
fn status(result: Option<Status>) -> u32 {
    result.unwrap_or(Status::InvalidMemoryAccess) as u32
}

/// One host call: counted, and a status comes back.
macro_rules! call {
    ($linker:ident, $name:literal, |$guest:ident $(, $argument:ident: $kind:ty)*| $body:expr) => {
        $linker.func_wrap("env", $name, |caller: Caller<'_, Host> $(, $argument: $kind)*| -> u32 {
            #[allow(unused_mut, reason = "not every call changes something")]
            let mut $guest = Guest(caller);
            $guest.host().crossed($name);
            #[allow(unused_mut, reason = "not every call changes something")]
            let mut run = || -> Option<Status> { $body };
            status(run())
        })?
    };
}

#[allow(clippy::too_many_lines, reason = "a list of short calls")]
fn proxy(linker: &mut Linker<Host>) -> Result<(), wasmi::errors::LinkerError> {
    call!(linker, "proxy_log", |guest, level: u32, at: u32, length: u32| {
        let text = guest.text(at, length)?;
        guest.host().log.push(LogLine { level, text });
        Some(Status::Ok)
    });
    call!(linker, "proxy_get_log_level", |guest, level_at: u32| {
        let level = guest.host().log_level;
        guest.write_u32(level_at, level)?;
        Some(Status::Ok)
    });
    call!(linker, "proxy_get_current_time_nanoseconds", |guest, time_at: u32| {
        let now = guest.host().wall;
        guest.write(time_at, &now.to_le_bytes())?;
        Some(Status::Ok)
    });
    call!(linker, "proxy_set_tick_period_milliseconds", |guest, period: u32| {
        let period = u64::from(period) * 1_000_000;
        let host = guest.host();
        let root = host.root();
        if period == 0 {
            host.timers.remove(&root);
        } else {
            let due = host.monotonic + period;
            host.timers.insert(root, Timer { period, due });
        }
        Some(Status::Ok)
    });
    call!(linker, "proxy_get_buffer_bytes", |guest,
                                             kind: u32,
                                             start: u32,
                                             max: u32,
                                             at: u32,
                                             length_at: u32| {
        let Some(kind) = Buffer::from_number(kind) else { return Some(Status::BadArgument) };
        let Some(bytes) = guest.host().buffer(kind) else { return Some(Status::NotFound) };
        if start.checked_add(max).is_none() {
            return Some(Status::BadArgument);
        }
        let rest = bytes.get(start as usize..).unwrap_or_default();
        let part = rest.get(..max as usize).unwrap_or(rest);
        guest.give(part, at, length_at)?;
        Some(Status::Ok)
    });
    call!(linker, "proxy_set_buffer_bytes", |guest,
                                             kind: u32,
                                             start: u32,
                                             length: u32,
                                             at: u32,
                                             size: u32| {
        let data = guest.read(at, size)?;
        let Some(kind) = Buffer::from_number(kind) else { return Some(Status::BadArgument) };
        Some(guest.host().set_buffer(kind, start, length, &data))
    });
    call!(linker, "proxy_get_header_map_pairs", |guest, map: u32, at: u32, length_at: u32| {
        let Some(map) = Map::from_number(map) else { return Some(Status::BadArgument) };
        let fields = guest.host().map(map).cloned().unwrap_or_default();
        let bytes = if fields.is_empty() { Vec::new() } else { serialize(&fields) };
        guest.give(&bytes, at, length_at)?;
        Some(Status::Ok)
    });
    call!(linker, "proxy_set_header_map_pairs", |guest, map: u32, at: u32, length: u32| {
        let Some(fields) = deserialize(&guest.read(at, length)?) else { return Some(Status::BadArgument) };
        let Some(map) = Map::from_number(map) else { return Some(Status::BadArgument) };
        let Some(target) = guest.host().writable_map(map) else { return Some(Status::BadArgument) };
        *target = fields;
        Some(Status::Ok)
    });
    call!(
        linker,
        "proxy_get_header_map_value",
        |guest, map: u32, name: u32, name_len: u32, at: u32, length_at: u32| {
            let name = guest.read(name, name_len)?;
            let Some(map) = Map::from_number(map) else { return Some(Status::BadArgument) };
            let Some(fields) = guest.host().map(map) else { return Some(Status::BadArgument) };
            // The first line alone, however many there are.
            let value = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
            let Some(value) = value.map(|(_, value)| value.clone()) else { return Some(Status::NotFound) };
            guest.give(&value, at, length_at)?;
            Some(Status::Ok)
        }
    );
    call!(
        linker,
        "proxy_add_header_map_value",
        |guest, map: u32, name: u32, name_len: u32, value: u32, value_len: u32| {
            let (name, value) =
                (guest.read(name, name_len)?.to_ascii_lowercase(), guest.read(value, value_len)?);
            let Some(map) = Map::from_number(map) else { return Some(Status::BadArgument) };
            let Some(fields) = guest.host().writable_map(map) else { return Some(Status::BadArgument) };
            fields.push((name, value));
            Some(Status::Ok)
        }
    );
    call!(
        linker,
        "proxy_replace_header_map_value",
        |guest, map: u32, name: u32, name_len: u32, value: u32, value_len: u32| {
            let (name, value) =
                (guest.read(name, name_len)?.to_ascii_lowercase(), guest.read(value, value_len)?);
            let Some(map) = Map::from_number(map) else { return Some(Status::BadArgument) };
            let Some(fields) = guest.host().writable_map(map) else { return Some(Status::BadArgument) };
            let place = fields.iter().position(|(known, _)| *known == name).unwrap_or(fields.len());
            fields.retain(|(known, _)| *known != name);
            fields.insert(place.min(fields.len()), (name, value));
            Some(Status::Ok)
        }
    );
    call!(linker, "proxy_remove_header_map_value", |guest, map: u32, name: u32, name_len: u32| {
        let name = guest.read(name, name_len)?.to_ascii_lowercase();
        let Some(map) = Map::from_number(map) else { return Some(Status::BadArgument) };
        let Some(fields) = guest.host().writable_map(map) else { return Some(Status::BadArgument) };
        fields.retain(|(known, _)| *known != name);
        Some(Status::Ok)
    });
    call!(linker, "proxy_get_property", |guest, path: u32, path_len: u32, at: u32, length_at: u32| {
        let path = guest.read(path, path_len)?;
        let host = guest.host();
        let own = host.stream().and_then(|stream| stream.properties.get(&path).cloned());
        let Some(value) = own.or_else(|| host.attributes.get(&path).cloned()) else {
            return Some(Status::NotFound);
        };
        guest.give(&value, at, length_at)?;
        Some(Status::Ok)
    });
    call!(linker, "proxy_set_property", |guest, path: u32, path_len: u32, at: u32, length: u32| {
        let (path, value) = (guest.read(path, path_len)?, guest.read(at, length)?);
        if guest.host().taken.contains(&path) {
            return Some(Status::BadArgument);
        }
        let Some(stream) = guest.host().stream() else { return Some(Status::NotFound) };
        stream.properties.insert(path, value);
        Some(Status::Ok)
    });
    call!(linker, "proxy_get_shared_data", |guest,
                                            key: u32,
                                            key_len: u32,
                                            at: u32,
                                            length_at: u32,
                                            cas_at: u32| {
        let key = guest.read(key, key_len)?;
        let found = guest.host().shared.slots().get(&key);
        let Some((value, cas)) = found else { return Some(Status::NotFound) };
        guest.give(&value, at, length_at)?;
        guest.write(cas_at, &cas.to_le_bytes())?;
        Some(Status::Ok)
    });
    call!(linker, "proxy_set_shared_data", |guest,
                                            key: u32,
                                            key_len: u32,
                                            at: u32,
                                            length: u32,
                                            cas: u32| {
        let (key, value) = (guest.read(key, key_len)?, guest.read(at, length)?);
        let written = guest.host().shared.slots().set(key, value, cas);
        Some(written)
    });
    call!(linker, "proxy_continue_stream", |guest, kind: u32| {
        let host = guest.host();
        let context = host.context();
        if let Some(stream) = host.stream() {
            stream.open = false;
            stream.trailers_open = false;
            if kind == 0 {
                host.afterwards.push_back((context, Afterwards::Resume));
            }
        }
        Some(if kind > 1 { Status::BadArgument } else { Status::Ok })
    });
    call!(linker, "proxy_close_stream", |guest, kind: u32| {
        let host = guest.host();
        let context = host.context();
        if host.stream().is_some() && kind <= 1 {
            host.afterwards.push_back((context, Afterwards::Reset));
        }
        Some(if kind > 3 { Status::BadArgument } else { Status::Ok })
    });
    call!(
        linker,
        "proxy_send_local_response",
        |guest,
         code: u32,
         _details: u32,
         _details_len: u32,
         body: u32,
         body_len: u32,
         head: u32,
         head_len: u32,
         grpc_status: i32| {
            let body = guest.read(body, body_len)?;
            let Some(head) = deserialize(&guest.read(head, head_len)?) else {
                return Some(Status::BadArgument);
            };
            let host = guest.host();
            let context = host.context();
            if host.stream().is_some() {
                let reply = Afterwards::Reply { status: code, head, body, grpc_status };
                host.afterwards.push_back((context, reply));
            }
            host.stop_iteration = true;
            Some(Status::Ok)
        }
    );
    call!(linker, "proxy_http_call", |guest,
                                      cluster: u32,
                                      cluster_len: u32,
                                      head: u32,
                                      head_len: u32,
                                      body: u32,
                                      body_len: u32,
                                      _trailers: u32,
                                      _trailers_len: u32,
                                      timeout: u32,
                                      id_at: u32| {
        let cluster = guest.text(cluster, cluster_len)?;
        let (head, body) = (guest.read(head, head_len)?, guest.read(body, body_len)?);
        guest.write_u32(id_at, 0)?;
        let Some(mut head) = deserialize(&head) else { return Some(Status::BadArgument) };
        let has = |name: &[u8]| head.iter().any(|(known, value)| known == name && !value.is_empty());
        let host = guest.host();
        if host.unknown_clusters.contains(&cluster)
            || !(has(b":method") && has(b":path") && has(b":authority"))
        {
            return Some(Status::BadArgument);
        }
        if host.refusing_clusters.contains(&cluster) {
            return Some(Status::InternalFailure);
        }
        if !body.is_empty() {
            head.retain(|(name, _)| name != b"content-length");
            head.push((b"content-length".to_vec(), body.len().to_string().into_bytes()));
        }
        host.last_call += 1;
        let id = host.last_call;
        let timeout = Duration::from_millis(u64::from(timeout));
        let owner = host.context();
        host.calls.insert(id, Call { id, owner, cluster, head, body, timeout });
        guest.write_u32(id_at, id as usize)?;
        Some(Status::Ok)
    });
    call!(linker, "proxy_set_effective_context", |guest, context: u32| {
        let host = guest.host();
        if !host.knows(context) {
            return Some(Status::BadArgument);
        }
        host.effective = context;
        Some(Status::Ok)
    });
    call!(linker, "proxy_define_metric", |guest, kind: u32, name: u32, name_len: u32, id_at: u32| {
        let name = guest.text(name, name_len)?;
        let host = guest.host();
        if kind > 2 {
            return Some(Status::BadArgument);
        }
        host.values.entry(name.clone()).or_default();
        host.metrics.push((name, kind));
        let id = host.metrics.len();
        guest.write_u32(id_at, id)?;
        Some(Status::Ok)
    });
    call!(linker, "proxy_increment_metric", |guest, id: u32, offset: i64| {
        let host = guest.host();
        let Some((name, kind)) = host.metrics.get((id as usize).wrapping_sub(1)) else {
            return Some(Status::NotFound);
        };
        if *kind == 0 && offset < 0 {
            return Some(Status::BadArgument);
        }
        *host.values.entry(name.clone()).or_default() += offset;
        Some(Status::Ok)
    });
    call!(linker, "proxy_record_metric", |guest, id: u32, value: i64| {
        let host = guest.host();
        let Some((name, _)) = host.metrics.get((id as usize).wrapping_sub(1)) else {
            return Some(Status::NotFound);
        };
        host.values.insert(name.clone(), value);
        Some(Status::Ok)
    });
    call!(linker, "proxy_get_metric", |guest, id: u32, value_at: u32| {
        let host = guest.host();
        let Some((name, _)) = host.metrics.get((id as usize).wrapping_sub(1)) else {
            return Some(Status::NotFound);
        };
        let value = host.values.get(name).copied().unwrap_or_default();
        guest.write(value_at, &value.to_le_bytes())?;
        Some(Status::Ok)
    });
    call!(
        linker,
        "proxy_call_foreign_function",
        |guest, name: u32, name_len: u32, at: u32, length: u32, result: u32, result_len: u32| {
            let name = guest.read(name, name_len)?;
            if guest.host().forgotten.contains(&name) {
                return Some(Status::NotFound);
            }
            let argument = guest.read(at, length)?;
            let answer = match name.as_slice() {
                b"verify_signature" => verify_signature(&argument),
                b"sign" => sign(&argument),
                _ => return Some(Status::NotFound),
            };
            let Some(answer) = answer else { return Some(Status::BadArgument) };
            let count = if name == b"sign" { &mut guest.host().signed } else { &mut guest.host().signatures };
            *count += 1;
            guest.give(&answer, result, result_len)?;
            Some(Status::Ok)
        }
    );
    Ok(())
}

const SUCCESS: u32 = 0;
const BAD_DESCRIPTOR: u32 = 8;
const FAULT: u32 = 21;
const IO: u32 = 29;
const NOT_SUPPORTED: u32 = 58;

/// One WASI call: counted, and an error number comes back.
macro_rules! wasi_call {
    ($linker:ident, $name:literal, |$guest:ident $(, $argument:ident: $kind:ty)*| $body:expr) => {
        $linker.func_wrap("wasi_snapshot_preview1", $name, |caller: Caller<'_, Host> $(, $argument: $kind)*| -> u32 {
            #[allow(unused_mut, reason = "not every call changes something")]
            let mut $guest = Guest(caller);
            $guest.host().crossed($name);
            #[allow(unused_mut, reason = "not every call changes something")]
            let mut run = || -> Option<u32> { $body };
            run().unwrap_or(FAULT)
        })?
    };
}

fn wasi(linker: &mut Linker<Host>) -> Result<(), wasmi::errors::LinkerError> {
    wasi_call!(linker, "random_get", |guest, at: u32, length: u32| {
        if guest.host().random_fails {
            return Some(IO);
        }
        // Predictable on purpose: nothing may depend on what comes here.
        let first = guest.host().random;
        let bytes: Vec<u8> =
            (0..length).map(|n| n.to_le_bytes()[0].wrapping_mul(167).wrapping_add(first)).collect();
        guest.write(at, &bytes)?;
        Some(SUCCESS)
    });
    wasi_call!(linker, "environ_sizes_get", |guest, count_at: u32, size_at: u32| {
        let env = &guest.host().env;
        let (count, size) = (env.len(), env.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        guest.write_u32(count_at, count)?;
        guest.write_u32(size_at, size)?;
        Some(SUCCESS)
    });
    wasi_call!(linker, "environ_get", |guest, pointers_at: u32, text_at: u32| {
        let (mut pointers_at, mut text_at) = (pointers_at, text_at);
        for (name, value) in guest.host().env.clone() {
            let text = format!("{name}={value}\0");
            guest.write_u32(pointers_at, text_at as usize)?;
            guest.write(text_at, text.as_bytes())?;
            pointers_at += 4;
            text_at += u32::try_from(text.len()).ok()?;
        }
        Some(SUCCESS)
    });
    wasi_call!(linker, "clock_time_get", |guest, clock: u32, _precision: u64, time_at: u32| {
        let host = guest.host();
        let now = match clock {
            0 => host.wall,
            1 => host.monotonic,
            _ => return Some(NOT_SUPPORTED),
        };
        guest.write(time_at, &now.to_le_bytes())?;
        Some(SUCCESS)
    });
    wasi_call!(linker, "fd_write", |guest, descriptor: u32, parts_at: u32, parts: u32, written_at: u32| {
        let level = match descriptor {
            1 => 2,
            2 => 4,
            _ => return Some(BAD_DESCRIPTOR),
        };
        let mut text = Vec::new();
        for part in 0..parts {
            let number = |offset: u32| -> Option<u32> {
                let bytes = guest.read(parts_at + part * 8 + offset, 4)?;
                Some(u32::from_le_bytes(bytes.try_into().ok()?))
            };
            text.extend(guest.read(number(0)?, number(4)?)?);
        }
        guest.write_u32(written_at, text.len())?;
        let text = String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned();
        guest.host().log.push(LogLine { level, text });
        Some(SUCCESS)
    });
    wasi_call!(linker, "sched_yield", |_guest| Some(SUCCESS));
    wasi_call!(linker, "fd_close", |_guest, _descriptor: u32| Some(SUCCESS));
    wasi_call!(linker, "fd_fdstat_get", |_guest, _descriptor: u32, _at: u32| Some(BAD_DESCRIPTOR));
    linker.func_wrap("wasi_snapshot_preview1", "proc_exit", |mut caller: Caller<'_, Host>, _code: u32| {
        caller.data_mut().crossed("proc_exit");
        caller.data_mut().exited = true;
    })?;
    Ok(())
}
