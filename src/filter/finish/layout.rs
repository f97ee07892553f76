//! Where the data that is left lies in the memory.

use crate::linking::{Linking, Target};
use crate::module::Module;
use crate::reach::Reached;

/// The data in its new order.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// How far each object has moved.
    moves: Vec<u32>,
    /// The functions in the table, from number 1 on.
    pub(crate) table: Vec<u32>,
    /// Where it begins in the memory.
    pub(crate) start: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Layout {
    /// Without the linker's sections, nothing moves.
    pub(crate) fn new(module: &Module<'_>, reached: &Reached) -> Option<Self> {
        let linking = module.linking.as_ref()?;
        let start = linking.start();
        let mut layout = Self {
            moves: vec![0; linking.objects.len()],
            // Not from the compiler's table: a function that stands for others may not have been in it.
            table: reached.slots.iter().copied().collect(),
            start,
            bytes: Vec::new(),
        };
        let mut kept: Vec<_> = linking
            .objects
            .iter()
            .enumerate()
            .filter(|(number, _)| reached.objects.get(*number).is_some_and(|is_reached| *is_reached))
            .map(|(number, object)| (alignment(object.address, object.range.len()), number, object))
            .collect();
        // None of them needs padding then.
        kept.sort_by_key(|(alignment, ..)| std::cmp::Reverse(*alignment));
        for (_, number, object) in &kept {
            let address = start.wrapping_add(u32::try_from(layout.bytes.len()).unwrap_or(u32::MAX));
            if let Some(way) = layout.moves.get_mut(*number) {
                *way = address.wrapping_sub(object.address);
            }
            layout.bytes.extend(module.bytes.get(object.range.clone()).unwrap_or_default());
        }
        let mut at = 0_usize;
        for (_, _, object) in kept {
            layout.relocate(linking, object, at);
            at = at.saturating_add(object.range.len());
        }
        Some(layout)
    }

    fn relocate(&mut self, linking: &Linking<'_>, object: &crate::linking::Object, at: usize) {
        for (offset, target) in linking.targets(object) {
            let at = at.saturating_add(offset);
            let Some(field) = self.bytes.get(at..at.saturating_add(4)) else { continue };
            let Ok(field) = field.try_into().map(u32::from_le_bytes) else { continue };
            let new = self.resolve(target, field).to_le_bytes();
            if let Some(place) = self.bytes.get_mut(at..at.saturating_add(4)) {
                place.copy_from_slice(&new);
            }
        }
    }

    /// The constant that stands for the same as before.
    pub(crate) fn resolve(&self, target: Target, constant: u32) -> u32 {
        match target {
            Target::Object(number) => constant.wrapping_add(self.moves.get(number).copied().unwrap_or(0)),
            Target::Slot(function) => self.slot(function),
        }
    }

    /// How many places the table has: one is empty at either end.
    pub(crate) fn table_size(&self) -> u64 {
        (self.table.len() as u64).saturating_add(FIRST_SLOT.into()).saturating_add(1)
    }

    /// The number of a function in the table. What nobody can call has the number after the last one.
    fn slot(&self, function: u32) -> u32 {
        let place = self.table.iter().position(|number| *number == function).unwrap_or(self.table.len());
        u32::try_from(place).unwrap_or(u32::MAX).saturating_add(FIRST_SLOT)
    }
}

/// So many zeros take more bytes than the beginning of another part.
const LONG: usize = 9;

/// The bytes from an address on, in parts. The memory is zero already, so long zeros are left out.
pub(crate) fn parts(start: u32, bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = rest.get(zeros..).unwrap_or_default();
        let end = rest.windows(LONG).position(|window| window.iter().all(|byte| *byte == 0));
        let (part, behind) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
        if !part.is_empty() {
            let at = u32::try_from(bytes.len().saturating_sub(rest.len())).unwrap_or(u32::MAX);
            parts.push((start.wrapping_add(at), part));
        }
        rest = behind;
    }
    parts
}

/// As in the compiler's table, the number 0 is no function's.
pub(crate) const FIRST_SLOT: u32 = 1;

/// The alignment that an object may need. A type's size is a multiple of it.
fn alignment(address: u32, size: usize) -> u32 {
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    1 << (address | size | MAX_ALIGNMENT).trailing_zeros()
}

/// That of the widest type, a SIMD register or `u128`.
const MAX_ALIGNMENT: u32 = 16;
