//! What an operation may cost: estimated from its plan and the page sizes of a request, before
//! anything is loaded.
//!
//! One unit is one object of the answer; some fields cost more, because a store works for them. A
//! list has as many entries as its page may have; lists without pages are assumed to have a few.
//! While a plan is compiled, everything that depends on no argument is folded into numbers; what
//! is left are the few lists whose pages a request chooses. `docs/limits.md` explains the model.

/// Entries that a list without pages is assumed to have.
pub(super) const ASSUMED: u64 = 10;

/// Units for itself, and units for each entry of the page that encloses it: `edges` and `nodes`
/// have as many entries as the arguments of their connection say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Linear {
    own: u64,
    per_entry: u64,
}

impl Linear {
    /// With a page of so many entries.
    fn at(self, entries: u64) -> u64 {
        self.own
            .saturating_add(self.per_entry.saturating_mul(entries))
    }
}

/// The cost of a compiled object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// It depends on no argument.
    Known(Linear),
    /// That of a node of [`Costs`], for each request anew.
    Later(usize),
}

/// How often a field writes its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// Once.
    Once,
    /// Once; it is a page of so many entries as the argument with this number says.
    Page(usize),
    /// A list of so many entries as the argument with this number says.
    List(usize),
    /// A list with the entries of the enclosing page.
    Entries,
    /// A list of about so many entries.
    About(u64),
}

/// What a selection on one type adds up to, while it is compiled.
#[derive(Default)]
pub(super) struct Sum {
    known: Linear,
    later: Vec<(Times, Cost)>,
}

impl Sum {
    /// Of an object with nothing selected.
    pub(super) fn of_object() -> Self {
        let known = Linear {
            own: 1,
            per_entry: 0,
        };
        Self {
            known,
            later: Vec::new(),
        }
    }

    /// Adds a field: its own units, and the object that it writes.
    pub(super) fn add(&mut self, units: u64, times: Times, child: Option<Cost>) {
        self.known.own = self.known.own.saturating_add(units);
        match child {
            None => {}
            Some(Cost::Known(cost)) if !matches!(times, Times::Page(_) | Times::List(_)) => {
                self.known = plus(self.known, times, cost, &[]);
            }
            Some(child) => self.later.push((times, child)),
        }
    }
}

/// `sum` with a child; `sizes` are the page sizes of a request.
fn plus(mut sum: Linear, times: Times, child: Linear, sizes: &[u32]) -> Linear {
    let size = |slot: usize| sizes.get(slot).copied().map_or(ASSUMED, u64::from);
    let own = match times {
        Times::Once => child.at(ASSUMED),
        Times::Page(slot) => child.at(size(slot)),
        Times::List(slot) => child.at(ASSUMED).saturating_mul(size(slot)),
        Times::About(entries) => child.at(ASSUMED).saturating_mul(entries),
        Times::Entries => {
            sum.per_entry = sum.per_entry.saturating_add(child.at(ASSUMED));
            0
        }
    };
    sum.own = sum.own.saturating_add(own);
    sum
}

/// A sum, or the most of several.
enum Node {
    Sum(Sum),
    /// Of an interface: a value has one of the types.
    Most(Vec<Cost>),
}

/// The nodes of an operation, each after those that it refers to.
#[derive(Default)]
pub(super) struct Costs(Vec<Node>);

impl Costs {
    /// The cost of an object whose fields were added up.
    pub(super) fn object(&mut self, sum: Sum) -> Cost {
        if sum.later.is_empty() {
            return Cost::Known(sum.known);
        }
        self.enter(Node::Sum(sum))
    }

    /// The cost of a value that has one of these types.
    pub(super) fn interface(&mut self, choices: Vec<Cost>) -> Cost {
        let known = choices.iter().map(|cost| match cost {
            Cost::Known(cost) => Some(*cost),
            Cost::Later(_) => None,
        });
        match known.reduce(|a, b| Some(most(a?, b?))) {
            None => Cost::Known(Linear::default()),
            Some(Some(cost)) => Cost::Known(cost),
            Some(None) => self.enter(Node::Most(choices)),
        }
    }

    fn enter(&mut self, node: Node) -> Cost {
        self.0.push(node);
        Cost::Later(self.0.len() - 1)
    }

    /// What `root` costs with these page sizes. Takes one step a node, however often it is used.
    pub(super) fn estimate(&self, root: Cost, sizes: &[u32]) -> u64 {
        let mut values: Vec<Linear> = Vec::with_capacity(self.0.len());
        let value = |values: &[Linear], cost: Cost| match cost {
            Cost::Known(cost) => cost,
            Cost::Later(node) => values[node],
        };
        for node in &self.0 {
            let found = match node {
                Node::Sum(sum) => sum.later.iter().fold(sum.known, |all, (times, child)| {
                    plus(all, *times, value(&values, *child), sizes)
                }),
                Node::Most(choices) => choices
                    .iter()
                    .map(|choice| value(&values, *choice))
                    .fold(Linear::default(), most),
            };
            values.push(found);
        }
        value(&values, root).at(ASSUMED)
    }
}

fn most(a: Linear, b: Linear) -> Linear {
    Linear {
        own: a.own.max(b.own),
        per_entry: a.per_entry.max(b.per_entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(costs: &mut Costs, fields: &[(u64, Times, Option<Cost>)]) -> Cost {
        let mut sum = Sum::of_object();
        for (units, times, child) in fields {
            sum.add(*units, *times, *child);
        }
        costs.object(sum)
    }

    #[test]
    fn what_no_argument_decides_is_a_number() {
        let costs = &mut Costs::default();
        let leaf = object(costs, &[(0, Times::Once, None)]);
        let three = object(
            costs,
            &[
                (0, Times::Once, Some(leaf)),
                (5, Times::Once, None),
                (0, Times::About(3), Some(leaf)),
            ],
        );
        assert_eq!(
            three,
            Cost::Known(Linear {
                own: 10,
                per_entry: 0
            })
        );
        assert_eq!(costs.estimate(three, &[]), 10);
        let either = costs.interface(vec![leaf, three]);
        assert_eq!(either, three);
        assert!(costs.0.is_empty());
    }

    #[test]
    fn entries_are_counted_by_the_page_of_their_own_connection() {
        let costs = &mut Costs::default();
        let step = object(costs, &[]);
        let steps = object(costs, &[(0, Times::Entries, Some(step))]);
        let human = object(costs, &[]);
        let agent = object(costs, &[(0, Times::Page(1), Some(steps))]);
        let turn = costs.interface(vec![human, agent]);
        let turns = object(costs, &[(0, Times::Entries, Some(turn))]);
        let root = object(costs, &[(7, Times::Page(0), Some(turns))]);
        // 1 root + 7 + 1 connection + 20 turns of (1 + 1 connection + 3 steps).
        assert_eq!(costs.estimate(root, &[20, 3]), 109);
        assert_eq!(costs.estimate(root, &[0, 3]), 9);
        // 9 + (2^32 - 1) * (2^32 + 1) is 8 more than there are numbers.
        assert_eq!(costs.estimate(root, &[u32::MAX, u32::MAX]), u64::MAX);
        let most = u64::from(u32::MAX - 9);
        assert_eq!(costs.estimate(root, &[u32::MAX - 9, 3]), 9 + most * 5);
        let nodes = object(costs, &[(0, Times::List(0), Some(turn))]);
        assert_eq!(costs.estimate(nodes, &[4, 0]), 9);
    }

    #[test]
    fn what_is_used_often_is_measured_once_and_no_number_overflows() {
        let costs = &mut Costs::default();
        let mut inner = object(
            costs,
            &[(
                0,
                Times::List(0),
                Some(Cost::Known(Linear {
                    own: 1,
                    per_entry: 0,
                })),
            )],
        );
        for _ in 0..100 {
            let fields = [
                (0, Times::List(0), Some(inner)),
                (0, Times::Once, Some(inner)),
            ];
            inner = object(costs, &fields);
        }
        assert_eq!(costs.0.len(), 101);
        assert_eq!(costs.estimate(inner, &[1_000]), u64::MAX);
    }
}
