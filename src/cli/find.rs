//! Our configuration inside other files.
