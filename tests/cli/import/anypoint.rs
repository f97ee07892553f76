//! What Anypoint had.
