//! What the linker says about a module that it has been asked to keep movable (`--emit-relocs`): which bytes of the data
//! belong together, and which constants are addresses.
//!
//! The sections are those of the [conventions for tools].
//!
//! [conventions for tools]: https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md

use std::collections::BTreeMap;
use std::ops::Range;

use wasmparser::{
    BinaryReaderError, DataKind, DataSectionReader, LinkingSectionReader, Operator, RelocSectionReader,
    RelocationEntry, RelocationType, SymbolFlags, SymbolInfo,
};

use crate::fold::replace_target;

type Result<T> = std::result::Result<T, BinaryReaderError>;

/// A section that has addresses in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Section {
    Code,
    Data,
}

/// What a constant stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// The place of a function in the table.
    Slot(u32),
    /// An address in an object.
    Object(usize),
}

/// Bytes of the data that belong together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Object {
    /// Where they are in the memory.
    pub(crate) address: u32,
    /// Where they are in the file.
    pub(crate) range: Range<usize>,
    /// Nobody knows who refers to them.
    pub(crate) is_pinned: bool,
}

/// The linker's sections.
#[derive(Debug, Default)]
pub(crate) struct Linking<'a> {
    pub(crate) objects: Vec<Object>,
    names: BTreeMap<u32, &'a str>,
    segments: Vec<Segment>,
    symbols: Vec<Symbol>,
    entries: Vec<(usize, RelocationEntry)>,
    /// By their place in the file.
    targets: BTreeMap<usize, Target>,
    /// Where the sections begin in the file.
    code: usize,
    data: usize,
}

#[derive(Clone, Copy, Debug)]
enum Symbol {
    Function(u32),
    Data {
        segment: usize,
        offset: usize,
        size: usize,
    },
    Global,
    /// An address outside of the data that the linker has chosen, and that stays.
    Fixed,
    /// What may be absent: its address is 0 then, and must stay 0.
    Other,
}

#[derive(Debug)]
struct Segment {
    address: u32,
    range: Range<usize>,
    is_zero: Vec<bool>,
}

impl<'a> Linking<'a> {
    pub(crate) fn starts(&mut self, section: Section, at: usize) {
        match section {
            Section::Code => self.code = at,
            Section::Data => self.data = at,
        }
    }

    pub(crate) fn take_data(&mut self, section: DataSectionReader<'_>) -> Result<()> {
        self.starts(Section::Data, section.range().start);
        for datum in section {
            let datum = datum?;
            let DataKind::Active { offset_expr, .. } = datum.kind else { continue };
            let first = offset_expr.get_operators_reader().read()?;
            let address = if let Operator::I32Const { value } = first { value.cast_unsigned() } else { 0 };
            let end = datum.range.end;
            let range = end.saturating_sub(datum.data.len())..end;
            let is_zero = datum.data.iter().map(|byte| *byte == 0).collect();
            self.segments.push(Segment { address, range, is_zero });
        }
        Ok(())
    }

    pub(crate) fn take_symbols(&mut self, section: &LinkingSectionReader<'a>) -> Result<()> {
        for subsection in section.subsections() {
            let wasmparser::Linking::SymbolTable(symbols) = subsection? else { continue };
            for symbol in symbols {
                let symbol = self.symbol(symbol?);
                self.symbols.push(symbol);
            }
        }
        Ok(())
    }

    fn symbol(&mut self, symbol: SymbolInfo<'a>) -> Symbol {
        match symbol {
            SymbolInfo::Func { flags, .. }
                if flags.contains(SymbolFlags::UNDEFINED | SymbolFlags::BINDING_WEAK) =>
            {
                Symbol::Other
            }
            SymbolInfo::Func { index, name, .. } => {
                self.names.extend(name.map(|name| (index, name)));
                Symbol::Function(index)
            }
            SymbolInfo::Data { symbol: Some(symbol), flags, .. }
                if !flags.contains(SymbolFlags::ABSOLUTE) =>
            {
                let [segment, offset, size] =
                    [symbol.index, symbol.offset, symbol.size].map(|number| number as usize);
                Symbol::Data { segment, offset, size }
            }
            SymbolInfo::Data { name, .. } if FIXED.contains(&name) => Symbol::Fixed,
            SymbolInfo::Global { .. } => Symbol::Global,
            _ => Symbol::Other,
        }
    }

    pub(crate) fn take_relocations(
        &mut self,
        section: &str,
        relocations: &RelocSectionReader<'_>,
    ) -> Result<()> {
        let start = match section {
            "reloc.CODE" => self.code,
            "reloc.DATA" => self.data,
            _ => return Ok(()),
        };
        for entry in relocations.entries() {
            let entry = entry?;
            self.entries.push((start.saturating_add(entry.offset as usize), entry));
        }
        Ok(())
    }

    /// The same, if it is complete.
    pub(crate) fn checked(mut self) -> Option<Self> {
        if self.entries.is_empty() {
            return None;
        }
        let owners = self.divide();
        for (at, entry) in std::mem::take(&mut self.entries) {
            let symbol = *self.symbols.get(entry.index as usize)?;
            match (entry.ty, symbol) {
                (
                    RelocationType::TableIndexSleb | RelocationType::TableIndexI32,
                    Symbol::Function(number),
                ) => {
                    self.targets.insert(at, Target::Slot(number));
                }
                (
                    RelocationType::MemoryAddrLeb
                    | RelocationType::MemoryAddrSleb
                    | RelocationType::MemoryAddrI32,
                    Symbol::Data { segment, offset, .. },
                ) => {
                    // What is beyond the file's data is zero, and stays where it is.
                    if let Some(object) = owners.get(&(segment, offset)) {
                        self.targets.insert(at, Target::Object(*object));
                    }
                }
                (
                    RelocationType::MemoryAddrLeb
                    | RelocationType::MemoryAddrSleb
                    | RelocationType::MemoryAddrI32,
                    Symbol::Fixed,
                )
                // The global of another symbol holds its address, and nothing says so where it is defined.
                | (RelocationType::GlobalIndexLeb, Symbol::Global)
                | (
                    RelocationType::FunctionIndexLeb
                    | RelocationType::TypeIndexLeb
                    | RelocationType::TableNumberLeb,
                    _,
                ) => {}
                _ => return None,
            }
        }
        Some(self)
    }

    /// Divides the data into objects. Returns which object begins where a symbol does, or holds it.
    fn divide(&mut self) -> BTreeMap<(usize, usize), usize> {
        let mut spans: Vec<_> = self
            .symbols
            .iter()
            .filter_map(|symbol| match *symbol {
                Symbol::Data { segment, offset, size } => Some((segment, offset, size)),
                _ => None,
            })
            .collect();
        spans.sort_unstable();
        let mut owners = BTreeMap::new();
        for number in 0..self.segments.len() {
            let mut end = 0;
            for (_, offset, size) in spans.iter().filter(|(segment, ..)| *segment == number) {
                // A symbol within another one, or of no size at its end, is a part of it.
                let is_part = *offset < end || (*size == 0 && *offset == end && end > 0);
                if !is_part {
                    self.pin(number, end..*offset);
                    self.add(number, *offset..*offset, false);
                }
                end = end.max(offset.saturating_add(*size));
                self.extend(number, end);
                owners.insert((number, *offset), self.objects.len().saturating_sub(1));
            }
            let length = self.segments.get(number).map_or(0, |segment| segment.range.len());
            self.pin(number, end..length);
        }
        owners
    }

    /// Bytes that no symbol covers: padding, if they are zero.
    fn pin(&mut self, segment: usize, range: Range<usize>) {
        let bytes = self.segments.get(segment).and_then(|segment| segment.is_zero.get(range.clone()));
        if bytes.is_some_and(|bytes| bytes.contains(&false)) {
            self.add(segment, range, true);
        }
    }

    fn add(&mut self, segment: usize, range: Range<usize>, is_pinned: bool) {
        let Some(segment) = self.segments.get(segment) else { return };
        let start = segment.range.start;
        self.objects.push(Object {
            address: segment.address.wrapping_add(u32::try_from(range.start).unwrap_or(u32::MAX)),
            range: start.saturating_add(range.start)..start.saturating_add(range.end),
            is_pinned,
        });
    }

    /// The last object ends there.
    fn extend(&mut self, segment: usize, end: usize) {
        if let (Some(segment), Some(object)) = (self.segments.get(segment), self.objects.last_mut()) {
            object.range.end = segment.range.start.saturating_add(end);
        }
    }

    /// What a constant in these bytes of the file stands for.
    pub(crate) fn target(&self, within: Range<usize>) -> Option<Target> {
        self.targets.range(within).next().map(|(_, target)| *target)
    }

    /// All constants of an object.
    pub(crate) fn targets(&self, object: &Object) -> impl Iterator<Item = (usize, Target)> {
        let start = object.range.start;
        self.targets.range(object.range.clone()).map(move |(at, target)| (at.saturating_sub(start), *target))
    }

    /// Where a function is in the table, the one is that stands for it.
    pub(crate) fn replace_functions(&mut self, replaced: &BTreeMap<u32, u32>) {
        for target in self.targets.values_mut() {
            replace_target(target, replaced);
        }
    }

    /// What the linker calls a function.
    pub(crate) fn name(&self, function: u32) -> Option<&'a str> {
        self.names.get(&function).copied()
    }

    /// Where the data begins in the memory.
    pub(crate) fn start(&self) -> u32 {
        self.segments.iter().map(|segment| segment.address).min().unwrap_or(0)
    }
}

/// The linker's own symbols for the end of the data and of the memory.
const FIXED: [&str; 2] = ["__heap_base", "__heap_end"];
