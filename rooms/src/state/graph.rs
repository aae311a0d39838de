//! Who waits for whom. It follows from the steps alone, which never change their keys or their dependencies, so it is worked out once and
//! shared by all copies of a state.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use imbl::Vector;

use crate::id::StepId;
use crate::model::step::ProcessStep;

/// Places of steps in the process, by what one looks them up with.
#[derive(Debug, Default)]
pub struct Graph {
    by_id: HashMap<StepId, usize>,
    by_key: HashMap<String, usize>,
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    choosers: Vec<Vec<usize>>,
    chosen: Vec<Vec<usize>>,
}

impl Graph {
    fn of(steps: &Vector<Arc<ProcessStep>>) -> Self {
        let mut graph = Self {
            before: vec![Vec::new(); steps.len()],
            after: vec![Vec::new(); steps.len()],
            choosers: vec![Vec::new(); steps.len()],
            chosen: vec![Vec::new(); steps.len()],
            ..Self::default()
        };
        for (n, step) in steps.iter().enumerate() {
            graph.by_id.insert(step.id, n);
            graph.by_key.insert(step.key.clone(), n);
        }
        for (n, step) in steps.iter().enumerate() {
            for key in &step.dependencies {
                if let Some(b) = graph.by_key.get(key)
                    && !graph.before[n].contains(b)
                {
                    graph.before[n].push(*b);
                    graph.after[*b].push(n);
                }
            }
        }
        // A step that is named as the next waits for those that name it; but for a name that points backwards, which would be a circle.
        let mut follows = graph.after.clone();
        for (n, step) in steps.iter().enumerate() {
            for key in step
                .conditions
                .iter()
                .filter_map(|c| c.next_step_id.as_ref())
            {
                let Some(next) = graph.by_key.get(key).copied() else {
                    continue;
                };
                if graph.choosers[next].contains(&n) || leads(&follows, next, n) {
                    continue;
                }
                graph.choosers[next].push(n);
                graph.chosen[n].push(next);
                follows[n].push(next);
            }
        }
        graph
    }

    /// Where a step stands.
    pub fn at(&self, id: StepId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Where the step with this key stands.
    pub fn named(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// The steps that a step waits for.
    pub fn before(&self, n: usize) -> &[usize] {
        self.before.get(n).map_or(&[], Vec::as_slice)
    }

    /// The steps that wait for a step.
    pub fn after(&self, n: usize) -> &[usize] {
        self.after.get(n).map_or(&[], Vec::as_slice)
    }

    /// The steps whose conditions name a step as the one to go on with.
    pub fn choosers(&self, n: usize) -> &[usize] {
        self.choosers.get(n).map_or(&[], Vec::as_slice)
    }

    /// The steps that the conditions of a step name.
    pub fn chosen(&self, n: usize) -> &[usize] {
        self.chosen.get(n).map_or(&[], Vec::as_slice)
    }
}

/// Whether a way leads from one step to another, or they are the same.
fn leads(follows: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; follows.len()];
    let mut open = vec![from];
    while let Some(n) = open.pop() {
        if n == to {
            return true;
        }
        if !std::mem::replace(&mut seen[n], true) {
            open.extend(&follows[n]);
        }
    }
    false
}

/// The graph of a state, made when it is first asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct GraphCell(OnceLock<Arc<Graph>>);

impl GraphCell {
    pub(super) fn of(&self, steps: &Vector<Arc<ProcessStep>>) -> &Graph {
        self.0.get_or_init(|| Arc::new(Graph::of(steps)))
    }
}

/// It says nothing that the steps do not say.
impl PartialEq for GraphCell {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
