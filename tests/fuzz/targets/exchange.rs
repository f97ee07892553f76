#![no_main]
libfuzzer_sys::fuzz_target!(init: tollgate_fuzz::write_seeds(), |data: &[u8]| tollgate_fuzz::exchange(data));
