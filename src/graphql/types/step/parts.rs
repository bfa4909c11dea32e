//! Small types inside the contents of steps.

use std::borrow::Cow;

use crate::domain::step::content as domain;
use crate::graphql::engine::{At, Bool, Entity, Float, Int, Str, Type, View};
use crate::graphql::scalars::{Instant, Json};

fn text<'a>(text: &'a Option<Cow<'_, str>>) -> Option<&'a str> {
    text.as_deref()
}

/// Declares a type over a reference to a part of a content.
macro_rules! part {
    ($name:ident, $view:ident, $doc:literal, |$t:ident| $fields:block) => {
        #[doc = $doc]
        pub(crate) struct $name;

        #[doc = concat!("The family of values of `", stringify!($name), "`.")]
        pub(crate) struct $view;

        impl View for $view {
            type Of<'a> = &'a domain::$name<'a>;
        }

        impl Entity for $name {
            const NAME: &'static str = stringify!($name);
            type V = $view;

            fn declare($t: &mut Type<Self>) {
                $t.doc($doc);
                $fields
            }
        }
    };
}

part!(
    ToolCall,
    ToolCallV,
    "A tool that the agent used, with its result where known.",
    |t| {
        t.field::<Option<Str>>("callId", |At(c)| text(&c.call_id))
            .doc("Key that the model gave to the call.");
        t.field::<Str>("name", |At(c)| &c.name)
            .doc("Name of the tool.");
        t.field::<Option<Json>>("arguments", |At(c)| c.arguments.map(|json| json.as_str()))
            .doc("What the tool was given.");
        t.field::<Option<Json>>("result", |At(c)| c.result.map(|json| json.as_str()))
            .doc("What the tool answered.");
        t.field::<Option<Bool>>("success", |At(c)| c.success)
            .doc("Whether the call succeeded; null where that is not known.");
        t.field::<Option<Int>>("durationMs", |At(c)| c.duration_ms)
            .doc("How long the call took, in milliseconds.");
    }
);

part!(
    Citation,
    CitationV,
    "What a stretch of a text refers to.",
    |t| {
        t.field::<Option<Str>>("label", |At(c)| text(&c.label))
            .doc("How it is marked, e.g. `[1]`.");
        t.field::<Option<Int>>("start", |At(c)| c.start)
            .doc("Where the stretch begins.");
        t.field::<Option<Int>>("end", |At(c)| c.end)
            .doc("Where the stretch ends.");
        t.field::<Option<Str>>("url", |At(c)| text(&c.url))
            .doc("Address of the source.");
        t.field::<Option<Str>>("stepId", |At(c)| text(&c.step_id))
            .doc("The step that the source came from, as its writer names it.");
    }
);

part!(
    RetrievedDocument,
    RetrievedDocumentV,
    "A document that was found in an index.",
    |t| {
        t.field::<Option<Str>>("documentId", |At(d)| text(&d.document_id))
            .doc("Key in the index.");
        t.field::<Option<Str>>("title", |At(d)| text(&d.title))
            .doc("Its title.");
        t.field::<Option<Str>>("url", |At(d)| text(&d.url))
            .doc("Its address.");
        t.field::<Option<Str>>("snippet", |At(d)| text(&d.snippet))
            .doc("The stretch that fits the query.");
        t.field::<Option<Float>>("score", |At(d)| d.score)
            .doc("How well it fits, in the measure of the index.");
        t.field::<Int>("rank", |At(d)| d.rank)
            .doc("Its place, from 1.");
        t.field::<Option<Json>>("metadata", |At(d)| d.metadata.map(|json| json.as_str()))
            .doc("What else the index knows.");
    }
);

part!(
    WebResult,
    WebResultV,
    "A page that was found on the web.",
    |t| {
        t.field::<Int>("rank", |At(r)| r.rank)
            .doc("Its place, from 1.");
        t.field::<Option<Str>>("title", |At(r)| text(&r.title))
            .doc("Its title.");
        t.field::<Str>("url", |At(r)| &r.url).doc("Its address.");
        t.field::<Option<Str>>("snippet", |At(r)| text(&r.snippet))
            .doc("The stretch that fits the query.");
        t.field::<Option<Instant>>("publishedAt", |At(r)| r.published_at)
            .doc("When it was published.");
    }
);

part!(
    CardAction,
    CardActionV,
    "Something that a person may choose on a card.",
    |t| {
        t.field::<Str>("label", |At(a)| &a.label)
            .doc("What is written on it.");
        t.field::<Option<Str>>("url", |At(a)| text(&a.url))
            .doc("Where it leads.");
        t.field::<Option<Str>>("value", |At(a)| text(&a.value))
            .doc("What is sent when it is chosen.");
    }
);

part!(TableColumn, TableColumnV, "A column of a table.", |t| {
    t.field::<Str>("key", |At(c)| &c.key)
        .doc("Its key in rows that are objects.");
    t.field::<Option<Str>>("label", |At(c)| text(&c.label))
        .doc("What is shown above it.");
    t.field::<Option<Str>>("dataType", |At(c)| text(&c.data_type))
        .doc("What its cells are, e.g. `number`.");
});

part!(
    LabelScore,
    LabelScoreV,
    "A label, and how sure its giver is.",
    |t| {
        t.field::<Str>("label", |At(l)| &l.label).doc("The label.");
        t.field::<Option<Float>>("score", |At(l)| l.score)
            .doc("Its score, in the measure of its giver.");
    }
);

part!(
    Media,
    MediaV,
    "A file by reference, never its bytes.",
    |t| {
        t.field::<Str>("url", |At(m)| &m.url)
            .doc("Its address as stored.");
        t.field::<Str>("mimeType", |At(m)| &m.mime_type)
            .doc("What kind of file, e.g. `image/png`.");
        t.field::<Option<Int>>("sizeBytes", |At(m)| m.size_bytes)
            .doc("Its size.");
        t.field::<Option<Str>>("sha256", |At(m)| text(&m.sha256))
            .doc("Its SHA-256 in hex.");
        t.field::<Option<Int>>("width", |At(m)| m.width)
            .doc("Width in pixels.");
        t.field::<Option<Int>>("height", |At(m)| m.height)
            .doc("Height in pixels.");
        t.field::<Option<Int>>("durationMs", |At(m)| m.duration_ms)
            .doc("Length in milliseconds.");
    }
);
