//! An adopted revision of the plan, with its entries found by id: a round asks for each of its sections.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{CountyId, SectionId};
use crate::period::Month;
use crate::plan::book::RevisionNumber;
use crate::plan::{County, Plan, Section};

/// An adopted revision. It never changes and is shared, so that a copy of the book costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRevision {
    /// Its number.
    pub number: RevisionNumber,
    /// First month it holds for.
    pub effective_from: Month,
    /// The plan.
    pub plan: Arc<Plan>,
    places: Arc<Places>,
}

/// Where each entry stands in the plan.
#[derive(Debug, PartialEq, Eq)]
struct Places {
    counties: BTreeMap<CountyId, usize>,
    sections: BTreeMap<SectionId, usize>,
}

impl PlanRevision {
    /// The revision of a whole plan.
    pub fn new(number: RevisionNumber, effective_from: Month, plan: Plan) -> Self {
        let counties = plan.county.iter().enumerate().map(|(place, county)| (county.id.clone(), place)).collect();
        let sections = plan.section.iter().enumerate().map(|(place, section)| (section.id.clone(), place)).collect();
        Self { number, effective_from, plan: Arc::new(plan), places: Arc::new(Places { counties, sections }) }
    }

    /// The section with this id.
    pub fn section(&self, id: &SectionId) -> Option<&Section> {
        self.plan.section.get(*self.places.sections.get(id)?)
    }

    /// The county with this id.
    pub fn county(&self, id: &CountyId) -> Option<&County> {
        self.plan.county.get(*self.places.counties.get(id)?)
    }
}
