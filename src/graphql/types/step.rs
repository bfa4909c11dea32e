//! `Step` and what all its types share.

use async_graphql::InputObject;

use crate::domain::step::content::{StepContent, check_json};
use crate::graphql::data::StepView;
use crate::graphql::engine::{At, CheckedArgs, Entity, Int, Kind, Obj, Str, Type, View, leaf};
use crate::graphql::ids::Id;
use crate::graphql::scalars::{Instant, JsonScalar, StepKind, StepType};

pub(crate) mod content;
mod parts;

use super::node::Node;
use super::turn::AgentTurn;
use content::possible_steps;
use parts::ToolCall;

/// The family of steps.
pub(crate) struct StepV;

impl View for StepV {
    type Of<'a> = StepView<'a>;
}

leaf!(
    /// The content of a step: JSON text as it was stored, or, where another program has stored
    /// something that is not JSON, that text as a JSON string.
    'a Content, &'a str, JsonScalar, |text, out| {
        if check_json(text).is_ok() { out.raw(text.as_bytes()) } else { out.str(text) }
    }
);

/// The interface.
pub(crate) struct Step;

/// How much of a text.
#[derive(InputObject, Clone)]
pub(crate) struct TextArgs {
    /// Characters at most; the whole text unless given.
    max_chars: Option<i32>,
}

impl CheckedArgs for TextArgs {
    fn check(&self) -> Result<(), String> {
        match self.max_chars {
            Some(max) if max < 0 => Err(format!("`maxChars: {max}` must not be negative")),
            _ => Ok(()),
        }
    }
}

impl TextArgs {
    /// The beginning of `text`; a character is never cut in two.
    pub(crate) fn cut<'t>(&self, text: &'t str) -> &'t str {
        let max = self.max_chars.and_then(|max| usize::try_from(max).ok());
        let end = max
            .and_then(|max| text.char_indices().nth(max))
            .map(|(end, _)| end);
        end.map_or(text, |end| &text[..end])
    }
}

/// Declares what every step has.
pub(crate) fn step_fields<T: Entity<V = StepV>>(t: &mut Type<T>) {
    t.field::<Id>("id", |At(s)| s.id())
        .doc("Global id: opaque, stable, usable in `node(id:)`.");
    t.field::<Int>("idx", |At(s)| s.row.idx)
        .doc("Place within the turn; ascending, with gaps.");
    t.field::<StepKind>("type", |At(s)| StepType::of(s.row.tpe))
        .doc("Type as stored.");
    t.field::<Obj<AgentTurn>>("turn", |At(s)| s.turn)
        .doc("The turn it belongs to.");
    t.field::<Instant>("createdAt", |At(s)| s.row.created_at)
        .doc("When it was written.");
    t.field::<Int>("contentBytes", |At(s)| {
        i32::try_from(s.row.content.len()).unwrap_or(i32::MAX)
    })
    .doc("Size of the content as stored.");
    t.field_with::<TextArgs, Option<Str>>("plainText", |At(s), args| {
        let text = s.content()?.plain_text();
        Some(s.turn.session.env.keep_text(args.cut(&text).to_owned()))
    })
    .needs(|n| n.step_contents = true)
    .doc("What a person reads of it: text, code and output, a table as lines …");
    t.field::<Option<Obj<ToolCall>>>("tool", |At(s)| s.content().and_then(StepContent::tool))
        .needs(|n| n.step_contents = true)
        .doc("The tool that the agent used in this step, with its result where it is known.");
    t.field::<Content>("content", |At(s)| &s.row.content)
        .doc("The content whole, byte for byte as it is stored.");
}

impl Entity for Step {
    const NAME: &'static str = "Step";
    const KIND: Kind = Kind::Interface;
    type V = StepV;

    fn declare(t: &mut Type<Self>) {
        t.doc("One unit of an agent's work. Select shared fields, then narrow by type.")
            .implements::<Node>();
        step_fields(t);
        possible_steps(t, |At(step)| Some(step));
    }
}
