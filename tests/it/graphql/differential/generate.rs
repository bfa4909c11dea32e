//! Random valid operations over the schema. The same response key always means the same field
//! with the same arguments, so nothing conflicts, and much is merged.

use apollo_compiler::ast::FieldDefinition;
use apollo_compiler::collections::HashMap;
use apollo_compiler::schema::{ExtendedType, Implementers};
use apollo_compiler::{Name, Schema};
use turngraph::domain::CursorList;

/// What is left to other tests: opaque tokens, search, and texts put together.
const LEFT_OUT: &[(&str, &str)] = &[
    ("Session", "revision"),
    ("Session", "readInfo"),
    ("SessionConnection", "readInfo"),
    ("TurnConnection", "readInfo"),
    ("Query", "status"),
    ("Query", "erasure"),
    ("Query", "searchTurns"),
    ("Branch", "title"),
    ("BranchDiff", "textDiff"),
];

/// Lists with numeric cursors and no filter.
const LISTS: &[&str] = &[
    "activePath",
    "ancestors",
    "branches",
    "children",
    "outline",
    "roots",
    "siblings",
];

/// Which objects implement an interface; asked for once, because it is put together each time.
pub(super) type AllImplementers = HashMap<Name, Implementers>;

pub(super) struct Generator<'s> {
    schema: &'s Schema,
    implementers: &'s AllImplementers,
    state: u64,
    fragments: Vec<(String, String)>,
    uses_variables: bool,
}

impl<'s> Generator<'s> {
    pub(super) fn new(schema: &'s Schema, implementers: &'s AllImplementers, seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            schema,
            implementers,
            state,
            fragments: Vec::new(),
            uses_variables: false,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap() % bound
    }

    fn pick(&mut self, texts: &[&str]) -> String {
        texts[self.below(texts.len())].to_owned()
    }

    pub(super) fn operation(mut self) -> String {
        let selection = self.selection("Query", 5);
        let head = if self.uses_variables {
            "query($yes:Boolean!=true,$no:Boolean=false){u:viewer@skip(if:$yes){uid} v:viewer@include(if:$no){uid}"
        } else {
            "{"
        };
        let mut text = format!("{head}{selection}}}");
        for (name, fragment) in &self.fragments {
            text += &format!(" fragment {name} {fragment}");
        }
        text
    }

    fn directive(&mut self) -> String {
        match self.below(12) {
            0 => self.pick(&["@skip(if:true)", "@include(if:false)"]),
            1 => self.pick(&["@skip(if:false)", "@include(if:true)"]),
            2 => {
                self.uses_variables = true;
                self.pick(&[
                    "@skip(if:$no)",
                    "@skip(if:$yes)",
                    "@include(if:$yes)",
                    "@include(if:$no)",
                ])
            }
            _ => String::new(),
        }
    }

    /// Never empty; fields, inline fragments and spreads on `ty`.
    fn selection(&mut self, ty: &str, depth: usize) -> String {
        let mut text = if self.below(3) == 0 {
            " __typename"
        } else {
            ""
        }
        .to_owned();
        for _ in 0..1 + self.below(4) {
            let directive = self.directive();
            match self.below(6) {
                0 if depth > 0 => {
                    let on = self.condition(ty);
                    let inner = self.selection(&on, depth - 1);
                    text += &format!(" ...on {on}{directive}{{{inner}}}");
                }
                1 if depth > 0 && self.fragments.len() < 6 => {
                    let on = self.condition(ty);
                    let inner = self.selection(&on, depth - 1);
                    let name = format!("F{}", self.fragments.len());
                    self.fragments
                        .push((name.clone(), format!("on {on}{{{inner}}}")));
                    text += &format!(" ...{name}{directive}");
                    if self.below(2) == 0 {
                        text += &format!(" ...{name}");
                    }
                }
                _ => text += &self.field(ty, depth, &directive),
            }
        }
        text + " k:__typename"
    }

    /// A type that may be asked for where `ty` is.
    fn condition(&mut self, ty: &str) -> String {
        let mut all = vec![ty.to_owned()];
        if let ExtendedType::Object(object) = &self.schema.types[ty] {
            all.extend(object.implements_interfaces.iter().map(ToString::to_string));
        }
        if let ExtendedType::Interface(interface) = &self.schema.types[ty] {
            all.extend(
                interface
                    .implements_interfaces
                    .iter()
                    .map(ToString::to_string),
            );
            all.extend(
                self.implementers[ty]
                    .objects
                    .iter()
                    .map(ToString::to_string),
            );
        }
        let at = self.below(all.len());
        all.swap_remove(at)
    }

    fn field(&mut self, ty: &str, depth: usize, directive: &str) -> String {
        let schema = self.schema;
        let fields = match &schema.types[ty] {
            ExtendedType::Object(object) => &object.fields,
            ExtendedType::Interface(interface) => &interface.fields,
            _ => return String::new(),
        };
        let is_leaf = |definition: &FieldDefinition| {
            let named = &schema.types[definition.ty.inner_named_type()];
            !matches!(named, ExtendedType::Object(_) | ExtendedType::Interface(_))
        };
        let usable: Vec<&FieldDefinition> = fields
            .values()
            .map(|field| &***field)
            .filter(|field| !LEFT_OUT.contains(&(ty, field.name.as_str())))
            .filter(|field| depth > 0 || is_leaf(field))
            .collect();
        if usable.is_empty() {
            return String::new();
        }
        let field = usable[self.below(usable.len())];
        let arguments = self.arguments(field);
        // Arguments are part of the key, so that fields of one key never conflict.
        let odd = |c: char| !c.is_ascii_alphanumeric();
        let key = format!("{}_{}", field.name, arguments.replace(odd, "_"));
        let call = if arguments.is_empty() {
            field.name.to_string()
        } else {
            format!("{key}:{}({arguments})", field.name)
        };
        if is_leaf(field) {
            return format!(" {call}{directive}");
        }
        let inner = self.selection(field.ty.inner_named_type(), depth - 1);
        format!(" {call}{directive}{{{inner}}}")
    }

    #[expect(clippy::too_many_lines, reason = "one field a line")]
    fn arguments(&mut self, field: &FieldDefinition) -> String {
        if field.arguments.is_empty() {
            return String::new();
        }
        let turn = |g: &mut Self| {
            let role = [
                "HumanTurn:s-q1",
                "AgentTurn:s-a1",
                "AgentTurn:s-a2",
                "HumanTurn:s-q2",
                "AgentTurn:s-a3",
                "HumanTurn:s-q3",
                "AgentTurn:t-a3",
                "HumanTurn:t-q1",
            ];
            g.pick(&role)
        };
        match field.name.as_str() {
            "node" => format!("id:\"{}\"", self.id()),
            "nodes" => {
                let ids: Vec<String> = (0..=self.below(4))
                    .map(|_| format!("\"{}\"", self.id()))
                    .collect();
                format!("ids:[{}]", ids.join(","))
            }
            "account" => self.pick(&["uid:\"account\"", "uid:\"nobody\""]),
            "session" => self.pick(&[
                "uid:\"s\"",
                "id:\"Session:t\"",
                "uid:\"t\"",
                "uid:\"x\"",
                "id:\"HumanTurn:s-q1\"",
            ]),
            "turn" => match self.below(4) {
                0 => self.pick(&["uid:\"s-q1\"", "uid:\"t-a2\"", "uid:\"x\""]),
                _ => format!("id:\"{}\"", turn(self)),
            },
            "branchDiff" => format!("a:\"{}\",b:\"{}\"", turn(self), turn(self)),
            "sessions" => self.pick(&[
                "",
                "first:1",
                "last:1",
                "first:0",
                "orderBy:CREATED_ASC",
                "orderBy:CREATED_ASC,first:1",
                "orderBy:CREATED_DESC,last:1",
                "orderBy:LAST_ACTIVITY_ASC",
            ]),
            "preview" => self.pick(&["", "maxChars:60"]),
            "plainText" => self.pick(&["", "maxChars:4", "maxChars:0"]),
            "totalCount" => self.pick(&["", "upTo:1", "upTo:9"]),
            "path" => {
                let through = turn(self);
                let list = CursorList::of("path").with(&through);
                format!("through:\"{through}\"{}", self.page(list, ","))
            }
            "turns" => {
                let filter = self.pick(&[
                    "",
                    ",filter:{role:HUMAN}",
                    ",filter:{role:AGENT}",
                    ",filter:{stepTypes:[TEXT]}",
                ]);
                self.selected("turns", &filter)
            }
            "steps" => {
                let types = self.pick(&["", ",types:[TEXT]", ",types:CODE"]);
                self.selected("steps", &types)
            }
            _ if field.arguments.iter().any(|a| a.name == "first") => {
                let list = LISTS.iter().find(|list| **list == field.name.as_str());
                let list = list.expect("the list is known here");
                self.page(CursorList::of(list), "")
            }
            _ => String::new(),
        }
    }

    fn id(&mut self) -> String {
        self.pick(&[
            "Session:s",
            "Session:t",
            "HumanTurn:s-q1",
            "AgentTurn:s-a1",
            "AgentTurn:t-a2",
            "Step:s-a1:0",
            "Step:t-a3:0",
            "Step:s-a1:9",
            "Step:s-q1:0",
            "Branch:s-a3",
            "Branch:s-q2",
            "Branch:t-q3",
            "OutlineNode:s-q2",
            "OutlineNode:t-a1",
            "Account:account",
            "Account:x",
            "AgentTurn:s-q1",
            "Nothing:s",
        ])
    }

    /// Arguments of a page of a list that may be filtered. A cursor belongs to its filter, whose
    /// name in cursors is not known here.
    fn selected(&mut self, field: &'static str, filter: &str) -> String {
        let page = self.page(CursorList::of(field), "");
        let cursor = page.contains("after:") || page.contains("before:");
        let both = if cursor { page } else { page + filter };
        both.trim_start_matches(',').to_owned()
    }

    /// Arguments of a page with numeric cursors, behind `separator` where there are any.
    fn page(&mut self, list: CursorList, separator: &str) -> String {
        let size = match self.below(4) {
            0 => format!("first:{}", self.below(4)),
            1 => format!("last:{}", self.below(4)),
            _ => String::new(),
        };
        let cursor = match self.below(6) {
            0 => format!("after:\"{list}:{}\"", self.below(6)),
            1 => format!("before:\"{list}:{}\"", self.below(6)),
            _ => String::new(),
        };
        let both = [size, cursor].into_iter().filter(|part| !part.is_empty());
        let both = both.collect::<Vec<_>>().join(",");
        if both.is_empty() {
            both
        } else {
            format!("{separator}{both}")
        }
    }
}
