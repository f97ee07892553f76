//! What a module consists of, as far as finishing it needs to know.

use std::collections::BTreeMap;

use wasmparser::{
    BinaryReaderError, CompositeInnerType, ConstExpr, ElementItems, Export, ExternalKind, FuncType,
    FunctionBody, KnownCustom, Operator, Parser, Payload, SubType, TypeRef, ValType,
};

use crate::linking::{Linking, Section, Target};

type Result<T> = std::result::Result<T, BinaryReaderError>;

/// A module as the compiler writes it.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub(crate) bytes: &'a [u8],
    /// How many functions it imports. They have the first numbers.
    pub(crate) imported: usize,
    /// The types that it defines.
    pub(crate) signatures: Vec<SubType>,
    /// The types of all functions.
    pub(crate) types: Vec<u32>,
    /// The functions that it defines, in the order of their numbers.
    pub(crate) functions: Vec<Function<'a>>,
    /// The functions that the host, the start of the module, or a global refers to.
    pub(crate) roots: Vec<u32>,
    /// The functions in its table.
    pub(crate) table: Vec<u32>,
    /// What the linker says about code and data; without that, nothing is known about data.
    pub(crate) linking: Option<Linking<'a>>,
    /// Functions that another one stands for.
    pub(crate) replaced: BTreeMap<u32, u32>,
    exports: Vec<Export<'a>>,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    /// The types of its locals, without its parameters.
    pub(crate) locals: Vec<ValType>,
    /// What it does.
    pub(crate) steps: Vec<Step<'a>>,
}

/// One instruction.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) operator: Operator<'a>,
    /// Whose address or number in the table its constant is.
    pub(crate) target: Option<Target>,
    /// Where it leads, if it is a `br_table`: the default is the last.
    pub(crate) depths: Vec<u32>,
    /// What has been cut off here, if it is a trap.
    pub(crate) cause: Option<String>,
}

impl<'a> From<Operator<'a>> for Step<'a> {
    fn from(operator: Operator<'a>) -> Self {
        Self { operator, target: None, depths: Vec::new(), cause: None }
    }
}

impl<'a> Module<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut module = Self {
            bytes,
            imported: 0,
            signatures: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
            roots: Vec::new(),
            table: Vec::new(),
            linking: None,
            replaced: BTreeMap::new(),
            exports: Vec::new(),
        };
        let mut linking = Linking::default();
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::CodeSectionStart { range, .. } => linking.starts(Section::Code, range.start),
                Payload::CodeSectionEntry(body) => bodies.push(body),
                Payload::DataSection(section) => linking.take_data(section)?,
                Payload::CustomSection(custom) => match custom.as_known() {
                    KnownCustom::Linking(section) => linking.take_symbols(&section)?,
                    KnownCustom::Reloc(section) => linking.take_relocations(custom.name(), &section)?,
                    _ => {}
                },
                other => module.take(other)?,
            }
        }
        module.linking = linking.checked();
        for body in bodies {
            module.take_body(&body)?;
        }
        Ok(module)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    self.signatures.extend(group?.into_types());
                }
            }
            Payload::ImportSection(section) => {
                for import in section {
                    if let TypeRef::Func(ty) = import?.ty {
                        self.imported = self.imported.saturating_add(1);
                        self.types.push(ty);
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.types.push(ty?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    self.roots.extend(addresses(&global?.init_expr)?);
                }
            }
            Payload::ExportSection(section) => {
                self.exports = section.into_iter().collect::<Result<_>>()?;
            }
            Payload::StartSection { func, .. } => self.roots.push(func),
            Payload::ElementSection(section) => {
                for element in section {
                    self.take_items(element?.items)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_items(&mut self, items: ElementItems<'_>) -> Result<()> {
        match items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    self.table.push(function?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    self.table.extend(addresses(&expression?)?);
                }
            }
        }
        Ok(())
    }

    fn take_body(&mut self, body: &FunctionBody<'a>) -> Result<()> {
        let mut locals = Vec::new();
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            locals.extend(std::iter::repeat_n(ty, count as usize));
        }
        let mut reader = body.get_operators_reader()?;
        let mut steps = Vec::new();
        while !reader.eof() {
            let from = reader.original_position();
            let operator = reader.read()?;
            let within = from..reader.original_position();
            let target = self.linking.as_ref().and_then(|linking| linking.target(within));
            let depths = depths(&operator)?;
            steps.push(Step { target, depths, ..operator.into() });
        }
        self.functions.push(Function { locals, steps });
        Ok(())
    }

    /// The names of what it exports.
    pub(crate) fn exports(&self) -> impl Iterator<Item = &'a str> {
        self.exports.iter().map(|export| export.name)
    }

    /// The functions that it exports, with their names.
    pub(crate) fn exported_functions(&self) -> impl Iterator<Item = (&'a str, u32)> {
        let functions = self.exports.iter().filter(|export| export.kind == ExternalKind::Func);
        functions.map(|export| (export.name, export.index))
    }

    /// The same, to be changed.
    pub(crate) fn function_mut(&mut self, number: u32) -> Option<&mut Function<'a>> {
        self.functions.get_mut((number as usize).checked_sub(self.imported)?)
    }

    /// The parameters and results of a type.
    pub(crate) fn signature(&self, ty: u32) -> Option<&FuncType> {
        match &self.signatures.get(ty as usize)?.composite_type.inner {
            CompositeInnerType::Func(signature) => Some(signature),
            _ => None,
        }
    }

    /// A function that is defined here.
    pub(crate) fn function(&self, number: u32) -> Option<&Function<'a>> {
        self.functions.get((number as usize).checked_sub(self.imported)?)
    }
}

/// The functions that a constant expression refers to.
fn addresses(constant: &ConstExpr<'_>) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for operator in constant.get_operators_reader() {
        found.extend(called(&operator?));
    }
    Ok(found)
}

/// Where a `br_table` leads.
fn depths(operator: &Operator<'_>) -> Result<Vec<u32>> {
    let Operator::BrTable { targets } = operator else { return Ok(Vec::new()) };
    targets.targets().chain([Ok(targets.default())]).collect()
}

/// The function that an instruction names.
pub(crate) fn called(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::Call { function_index } | Operator::RefFunc { function_index } => Some(*function_index),
        _ => None,
    }
}
