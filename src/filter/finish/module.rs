//! What a module exports, and which of its functions that reaches.

use wasmparser::{
    BinaryReaderError, ConstExpr, ElementItems, Export, ExternalKind, FunctionBody, Operator, Parser,
    Payload, TypeRef,
};

/// A module as far as finishing it needs to know.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub(crate) bytes: &'a [u8],
    /// How many functions it imports. They have the first numbers.
    pub(crate) imported: usize,
    /// The functions that it defines, in the order of their numbers.
    bodies: Vec<FunctionBody<'a>>,
    exports: Vec<Export<'a>>,
    /// The functions whose address is taken, so that anything may call them.
    addressed: Vec<u32>,
}

impl<'a> Module<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let mut module =
            Self { bytes, imported: 0, bodies: Vec::new(), exports: Vec::new(), addressed: Vec::new() };
        for payload in Parser::new(0).parse_all(bytes) {
            module.take(payload?)?;
        }
        Ok(module)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section {
                    let is_function = matches!(import?.ty, TypeRef::Func(_));
                    self.imported = self.imported.saturating_add(usize::from(is_function));
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    self.take_addresses(&global?.init_expr)?;
                }
            }
            Payload::ExportSection(section) => {
                self.exports = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::StartSection { func, .. } => self.addressed.push(func),
            Payload::ElementSection(section) => {
                for element in section {
                    self.take_items(element?.items)?;
                }
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            _ => {}
        }
        Ok(())
    }

    fn take_items(&mut self, items: ElementItems<'_>) -> Result<(), BinaryReaderError> {
        match items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    self.addressed.push(function?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    self.take_addresses(&expression?)?;
                }
            }
        }
        Ok(())
    }

    fn take_addresses(&mut self, constant: &ConstExpr<'_>) -> Result<(), BinaryReaderError> {
        for operator in constant.get_operators_reader() {
            self.addressed.extend(referred(&operator?));
        }
        Ok(())
    }

    /// The names of what it exports.
    pub(crate) fn exports(&self) -> impl Iterator<Item = &'a str> {
        self.exports.iter().map(|export| export.name)
    }

    /// How often what the host can reach refers to each function, with only these exports.
    pub(crate) fn uses(&self, is_exported: impl Fn(&str) -> bool) -> Result<Vec<usize>, BinaryReaderError> {
        let exported = self
            .exports
            .iter()
            .filter(|export| export.kind == ExternalKind::Func && is_exported(export.name));
        let mut found: Vec<_> =
            exported.map(|export| export.index).chain(self.addressed.iter().copied()).collect();
        let mut uses = vec![0_usize; self.imported.saturating_add(self.bodies.len())];
        while let Some(function) = found.pop() {
            let Some(count) = uses.get_mut(function as usize) else { continue };
            *count = count.saturating_add(1);
            if let (1, Some(body)) = (*count, self.body(function)) {
                for operator in body.get_operators_reader()? {
                    found.extend(referred(&operator?));
                }
            }
        }
        Ok(uses)
    }

    /// A function that is defined here.
    fn body(&self, function: u32) -> Option<&FunctionBody<'a>> {
        self.bodies.get((function as usize).checked_sub(self.imported)?)
    }
}

fn referred(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::Call { function_index } | Operator::RefFunc { function_index } => Some(*function_index),
        _ => None,
    }
}
