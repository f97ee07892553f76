//! What of a module the host can reach.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::Operator;

use crate::linking::Target;
use crate::module::{Module, called};

/// What is reached.
#[derive(Debug)]
pub(crate) struct Reached {
    /// How often each function is referred to.
    pub(crate) uses: Vec<usize>,
    /// The functions that are called by their number in the table.
    pub(crate) slots: BTreeSet<u32>,
    /// Which objects are referred to.
    pub(crate) objects: Vec<bool>,
}

/// What the exports of these names reach.
pub(crate) fn reach(module: &Module<'_>, is_exported: impl Fn(&str) -> bool) -> Reached {
    let objects = module.linking.as_ref().map_or(0, |linking| linking.objects.len());
    let mut search = Search {
        module,
        found: Vec::new(),
        reached: Reached {
            uses: vec![0; module.types.len()],
            slots: BTreeSet::new(),
            objects: vec![false; objects],
        },
        types: BTreeSet::new(),
        waiting: BTreeMap::new(),
    };
    search.begin(is_exported);
    while let Some(found) = search.found.pop() {
        search.follow(found);
    }
    search.reached
}

struct Search<'a> {
    module: &'a Module<'a>,
    found: Vec<Found>,
    reached: Reached,
    /// Types of functions that are called by their number in the table.
    types: BTreeSet<u32>,
    /// Functions whose number is known, and nobody calls functions of their type in this way.
    waiting: BTreeMap<u32, Vec<u32>>,
}

#[derive(Clone, Copy)]
enum Found {
    Function(u32),
    Target(Target),
    /// Functions of this type are called by their number.
    Type(u32),
}

impl Search<'_> {
    fn begin(&mut self, is_exported: impl Fn(&str) -> bool) {
        let exported = self.module.exported_functions().filter(|(name, _)| is_exported(name));
        self.found.extend(exported.map(|(_, number)| Found::Function(number)));
        self.found.extend(self.module.roots.iter().copied().map(Found::Function));
        if let Some(linking) = &self.module.linking {
            let pinned = linking.objects.iter().zip(0..).filter(|(object, _)| object.is_pinned);
            self.found.extend(pinned.map(|(_, number)| Found::Target(Target::Object(number))));
        } else {
            // The data may name any of them.
            self.found.extend(self.module.table.iter().copied().map(Found::Function));
        }
    }

    fn follow(&mut self, found: Found) {
        match found {
            Found::Function(number) => self.function(number),
            Found::Target(Target::Slot(number)) => self.slot(number),
            Found::Target(Target::Object(number)) => self.object(number),
            Found::Type(ty) => {
                if self.types.insert(ty) {
                    for number in self.waiting.remove(&ty).unwrap_or_default() {
                        self.slot(number);
                    }
                }
            }
        }
    }

    fn function(&mut self, number: u32) {
        let Some(count) = self.reached.uses.get_mut(number as usize) else { return };
        *count = count.saturating_add(1);
        if *count > 1 {
            return;
        }
        for step in self.module.function(number).into_iter().flat_map(|function| &function.steps) {
            self.found.extend(called(&step.operator).map(Found::Function));
            self.found.extend(step.target.map(Found::Target));
            if let Operator::CallIndirect { type_index, .. } = step.operator {
                self.found.push(Found::Type(type_index));
            }
        }
    }

    fn slot(&mut self, number: u32) {
        let Some(ty) = self.module.types.get(number as usize) else { return };
        if !self.types.contains(ty) {
            self.waiting.entry(*ty).or_default().push(number);
        } else if self.reached.slots.insert(number) {
            self.found.push(Found::Function(number));
        }
    }

    fn object(&mut self, number: usize) {
        let Some(is_reached) = self.reached.objects.get_mut(number) else { return };
        if std::mem::replace(is_reached, true) {
            return;
        }
        let Some(linking) = &self.module.linking else { return };
        if let Some(object) = linking.objects.get(number) {
            self.found.extend(linking.targets(object).map(|(_, target)| Found::Target(target)));
        }
    }
}
