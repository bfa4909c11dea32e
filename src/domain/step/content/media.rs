//! Steps that show or play something: `Card`, `Audio`, `Plot`, `Document`, and the reference to
//! media that they share. Bytes of media are never part of a step.

use std::borrow::Cow;

use super::fields::{Fields, Read};
use super::json::Json;
use super::lines;
use super::tool::ToolCall;

/// A reference to a file, with what a client needs to show and cache it.
#[derive(Debug, Clone, PartialEq)]
pub struct Media<'a> {
    /// The address as stored.
    pub url: Cow<'a, str>,
    /// Media type, e.g. `image/png`.
    pub mime_type: Cow<'a, str>,
    /// Size in bytes.
    pub size_bytes: Option<i32>,
    /// SHA-256 of the bytes, as its writer spelled it.
    pub sha256: Option<Cow<'a, str>>,
    /// Width in pixels.
    pub width: Option<i32>,
    /// Height in pixels.
    pub height: Option<i32>,
    /// Playing time in milliseconds.
    pub duration_ms: Option<i32>,
}

impl<'a> Media<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            url: fields.required_text("url")?,
            mime_type: fields.required_text("mimeType")?,
            size_bytes: fields.int("sizeBytes")?,
            sha256: fields.text("sha256")?,
            width: fields.int("width")?,
            height: fields.int("height")?,
            duration_ms: fields.int("durationMs")?,
        })
    }

    fn of(step: &Fields<'a, '_>, name: &'static str) -> Read<Option<Self>> {
        let media = step.get(name).map(|value| Self::read(&value.fields()?));
        media.transpose()
    }
}

/// A card with actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Card<'a> {
    /// Head line.
    pub title: Option<Cow<'a, str>>,
    /// Second line.
    pub subtitle: Option<Cow<'a, str>>,
    /// Text of the card.
    pub body: Option<Cow<'a, str>>,
    /// Picture of the card.
    pub image: Option<Media<'a>>,
    /// Buttons.
    pub actions: Vec<CardAction<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

/// A button of a card: opens an address, or sends a value back.
#[derive(Debug, Clone, PartialEq)]
pub struct CardAction<'a> {
    /// What the button says.
    pub label: Cow<'a, str>,
    /// Address that it opens.
    pub url: Option<Cow<'a, str>>,
    /// Value that it sends.
    pub value: Option<Cow<'a, str>>,
}

impl<'a> Card<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            title: fields.text("title")?,
            subtitle: fields.text("subtitle")?,
            body: fields.text("body")?,
            image: Media::of(fields, "image")?,
            actions: fields.list("actions", |value, _| {
                let action = value.fields()?;
                Ok(CardAction {
                    label: action.required_text("label")?,
                    url: action.text("url")?,
                    value: action.text("value")?,
                })
            })?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        lines([
            self.title.as_ref(),
            self.subtitle.as_ref(),
            self.body.as_ref(),
        ])
    }
}

/// Sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio<'a> {
    /// The recording.
    pub media: Media<'a>,
    /// What is said in it.
    pub transcript: Option<Cow<'a, str>>,
    /// Playing time in milliseconds; that of the media where the step does not say its own.
    pub duration_ms: Option<i32>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> Audio<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        let media = Media::read(&fields.required("media")?.fields()?)?;
        Ok(Self {
            transcript: fields.text("transcript")?,
            duration_ms: fields.int("durationMs")?.or(media.duration_ms),
            tool: ToolCall::of(fields)?,
            media,
        })
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        lines([self.transcript.as_ref()])
    }
}

/// The format of a plot that has a picture and no specification.
pub const PLOT_FORMAT_IMAGE: &str = "image";

/// A chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot<'a> {
    /// What it shows.
    pub title: Option<Cow<'a, str>>,
    /// Language of `spec`, e.g. `vega-lite`, `plotly`; `image` for a picture without one.
    pub spec_format: Cow<'a, str>,
    /// The specification; any JSON.
    pub spec: Option<Json<'a>>,
    /// The chart as a picture.
    pub image: Option<Media<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> Plot<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        let (spec, image) = (fields.json("spec"), Media::of(fields, "image")?);
        let spec_format = match fields.text("specFormat")? {
            None if spec.is_none() && image.is_some() => Cow::Borrowed(PLOT_FORMAT_IMAGE),
            Some(format) => format,
            None => fields.required_text("specFormat")?,
        };
        Ok(Self {
            title: fields.text("title")?,
            spec_format,
            spec,
            image,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        lines([self.title.as_ref()])
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<'a> {
    /// Its title.
    pub title: Option<Cow<'a, str>>,
    /// The file.
    pub media: Option<Media<'a>>,
    /// Its text, whole.
    pub text: Option<Cow<'a, str>>,
    /// Number of pages.
    pub page_count: Option<i32>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            title: fields.text("title")?,
            media: Media::of(fields, "media")?,
            text: fields.text("text")?,
            page_count: fields.int("pageCount")?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        lines([self.title.as_ref(), self.text.as_ref()])
    }
}
