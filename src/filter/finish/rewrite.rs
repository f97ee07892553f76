//! The same module with other exports, and without the functions that nothing reaches.

use std::cmp::Reverse;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{CodeSection, ExportSection, FunctionSection, ImportSection, Module as Encoded};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, Export, FunctionSectionReader, Import, Parser, TypeRef,
};

use crate::module::Module;

pub(crate) type Error = reencode::Error;

/// The module with the exports that get a name.
pub(crate) fn rewrite(module: &Module<'_>, name: impl Fn(&str) -> Option<String>) -> Result<Vec<u8>, Error> {
    let uses = module.uses(|export| name(export).is_some())?;
    let mut rewrite =
        Rewrite { numbers: numbers(&uses, module.imported), imported: module.imported, taken: 0, name };
    let mut encoded = Encoded::new();
    utils::parse_core_module(&mut rewrite, &mut encoded, Parser::new(0), module.bytes)?;
    Ok(encoded.finish())
}

/// The new number of each function that is used. What is used most comes first: a call is shorter by the size of the number.
fn numbers(uses: &[usize], imported: usize) -> Vec<Option<u32>> {
    let mut functions: Vec<_> = uses.iter().enumerate().filter(|(_, count)| **count > 0).collect();
    // Imports stay before the others, and in their order.
    functions.sort_by_key(|(function, count)| (*function >= imported).then_some(Reverse(**count)));
    let mut numbers = vec![None; uses.len()];
    for ((function, _), number) in functions.into_iter().zip(0..) {
        if let Some(slot) = numbers.get_mut(function) {
            *slot = Some(number);
        }
    }
    numbers
}

struct Rewrite<N> {
    numbers: Vec<Option<u32>>,
    imported: usize,
    /// How many imported functions have been read.
    taken: usize,
    name: N,
}

impl<N> Rewrite<N> {
    /// What belongs to the functions that are defined here, in their new order.
    fn in_order<T>(
        &self,
        defined: impl IntoIterator<Item = wasmparser::Result<T>>,
    ) -> wasmparser::Result<Vec<T>> {
        let numbers = self.numbers.iter().skip(self.imported);
        let mut kept = Vec::new();
        for (number, item) in numbers.zip(defined) {
            kept.extend(number.zip(Some(item?)));
        }
        kept.sort_by_key(|(number, _)| *number);
        Ok(kept.into_iter().map(|(_, item)| item).collect())
    }
}

impl<N: Fn(&str) -> Option<String>> Reencode for Rewrite<N> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> u32 {
        // What is not used is not referred to; if it were, the result would not be valid.
        self.numbers.get(function as usize).copied().flatten().unwrap_or(u32::MAX)
    }

    fn parse_import(&mut self, imports: &mut ImportSection, import: Import<'_>) -> Result<(), Error> {
        if matches!(import.ty, TypeRef::Func(_)) {
            let is_used = self.numbers.get(self.taken).is_some_and(Option::is_some);
            self.taken = self.taken.saturating_add(1);
            if !is_used {
                return Ok(());
            }
        }
        utils::parse_import(self, imports, import)
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        for function in self.in_order(section)? {
            functions.function(self.type_index(function));
        }
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export<'_>) {
        if let Some(name) = (self.name)(export.name) {
            utils::parse_export(self, exports, Export { name: &name, ..export });
        }
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error> {
        for body in self.in_order(section)? {
            self.parse_function_body(code, body)?;
        }
        Ok(())
    }

    /// Names of functions, and the compiler's name: Envoy does not need them.
    fn parse_custom_section(&mut self, _: &mut Encoded, _: CustomSectionReader<'_>) -> Result<(), Error> {
        Ok(())
    }
}
