//! `Turn` and its two kinds.

use async_graphql::InputObject;

use crate::domain::{CursorList, PageError, PageRequest, StepRow, TurnRole};
use crate::graphql::data::{StepView, TurnView};
use crate::graphql::engine::{
    At, Bool, CheckedArgs, Entity, Int, Kind, Obj, Part, Str, Type, View,
};
use crate::graphql::scalars::{Instant, Json, Status, StepType, TurnStatus};

use super::connection::{Connection, CursorOf, List};
use super::node::Node;
use super::page::{PageArgs, StepsPage};
use super::step::Step;
use super::turn_fields::{TurnV, turn_fields};

/// The interface.
pub(crate) struct Turn;
/// A turn of a person.
pub(crate) struct HumanTurn;
/// A turn of an agent.
pub(crate) struct AgentTurn;

/// The turn, where it is a human one.
pub(crate) fn human(At(turn): At<'_, TurnV>) -> Option<TurnView<'_>> {
    (turn.row().role == TurnRole::Human).then_some(turn)
}

/// The turn, where it is an agent's.
pub(crate) fn agent(At(turn): At<'_, TurnV>) -> Option<TurnView<'_>> {
    (turn.row().role == TurnRole::Agent).then_some(turn)
}

impl Entity for Turn {
    const NAME: &'static str = "Turn";
    const KIND: Kind = Kind::Interface;
    type V = TurnV;

    fn declare(t: &mut Type<Self>) {
        t.doc(
            "One contribution to a conversation. The parent of a human turn is null or an agent \
             turn, that of an agent turn is a human turn.",
        )
        .implements::<Node>();
        turn_fields(t);
        t.possible::<HumanTurn>(human).possible::<AgentTurn>(agent);
    }
}

impl Entity for HumanTurn {
    const NAME: &'static str = "HumanTurn";
    type V = TurnV;

    fn declare(t: &mut Type<Self>) {
        t.doc("What a person wrote.")
            .implements::<Node>()
            .implements::<Turn>();
        turn_fields(t);
        t.field::<Part<Str>>("prompt", |At(t)| t.prompt())
            .doc("The text, whole.");
    }
}

impl Entity for AgentTurn {
    const NAME: &'static str = "AgentTurn";
    type V = TurnV;

    fn declare(t: &mut Type<Self>) {
        t.doc("What an agent did and answered, in steps.")
            .implements::<Node>()
            .implements::<Turn>();
        turn_fields(t);
        t.field::<Option<Bool>>("liked", |At(t)| t.row().liked)
            .doc("The user's vote: true liked, false disliked, null not rated.");
        t.field::<Option<Str>>("model", |At(t)| t.row().model.as_deref())
            .doc("Model that wrote it, where known.");
        t.field::<Option<Status>>("status", |At(t)| t.row().status.map(TurnStatus::from))
            .doc("How far it has come; null where its writer did not say.");
        t.field::<Option<Instant>>("finishedAt", |At(t)| t.row().finished_at)
            .doc("When the agent was done.");
        t.field::<Option<Json>>("usage", |At(t)| t.row().usage.as_deref())
            .doc("Token usage and cost as its writer gave them.");
        t.field::<Option<Int>>("responseMs", |At(t)| response_ms(t))
            .doc("Milliseconds from the prompt to the end of the answer, where both are known.");
        t.field::<Part<Int>>("stepCount", |At(t)| {
            t.heads()
                .map(|heads| i32::try_from(heads.len()).unwrap_or(i32::MAX))
        })
        .doc("Number of steps of all types.");
        t.field::<Part<Str>>("text", |At(t)| {
            t.text()
                .map(|text| t.session.env.keep_text(text.into_owned()))
        })
        .doc("All text steps joined by empty lines, for clients that only show the answer.");
        t.field_with::<StepsArgs, Part<Option<Obj<Connection<Steps>>>>>("steps", |At(t), args| {
            Ok(Some(steps_page(t, t.steps()?, args)))
        })
        .doc("What the agent did, in order.");
    }
}

fn response_ms(turn: TurnView<'_>) -> Option<i32> {
    let asked = turn.graph().turn(turn.graph().parent(turn.ix)?).created_at;
    let micros = turn.row().finished_at?.0.checked_sub(asked.0)?;
    i32::try_from(micros / 1_000).ok().filter(|&ms| ms >= 0)
}

/// Arguments of a list of steps.
#[derive(InputObject, Clone)]
pub(crate) struct StepsArgs {
    #[graphql(flatten)]
    page: StepsPage,
    /// Only steps of these types.
    types: Option<Vec<StepType>>,
}

impl CheckedArgs for StepsArgs {
    fn check(&self) -> Result<(), String> {
        self.request().map(drop).map_err(|e| e.to_string())
    }

    const SIZED: bool = true;

    fn size(&self) -> u32 {
        self.page.size()
    }
}

impl PageArgs for StepsArgs {
    fn list(&self) -> CursorList {
        match &self.types {
            Some(types) => StepsPage::LIST.with(types),
            None => StepsPage::LIST,
        }
    }

    fn request(&self) -> Result<PageRequest, PageError> {
        self.page.request_of(self.list())
    }
}

/// A page of steps while it is written: places among the turn's steps.
#[derive(Clone, Copy)]
pub(crate) struct StepsOf<'a> {
    turn: TurnView<'a>,
    all: &'a [StepRow],
    list: CursorList,
    page: &'a [usize],
    has_next: bool,
    has_previous: bool,
}

/// The family of pages of steps.
pub(crate) struct StepsV;

impl View for StepsV {
    type Of<'a> = StepsOf<'a>;
}

/// The steps of an agent turn.
pub(crate) struct Steps;

fn steps_page<'a>(turn: TurnView<'a>, all: &'a [StepRow], args: &StepsArgs) -> StepsOf<'a> {
    let wanted = |step: &StepRow| {
        args.types
            .as_ref()
            .is_none_or(|types| types.contains(&StepType::of(step.tpe)))
    };
    let places: Vec<usize> = (0..all.len()).filter(|&at| wanted(&all[at])).collect();
    let page = args.slice(places.len(), |place| all[places[place]].idx.into());
    StepsOf {
        turn,
        all,
        list: args.list(),
        page: turn
            .session
            .env
            .keep(places[page.start..page.end].iter().copied()),
        has_next: page.has_next,
        has_previous: page.has_previous,
    }
}

impl List for Steps {
    const CONNECTION: &'static str = "StepConnection";
    const EDGE: &'static str = "StepEdge";
    const DOC: &'static str = "A page of steps.";
    type Node = Step;
    type Page = StepsV;

    fn each<'a>(of: StepsOf<'a>, push: &mut dyn FnMut((CursorOf<'a>, StepView<'a>))) {
        for &at in of.page {
            let row = &of.all[at];
            push((
                CursorOf::Place(of.list, row.idx.into()),
                of.turn.step(at, row),
            ));
        }
    }

    fn more(of: StepsOf<'_>) -> (bool, bool) {
        (of.has_next, of.has_previous)
    }
}
