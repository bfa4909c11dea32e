//! The 13 types of step and `MalformedStep`, each over its typed content.
//!
//! A field of a type can only be selected in a fragment on that type, and such a fragment makes
//! the plan read the contents (`narrowing_needs`); so the typed content is there when it is asked
//! for. Where no fragment narrows, all types are written alike and no content is read.

use std::borrow::Cow;

use async_graphql::InputObject;

use crate::domain;
use crate::domain::step::content::StepContent;
use crate::graphql::data::{StepView, TurnView};
use crate::graphql::engine::{At, CheckedArgs, Entity, Float, Int, Obj, Str, Type};
use crate::graphql::scalars::Json;

use super::super::node::Node;
use super::super::turn::HumanTurn;
use super::parts::{
    CardAction, Citation, LabelScore, Media, RetrievedDocument, TableColumn, WebResult,
};
use super::{Step, StepV, TextArgs, step_fields};

/// The type that a step is written as; none is `MalformedStep`.
fn type_of(step: StepView<'_>) -> Option<domain::StepType> {
    match step.content() {
        Some(StepContent::Malformed(_)) => None,
        _ => domain::StepType::from_number(step.row.tpe),
    }
}

fn text<'a>(text: &'a Option<Cow<'_, str>>) -> Option<&'a str> {
    text.as_deref()
}

/// Declares the types once: GraphQL type, variant, function that reads it, description, fields.
macro_rules! step_types {
    ($($name:ident, $variant:ident, $read:ident, $doc:literal, |$t:ident| $fields:block)*) => {
        $(
            #[doc = $doc]
            pub(crate) struct $name;

            impl Entity for $name {
                const NAME: &'static str = stringify!($name);
                type V = StepV;

                fn declare($t: &mut Type<Self>) {
                    $t.doc($doc).implements::<Node>().implements::<Step>();
                    $t.narrowing_needs(|n| n.step_contents = true);
                    step_fields($t);
                    $fields
                }
            }

            fn $read<'a>(step: StepView<'a>) -> &'a domain::step::content::$variant<'a> {
                match step.content() {
                    Some(StepContent::$variant(content)) => content,
                    _ => unreachable!("a fragment on a type is applied to steps of that type"),
                }
            }
        )*

        /// Names all types of step as possible types of an interface.
        pub(crate) fn possible_steps<T: Entity>(
            t: &mut Type<T>,
            step: for<'a> fn(At<'a, T::V>) -> Option<StepView<'a>>,
        ) {
            $(t.possible::<$name>(move |at| {
                step(at).filter(|s| type_of(*s) == Some(domain::StepType::$variant))
            });)*
            t.possible::<MalformedStep>(move |at| step(at).filter(|s| type_of(*s).is_none()));
        }
    };
}

step_types! {
    ThinkStep, Think, think, "Reasoning that is not part of the answer.", |t| {
        t.field::<Str>("text", |At(s)| &think(s).text).doc("The reasoning.");
        t.field::<Option<Int>>("durationMs", |At(s)| think(s).duration_ms)
            .doc("How long it took, in milliseconds.");
    }
    TextStep, Text, text_of, "A part of the answer.", |t| {
        t.field::<Str>("text", |At(s)| &text_of(s).text).doc("The text.");
        t.field::<Str>("format", |At(s)| &text_of(s).format)
            .doc("How the text is marked up; `markdown` unless its writer said otherwise.");
        t.list::<Obj<Citation>>("citations", |At(s), push| {
            text_of(s).citations.iter().for_each(push);
        })
        .doc("What the text refers to.");
    }
    RetrievalStep, Retrieval, retrieval, "Documents fetched from an index.", |t| {
        t.field::<Option<Str>>("query", |At(s)| text(&retrieval(s).query))
            .doc("What was looked for.");
        t.field::<Option<Str>>("index", |At(s)| text(&retrieval(s).index))
            .doc("Where it was looked for.");
        t.list::<Obj<RetrievedDocument>>("documents", |At(s), push| {
            retrieval(s).documents.iter().for_each(push);
        })
        .doc("What was found.");
    }
    CodeStep, Code, code, "A program and what it printed.", |t| {
        t.field::<Option<Str>>("language", |At(s)| text(&code(s).language))
            .doc("Programming language.");
        t.field::<Str>("source", |At(s)| &code(s).source).doc("The program.");
        t.field::<Option<Str>>("stdout", |At(s)| text(&code(s).stdout)).doc("What it printed.");
        t.field::<Option<Str>>("stderr", |At(s)| text(&code(s).stderr))
            .doc("What it printed as errors.");
        t.field::<Option<Int>>("exitCode", |At(s)| code(s).exit_code).doc("Its exit code.");
        t.field::<Option<Int>>("durationMs", |At(s)| code(s).duration_ms)
            .doc("How long it ran, in milliseconds.");
        t.list::<Obj<Media>>("artifacts", |At(s), push| code(s).artifacts.iter().for_each(push))
            .doc("Files that it made.");
    }
    WebSearchStep, WebSearch, web_search, "A search on the web.", |t| {
        t.field::<Str>("query", |At(s)| &web_search(s).query).doc("What was searched for.");
        t.list::<Obj<WebResult>>("results", |At(s), push| {
            web_search(s).results.iter().for_each(push);
        })
        .doc("What was found.");
    }
    CardStep, Card, card, "A card with actions.", |t| {
        t.field::<Option<Str>>("title", |At(s)| text(&card(s).title)).doc("Its title.");
        t.field::<Option<Str>>("subtitle", |At(s)| text(&card(s).subtitle))
            .doc("The line below its title.");
        t.field::<Option<Str>>("body", |At(s)| text(&card(s).body)).doc("Its text.");
        t.field::<Option<Obj<Media>>>("image", |At(s)| card(s).image.as_ref()).doc("Its picture.");
        t.list::<Obj<CardAction>>("actions", |At(s), push| card(s).actions.iter().for_each(push))
            .doc("What a person may choose.");
    }
    AudioStep, Audio, audio, "Sound.", |t| {
        t.field::<Obj<Media>>("media", |At(s)| &audio(s).media).doc("The recording.");
        t.field::<Option<Str>>("transcript", |At(s)| text(&audio(s).transcript))
            .doc("What is said in it.");
        t.field::<Option<Int>>("durationMs", |At(s)| audio(s).duration_ms)
            .doc("Its length in milliseconds.");
    }
    PlotStep, Plot, plot, "A chart.", |t| {
        t.field::<Option<Str>>("title", |At(s)| text(&plot(s).title)).doc("Its title.");
        t.field::<Str>("specFormat", |At(s)| &plot(s).spec_format)
            .doc("Language of the specification, e.g. `vega-lite`; `image` where there is none.");
        t.field::<Option<Json>>("spec", |At(s)| plot(s).spec.map(|spec| spec.as_str()))
            .doc("The specification.");
        t.field::<Option<Obj<Media>>>("image", |At(s)| plot(s).image.as_ref())
            .doc("The chart as a picture.");
    }
    TableStep, Table, table, "Rows and columns.", |t| {
        t.field::<Option<Str>>("caption", |At(s)| text(&table(s).caption)).doc("What it shows.");
        t.list::<Obj<TableColumn>>("columns", |At(s), push| table(s).columns.iter().for_each(push))
            .doc("The columns.");
        t.field::<Int>("rowCount", |At(s)| table(s).row_count).doc("Rows of the whole table.");
        t.list_with::<RowsArgs, Json>("rows", |At(s), args, push| {
            let rows = table(s).rows(args.offset(), args.limit());
            rows.iter().for_each(|row| push(row.as_str()));
        })
        .doc("Stored rows, each an array in the order of `columns` or an object by their keys.");
    }
    DocumentStep, Document, document, "A document.", |t| {
        t.field::<Option<Str>>("title", |At(s)| text(&document(s).title)).doc("Its title.");
        t.field::<Option<Obj<Media>>>("media", |At(s)| document(s).media.as_ref())
            .doc("The file.");
        t.field_with::<TextArgs, Option<Str>>("text", |At(s), args| {
            text(&document(s).text).map(|text| args.cut(text))
        })
        .doc("Its text.");
        t.field::<Option<Int>>("pageCount", |At(s)| document(s).page_count)
            .doc("Its number of pages.");
    }
    InputRequestStep, InputRequest, input_request, "A question back to the person.", |t| {
        t.field::<Str>("question", |At(s)| &input_request(s).question).doc("The question.");
        t.list::<Str>("options", |At(s), push| {
            input_request(s).options.iter().for_each(|option| push(option));
        })
        .doc("Answers to choose from.");
        t.field::<Option<Json>>("jsonSchema", |At(s)| {
            input_request(s).json_schema.map(|schema| schema.as_str())
        })
        .doc("JSON Schema of the answer.");
        t.field::<Option<Obj<HumanTurn>>>("answeredBy", |At(s)| answer(s.turn))
            .doc("The human turn that follows on the path that is shown.");
    }
    TurnClassifierStep, TurnClassifier, classifier, "Labels that a classifier gave to the prompt.",
    |t| {
        t.field::<Option<Str>>("model", |At(s)| text(&classifier(s).model)).doc("The classifier.");
        t.list::<Obj<LabelScore>>("labels", |At(s), push| {
            classifier(s).labels.iter().for_each(push);
        })
        .doc("The labels.");
    }
    LangDetectionStep, LangDetection, language, "The language of the prompt.", |t| {
        t.field::<Str>("language", |At(s)| &language(s).language)
            .doc("The language, mostly as BCP 47, e.g. `pt-BR`.");
        t.field::<Option<Float>>("confidence", |At(s)| language(s).confidence)
            .doc("How sure its giver is, mostly 0 to 1.");
        t.list::<Obj<LabelScore>>("alternatives", |At(s), push| {
            language(s).alternatives.iter().for_each(push);
        })
        .doc("Other languages that it may be.");
    }
}

/// Content that does not fit its type.
pub(crate) struct MalformedStep;

impl Entity for MalformedStep {
    const NAME: &'static str = "MalformedStep";
    type V = StepV;

    fn declare(t: &mut Type<Self>) {
        t.doc("Content that does not fit its type; `content` still carries it whole.")
            .implements::<Node>()
            .implements::<Step>();
        t.narrowing_needs(|n| n.step_contents = true);
        step_fields(t);
        t.field::<Str>("problem", |At(s)| match s.content() {
            Some(StepContent::Malformed(malformed)) => &malformed.problem,
            _ => "",
        })
        .doc("What does not fit, and where.");
    }
}

/// The human turn that answers a question of an agent turn.
fn answer(turn: TurnView<'_>) -> Option<TurnView<'_>> {
    turn.graph()
        .active_child(turn.ix)
        .map(|ix| turn.session.turn(ix))
        .filter(|t| t.is_human())
}

/// Which rows of a table.
#[derive(InputObject, Clone)]
pub(crate) struct RowsArgs {
    /// Rows to leave out at the start.
    #[graphql(default = 0)]
    offset: i32,
    /// Rows at most: 50 unless given, at most 10,000.
    #[graphql(default = 50)]
    limit: i32,
}

impl CheckedArgs for RowsArgs {
    fn check(&self) -> Result<(), String> {
        if self.offset < 0 {
            return Err(format!("`offset: {}` must not be negative", self.offset));
        }
        if !(0..=10_000).contains(&self.limit) {
            return Err(format!(
                "`limit: {}` must be between 0 and 10,000",
                self.limit
            ));
        }
        Ok(())
    }
}

impl RowsArgs {
    fn offset(&self) -> usize {
        usize::try_from(self.offset).unwrap_or(0)
    }

    fn limit(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(0)
    }
}
