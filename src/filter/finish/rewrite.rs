//! The same module with other exports, and without what nothing reaches.

use std::cmp::Reverse;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, ExportSection, FunctionSection,
    ImportSection, Instruction, MemArg, Module as Encoded, NameMap, NameSection, TableSection,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, DataSectionReader, ElementSectionReader, Export,
    FunctionSectionReader, Import, Operator, Parser, Table, TypeRef,
};

use crate::layout::{FIRST_SLOT, Layout, parts};
use crate::linking::Target;
use crate::module::{Function, Module, Step};
use crate::reach::reach;

pub(crate) type Error = reencode::Error;

/// A module, and the old numbers of the functions that it defines, in their order.
pub(crate) struct Rewritten {
    pub(crate) bytes: Vec<u8>,
    pub(crate) functions: Vec<u32>,
}

/// The module with the exports that get a name.
pub(crate) fn rewrite(
    module: &Module<'_>,
    name: impl Fn(&str) -> Option<String>,
) -> Result<Rewritten, Error> {
    let reached = reach(module, |export| name(export).is_some());
    let functions = order(&reached.uses, module.imported);
    let mut rewrite = Rewrite {
        module,
        numbers: numbers(&functions, reached.uses.len()),
        functions: functions.into_iter().filter(|number| *number as usize >= module.imported).collect(),
        layout: Layout::new(module, &reached),
        taken: 0,
        target: None,
        name,
    };
    let mut encoded = Encoded::new();
    utils::parse_core_module(&mut rewrite, &mut encoded, Parser::new(0), module.bytes)?;
    encoded.section(&one_name());
    Ok(Rewritten { bytes: encoded.finish(), functions: rewrite.functions })
}

/// The functions that are used. What is used most comes first: a call is shorter by the size of the number.
fn order(uses: &[usize], imported: usize) -> Vec<u32> {
    let mut functions: Vec<_> =
        uses.iter().enumerate().zip(0..).filter(|((_, count), _)| **count > 0).collect();
    // Imports stay before the others, and in their order.
    functions.sort_by_key(|((function, count), _)| (*function >= imported).then_some(Reverse(**count)));
    functions.into_iter().map(|(_, number)| number).collect()
}

/// The new number of each function that is used.
fn numbers(functions: &[u32], count: usize) -> Vec<Option<u32>> {
    let mut numbers = vec![None; count];
    for (function, number) in functions.iter().zip(0..) {
        if let Some(slot) = numbers.get_mut(*function as usize) {
            *slot = Some(number);
        }
    }
    numbers
}

/// The shortest section of names. If it names a function, Envoy logs where in the module a trap was, and how it got there.
fn one_name() -> NameSection {
    let mut functions = NameMap::new();
    functions.append(0, "?");
    let mut names = NameSection::new();
    names.functions(&functions);
    names
}

struct Rewrite<'a, N> {
    module: &'a Module<'a>,
    numbers: Vec<Option<u32>>,
    /// The functions that are defined here, in their new order.
    functions: Vec<u32>,
    /// Where the data is; none: where it was.
    layout: Option<Layout>,
    /// How many imported functions have been read.
    taken: usize,
    /// What the constant of the instruction stands for that is being written.
    target: Option<Target>,
    name: N,
}

impl<N: Fn(&str) -> Option<String>> Rewrite<'_, N> {
    fn write_function(&mut self, code: &mut CodeSection, function: &Function<'_>) -> Result<(), Error> {
        let locals: Result<Vec<_>, _> = function.locals.iter().map(|ty| self.val_type(*ty)).collect();
        let mut written = wasm_encoder::Function::new_with_locals_types(locals?);
        for step in &function.steps {
            written.instruction(&self.step(step)?);
        }
        code.function(&written);
        Ok(())
    }

    fn step<'b>(&mut self, step: &'b Step<'_>) -> Result<Instruction<'b>, Error> {
        self.target = step.target;
        match step.operator {
            Operator::BrTable { .. } => {
                let (default, depths) = step.depths.split_last().unwrap_or((&u32::MAX, &[]));
                Ok(Instruction::BrTable(depths.into(), *default))
            }
            Operator::I32Const { value } => {
                Ok(Instruction::I32Const(self.resolve(value.cast_unsigned()).cast_signed()))
            }
            ref operator => self.instruction(operator.clone()),
        }
    }

    fn resolve(&self, constant: u32) -> u32 {
        match (&self.layout, self.target) {
            (Some(layout), Some(target)) => layout.resolve(target, constant),
            _ => constant,
        }
    }
}

impl<N: Fn(&str) -> Option<String>> Reencode for Rewrite<'_, N> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> u32 {
        // What is not used is not referred to; if it were, the result would not be valid.
        self.numbers.get(function as usize).copied().flatten().unwrap_or(u32::MAX)
    }

    fn mem_arg(&mut self, argument: wasmparser::MemArg) -> MemArg {
        let offset =
            u32::try_from(argument.offset).map_or(argument.offset, |offset| self.resolve(offset).into());
        utils::mem_arg(self, wasmparser::MemArg { offset, ..argument })
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
        _: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        for number in &self.functions {
            functions.function(self.module.types.get(*number as usize).copied().unwrap_or(u32::MAX));
        }
        Ok(())
    }

    fn parse_table(&mut self, tables: &mut TableSection, mut table: Table<'_>) -> Result<(), Error> {
        if let Some(layout) = &self.layout {
            table.ty.initial = layout.table_size();
            table.ty.maximum = Some(layout.table_size());
        }
        utils::parse_table(self, tables, table)
    }

    fn parse_element_section(
        &mut self,
        elements: &mut ElementSection,
        section: ElementSectionReader<'_>,
    ) -> Result<(), Error> {
        let Some(layout) = &self.layout else { return utils::parse_element_section(self, elements, section) };
        let functions: Vec<_> = layout.table.clone();
        let functions: Vec<_> = functions.into_iter().map(|number| self.function_index(number)).collect();
        elements.active(
            None,
            &ConstExpr::i32_const(FIRST_SLOT.cast_signed()),
            Elements::Functions(functions.into()),
        );
        Ok(())
    }

    fn parse_data_section(
        &mut self,
        data: &mut DataSection,
        section: DataSectionReader<'_>,
    ) -> Result<(), Error> {
        let Some(layout) = &self.layout else { return utils::parse_data_section(self, data, section) };
        for (address, part) in parts(layout.start, &layout.bytes) {
            data.active(0, &ConstExpr::i32_const(address.cast_signed()), part.iter().copied());
        }
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export<'_>) {
        if let Some(name) = (self.name)(export.name) {
            utils::parse_export(self, exports, Export { name: &name, ..export });
        }
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, _: CodeSectionReader<'_>) -> Result<(), Error> {
        for number in self.functions.clone() {
            if let Some(function) = self.module.function(number) {
                self.write_function(code, function)?;
            }
        }
        Ok(())
    }

    /// Names of functions, the linker's sections, and the compiler's name: Envoy does not need them.
    fn parse_custom_section(&mut self, _: &mut Encoded, _: CustomSectionReader<'_>) -> Result<(), Error> {
        Ok(())
    }
}
