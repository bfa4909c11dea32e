//! Connections: edges, nodes and pageInfo are said once, for all lists.

use crate::domain::CursorList;
use crate::graphql::engine::{At, Bool, Entity, Obj, Type, View, leaf};

/// A place in a list, as clients see it.
#[derive(Clone, Copy)]
pub(crate) enum CursorOf<'a> {
    /// The number or place of a turn or step in a list.
    Place(CursorList, i64),
    /// Any other.
    Text(&'a str),
}

leaf!(
    /// A cursor, opaque to clients.
    'a Cursor, CursorOf<'a>, String, |cursor, out| match cursor {
        CursorOf::Place(list, place) => out.str(&format!("{list}:{place}")),
        CursorOf::Text(text) => out.str(text),
    }
);

/// Where a page lies in its list.
#[derive(Clone, Copy)]
pub(crate) struct PageInfoOf<'a> {
    pub(crate) has_next: bool,
    pub(crate) has_previous: bool,
    pub(crate) start: Option<CursorOf<'a>>,
    pub(crate) end: Option<CursorOf<'a>>,
}

/// One kind of list.
pub(crate) trait List: Sized + Send + Sync + 'static {
    /// Name of the connection type.
    const CONNECTION: &'static str;
    /// Name of the edge type.
    const EDGE: &'static str;
    /// What the list is.
    const DOC: &'static str;
    /// What it lists.
    type Node: Entity;
    /// One page.
    type Page: View;

    /// Pushes the entries of the page with their cursors.
    fn each<'a>(
        page: <Self::Page as View>::Of<'a>,
        push: &mut dyn FnMut((CursorOf<'a>, <<Self::Node as Entity>::V as View>::Of<'a>)),
    );

    /// Whether there is more, `(has_next, has_previous)`.
    fn more(page: <Self::Page as View>::Of<'_>) -> (bool, bool);

    /// Fields beside edges, nodes and pageInfo.
    fn declare_more(_: &mut Type<Connection<Self>>) {}
}

/// The connection type of a list.
pub(crate) struct Connection<L>(L);

/// The edge type of a list.
pub(crate) struct Edge<L>(L);

/// The family of edges.
pub(crate) struct EdgeV<L>(L);

impl<L: List> View for EdgeV<L> {
    type Of<'a> = (CursorOf<'a>, <<L::Node as Entity>::V as View>::Of<'a>);
}

impl<L: List> Entity for Connection<L> {
    const NAME: &'static str = L::CONNECTION;
    type V = L::Page;

    fn declare(t: &mut Type<Self>) {
        t.doc(L::DOC);
        t.list::<Obj<Edge<L>>>("edges", |At(page), push| L::each(page, push))
            .entries()
            .doc("The entries with their cursors.");
        t.list::<Obj<L::Node>>("nodes", |At(page), push| {
            L::each(page, &mut |(_, node)| push(node));
        })
        .entries()
        .doc("The entries without cursors.");
        t.field::<Obj<PageInfo>>("pageInfo", |At(page)| page_info::<L>(page))
            .doc("Whether there is more, and how to ask for it.");
        L::declare_more(t);
    }
}

fn page_info<'a, L: List>(page: <L::Page as View>::Of<'a>) -> PageInfoOf<'a> {
    let (has_next, has_previous) = L::more(page);
    let mut info = PageInfoOf {
        has_next,
        has_previous,
        start: None,
        end: None,
    };
    L::each(page, &mut |(cursor, _)| {
        info.start.get_or_insert(cursor);
        info.end = Some(cursor);
    });
    info
}

impl<L: List> Entity for Edge<L> {
    const NAME: &'static str = L::EDGE;
    type V = EdgeV<L>;

    fn declare(t: &mut Type<Self>) {
        t.doc("An entry of a list, with its place.");
        t.field::<Cursor>("cursor", |At((cursor, _))| cursor)
            .doc("Its place, for `after` and `before`.");
        t.field::<Obj<L::Node>>("node", |At((_, node))| node)
            .doc("The entry itself.");
    }
}

/// `PageInfo` of the Relay connection specification.
pub(crate) struct PageInfo;

/// The family of page infos.
pub(crate) struct PageInfoV;

impl View for PageInfoV {
    type Of<'a> = PageInfoOf<'a>;
}

impl Entity for PageInfo {
    const NAME: &'static str = "PageInfo";
    type V = PageInfoV;

    fn declare(t: &mut Type<Self>) {
        t.doc("Where a page lies in its list.");
        t.field::<Bool>("hasNextPage", |At(p)| p.has_next)
            .doc("Whether entries follow.");
        t.field::<Bool>("hasPreviousPage", |At(p)| p.has_previous)
            .doc("Whether entries come before.");
        t.field::<Option<Cursor>>("startCursor", |At(p)| p.start)
            .doc("Cursor of the first entry, for `before`; null on an empty page.");
        t.field::<Option<Cursor>>("endCursor", |At(p)| p.end)
            .doc("Cursor of the last entry, for `after`; null on an empty page.");
    }
}
