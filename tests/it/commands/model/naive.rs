//! Sessions in memory, as simple as can be: lists, recursion, every pointer written.

use std::collections::BTreeMap;

use turngraph::domain::Uid;

/// A command's answer: keys of the subject and the active path, or the code of the refusal.
pub(super) type Expected = Result<(Vec<Uid>, Vec<Uid>), &'static str>;

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) sessions: Vec<Session>,
    made: usize,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) uid: Uid,
    pub(super) deleted: bool,
    pub(super) turns: Vec<Turn>,
    /// The root that is shown, as written.
    root: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) uid: Uid,
    agent: bool,
    parent: Option<usize>,
    deleted: bool,
    liked: Option<bool>,
    /// The child that is shown, as written.
    child: Option<usize>,
    pub(super) prompt: Option<String>,
    pub(super) steps: BTreeMap<i32, String>,
}

/// A turn to append.
pub(super) struct NewTurn {
    uid: Uid,
    agent: bool,
    parent: Option<Uid>,
    prompt: Option<String>,
    steps: Vec<String>,
}

impl NewTurn {
    /// A human turn whose prompt is its key.
    pub(super) fn human(uid: Uid, parent: Option<Uid>) -> Self {
        Self {
            prompt: Some(uid.to_string()),
            agent: false,
            steps: Vec::new(),
            uid,
            parent,
        }
    }

    pub(super) fn agent(uid: Uid, parent: Uid, steps: Vec<String>) -> Self {
        Self {
            prompt: None,
            agent: true,
            parent: Some(parent),
            uid,
            steps,
        }
    }
}

/// `links` are the parent and the child that is shown.
pub(super) fn brief_turn(
    uid: &Uid,
    links: [Option<&Uid>; 2],
    deleted: bool,
    liked: Option<bool>,
) -> String {
    let [parent, shown] = links.map(|link| link.map_or("-", Uid::as_str));
    let deleted = if deleted { " deleted" } else { "" };
    let liked = liked.map_or(String::new(), |liked| format!(" {liked}"));
    format!("{uid}<{parent}>{shown}{deleted}{liked}")
}

pub(super) fn brief_session(deleted: bool, turns: &[String], path: &[Uid], dense: bool) -> String {
    format!("deleted: {deleted}, dense: {dense}, path: {path:?}, turns: {turns:#?}")
}

impl Model {
    pub(super) fn session(&self, pick: u16) -> Option<usize> {
        (!self.sessions.is_empty()).then(|| usize::from(pick) % self.sessions.len())
    }

    /// A turn of any session: session, place, key.
    pub(super) fn turn(&self, pick: u16) -> Option<(usize, usize, Uid)> {
        let all: Vec<_> = (0..self.sessions.len())
            .flat_map(|s| (0..self.sessions[s].turns.len()).map(move |t| (s, t)))
            .collect();
        let &(s, t) = all.get(usize::from(pick).checked_rem(all.len())?)?;
        Some((s, t, self.sessions[s].turns[t].uid.clone()))
    }

    /// A parent for a turn of session `at`: mostly one of that session and of the kind that fits,
    /// sometimes any turn, or none that exists.
    pub(super) fn parent(&self, at: usize, pick: u16, agent: bool) -> Uid {
        let turns = &self.sessions[at].turns;
        let fitting: Vec<_> = turns.iter().filter(|turn| turn.agent == agent).collect();
        match (fitting.as_slice(), pick % 10) {
            ([], _) | (_, 0) => Uid::stored("none"),
            (_, 1) => self
                .turn(pick / 10)
                .map_or_else(|| Uid::stored("none"), |(_, _, uid)| uid),
            (fitting, _) => fitting[usize::from(pick / 10) % fitting.len()].uid.clone(),
        }
    }

    pub(super) fn fresh(&mut self, account: &Uid) -> Uid {
        self.made += 1;
        Uid::parse(&format!("{account}-{}", self.made)).unwrap()
    }

    pub(super) fn create(&mut self, uid: Uid, first: Option<Uid>) -> usize {
        self.sessions.push(Session {
            uid,
            deleted: false,
            root: first.as_ref().map(|_| 0),
            turns: first
                .map(|uid| Turn::new(uid, None, Some("first".into())))
                .into_iter()
                .collect(),
        });
        self.sessions.len() - 1
    }

    pub(super) fn append(&mut self, at: usize, new: NewTurn, activate: bool) -> Expected {
        let session = &mut self.sessions[at];
        if session.deleted {
            return Err("SESSION_DELETED");
        }
        let parent = match &new.parent {
            None => None,
            Some(uid) => {
                let place = session.turns.iter().position(|turn| turn.uid == *uid);
                Some(place.ok_or("NOT_FOUND")?)
            }
        };
        if let Some(parent) = parent {
            if session.turns[parent].agent == new.agent {
                return Err("PARENT_ROLE_MISMATCH");
            }
            if !session.lives(parent) {
                return Err("PARENT_DELETED");
            }
        }
        let shown = session.shown(parent);
        let mut turn = Turn::new(new.uid.clone(), parent, new.prompt);
        turn.agent = new.agent;
        turn.steps = (0..).zip(new.steps).collect();
        session.turns.push(turn);
        if activate {
            session.show_path_to(session.turns.len() - 1);
        } else {
            session.point(parent, shown);
        }
        Ok((vec![new.uid], session.path()))
    }

    /// `made` has the keys of the session and the turns that the store made.
    pub(super) fn fork(
        &mut self,
        (at, turn): (usize, usize),
        scope: u8,
        made: Option<(Uid, Vec<Uid>)>,
    ) -> (Expected, usize) {
        let source = &self.sessions[at];
        if let Err(code) = source.writable(turn) {
            return (Err(code), at);
        }
        let above = source.above(turn);
        let taken = |t: usize| match scope {
            0 => above.contains(&t),
            1 => above
                .iter()
                .any(|&a| source.turns[a].parent == source.turns[t].parent),
            _ => t <= turn,
        };
        let places = (0..source.turns.len()).filter(|&t| source.lives(t) && taken(t));
        let places: Vec<usize> = places.collect();
        let (uid, uids) = made.expect("the store made a fork too");
        assert_eq!(uids.len(), places.len());
        let copy_of = |t: usize| places.iter().position(|&p| p == t);
        let copies = places.iter().zip(uids).map(|(&t, uid)| Turn {
            uid,
            parent: source.turns[t].parent.and_then(copy_of),
            child: source.shown(Some(t)).and_then(copy_of),
            ..source.turns[t].clone()
        });
        let mut fork = Session {
            uid,
            deleted: false,
            turns: copies.collect(),
            root: None,
        };
        let turn = copy_of(turn).expect("the turn itself is taken");
        fork.show_path_to(turn);
        let answer = (vec![fork.turns[turn].uid.clone()], fork.path());
        self.sessions.push(fork);
        (Ok(answer), self.sessions.len() - 1)
    }
}

impl Turn {
    fn new(uid: Uid, parent: Option<usize>, prompt: Option<String>) -> Self {
        Self {
            uid,
            agent: false,
            parent,
            deleted: false,
            liked: None,
            child: None,
            prompt,
            steps: BTreeMap::new(),
        }
    }
}

impl Session {
    pub(super) fn brief(&self) -> String {
        let turn = |t: usize| {
            let turn = &self.turns[t];
            let links = [turn.parent, self.shown(Some(t))];
            let links = links.map(|link| link.map(|l| &self.turns[l].uid));
            brief_turn(&turn.uid, links, turn.deleted, turn.liked)
        };
        let turns: Vec<_> = (0..self.turns.len()).map(turn).collect();
        brief_session(self.deleted, &turns, &self.path(), true)
    }

    pub(super) fn all_and_path(&self) -> (Vec<Uid>, Vec<Uid>) {
        (
            self.turns.iter().map(|turn| turn.uid.clone()).collect(),
            self.path(),
        )
    }

    pub(super) fn set_deleted(&mut self, deleted: bool) -> Expected {
        self.deleted = deleted;
        Ok((Vec::new(), self.path()))
    }

    fn lives(&self, turn: usize) -> bool {
        let turn = &self.turns[turn];
        !turn.deleted && turn.parent.is_none_or(|parent| self.lives(parent))
    }

    /// From the root down to the turn.
    fn above(&self, turn: usize) -> Vec<usize> {
        let mut path = self.turns[turn]
            .parent
            .map_or_else(Vec::new, |parent| self.above(parent));
        path.push(turn);
        path
    }

    fn shown(&self, parent: Option<usize>) -> Option<usize> {
        let written = parent.map_or(self.root, |parent| self.turns[parent].child);
        let living = |&t: &usize| self.turns[t].parent == parent && self.lives(t);
        written
            .filter(living)
            .or_else(|| (0..self.turns.len()).rev().find(living))
    }

    fn point(&mut self, parent: Option<usize>, to: Option<usize>) {
        match parent {
            None => self.root = to,
            Some(parent) => self.turns[parent].child = to,
        }
    }

    fn show_path_to(&mut self, turn: usize) {
        for place in self.above(turn) {
            self.point(self.turns[place].parent, Some(place));
        }
    }

    pub(super) fn path(&self) -> Vec<Uid> {
        let mut path = Vec::new();
        let mut next = self.shown(None);
        while let Some(turn) = next {
            path.push(self.turns[turn].uid.clone());
            next = self.shown(Some(turn));
        }
        path
    }

    fn writable(&self, turn: usize) -> Result<(), &'static str> {
        match (self.deleted, self.lives(turn)) {
            (true, _) => Err("SESSION_DELETED"),
            (_, false) => Err("TURN_DELETED"),
            _ => Ok(()),
        }
    }

    fn answer(&self, turn: usize) -> Expected {
        Ok((vec![self.turns[turn].uid.clone()], self.path()))
    }

    pub(super) fn append_step(
        &mut self,
        turn: usize,
        idx: Option<i32>,
        content: String,
    ) -> Expected {
        self.writable(turn)?;
        if !self.turns[turn].agent {
            return Err("INVALID");
        }
        let steps = &mut self.turns[turn].steps;
        let next = steps.keys().max().map_or(0, |last| last + 1);
        let idx = idx.unwrap_or(next);
        if steps.contains_key(&idx) {
            return Err("CONFLICT");
        }
        steps.insert(idx, content);
        self.answer(turn)
    }

    pub(super) fn update_step(&mut self, turn: usize, idx: i32, content: String) -> Expected {
        self.writable(turn)?;
        if !self.turns[turn].agent {
            return Err("INVALID");
        }
        let step = self.turns[turn].steps.get_mut(&idx);
        *step.ok_or("NOT_FOUND")? = content;
        self.answer(turn)
    }

    pub(super) fn activate(&mut self, turn: usize) -> Expected {
        self.writable(turn)?;
        self.show_path_to(turn);
        self.answer(turn)
    }

    pub(super) fn rate(&mut self, turn: usize, liked: Option<bool>) -> Expected {
        self.writable(turn)?;
        if !self.turns[turn].agent {
            return Err("INVALID");
        }
        self.turns[turn].liked = liked;
        self.answer(turn)
    }

    pub(super) fn delete(&mut self, turn: usize) -> Expected {
        if self.deleted {
            return Err("SESSION_DELETED");
        }
        let parent = self.turns[turn].parent;
        let was_shown = self.shown(parent) == Some(turn);
        self.turns[turn].deleted = true;
        if was_shown {
            let siblings = (0..self.turns.len()).rev();
            let next = siblings
                .filter(|&t| self.turns[t].parent == parent)
                .find(|&t| self.lives(t));
            self.point(parent, next);
        }
        let under = (0..self.turns.len()).filter(|&t| self.above(t).contains(&turn));
        let mut uids: Vec<_> = under.map(|t| self.turns[t].uid.clone()).collect();
        uids.sort();
        Ok((uids, self.path()))
    }

    pub(super) fn restore(&mut self, turn: usize) -> Expected {
        if self.deleted {
            return Err("SESSION_DELETED");
        }
        let parent = self.turns[turn].parent;
        if parent.is_some_and(|parent| !self.lives(parent)) {
            return Err("PARENT_DELETED");
        }
        if self.turns[turn].deleted {
            self.point(parent, self.shown(parent));
        }
        self.turns[turn].deleted = false;
        self.answer(turn)
    }
}
