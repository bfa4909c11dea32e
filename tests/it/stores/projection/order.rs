//! Whatever the order and however often writes come, the state is the same.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use turngraph::domain::change::{SessionAbsent, SessionChange, TurnAbsent, TurnChange};
use turngraph::domain::{SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use turngraph::stores::projection::{ListedSession, ProjectedBodies, ProjectedSession, Write};

use super::fixture::{Fixture, step, turn};

/// Numbers over two buckets.
const SEQS: [i32; 5] = [0, 1, 2, 256, 257];

/// A write without the keys of its session, so that it can be made for several.
#[derive(Debug, Clone)]
enum Draft {
    Header(u8, bool),
    Listing(bool),
    Moved(bool),
    Turn(usize, Option<bool>, bool),
    Grave(usize),
    Step(usize, i32, bool),
    StepsGone(usize, Option<i32>),
    Gone,
}

fn draft() -> impl Strategy<Value = Draft> {
    let seq = || 0..SEQS.len();
    prop_oneof![
        4 => (any::<u8>(), any::<bool>()).prop_map(|(n, absent)| Draft::Header(n, absent)),
        2 => any::<bool>().prop_map(Draft::Listing),
        1 => any::<bool>().prop_map(Draft::Moved),
        8 => (seq(), any::<Option<bool>>(), any::<bool>())
            .prop_map(|(seq, liked, absent)| Draft::Turn(seq, liked, absent)),
        1 => seq().prop_map(Draft::Grave),
        6 => (seq(), -1..2, any::<bool>())
            .prop_map(|(seq, idx, absent)| Draft::Step(seq, idx, absent)),
        2 => (seq(), proptest::option::of(-1..2))
            .prop_map(|(seq, idx)| Draft::StepsGone(seq, idx)),
        1 => Just(Draft::Gone),
    ]
}

/// Makes drafts writes of one session; the rev of each is its place, so no two are equal.
struct Scene<'a> {
    f: &'a Fixture,
    name: String,
}

impl Scene<'_> {
    fn key(&self, part: &str) -> Uid {
        self.f.key(&format!("{}-{part}", self.name))
    }

    fn row(&self, rev: i64) -> SessionRow {
        SessionRow {
            uid: self.key("session"),
            account_uid: self.key("account"),
            ..self.f.session("any", 2, rev)
        }
    }

    fn write(&self, draft: &Draft, rev: i64) -> Write {
        let session_uid = self.key("session");
        let row = self.row(rev);
        match *draft {
            Draft::Header(n, absent) => Write::Header(SessionChange {
                row: SessionRow {
                    title: (!absent).then(|| format!("{n}").into()),
                    active_root: (n % 2 == 0).then(|| self.f.key("root")),
                    ..row
                },
                absent: SessionAbsent {
                    title: absent,
                    forked_from: absent,
                },
            }),
            Draft::Listing(deleted) => Write::Listing(SessionChange {
                row: SessionRow {
                    deleted_at: deleted.then_some(Timestamp(rev)),
                    ..row
                },
                absent: SessionAbsent::default(),
            }),
            Draft::Moved(back) => Write::ListingGone {
                account_uid: if back {
                    self.key("other")
                } else {
                    row.account_uid
                },
                created_at: row.created_at,
                session_uid,
                rev,
            },
            Draft::Turn(seq, liked, absent) => Write::Turn(TurnChange {
                session_uid,
                turn: TurnRow {
                    liked,
                    ..turn(TurnRole::Human, SEQS[seq], rev)
                },
                prompt: (!absent).then(|| format!("prompt {rev}")),
                absent: TurnAbsent {
                    model: absent,
                    usage: absent,
                },
            }),
            Draft::Grave(seq) => Write::Grave {
                session_uid,
                seq: SEQS[seq],
                rev,
            },
            Draft::Step(seq, idx, content_absent) => Write::Step {
                session_uid,
                seq: SEQS[seq],
                step: StepRow {
                    tpe: (rev % 13).try_into().unwrap(),
                    ..step(SEQS[seq], idx, &format!("content {rev}"), rev)
                },
                content_absent,
            },
            Draft::StepsGone(seq, idx) => Write::StepsGone {
                session_uid,
                seq: SEQS[seq],
                idx,
                rev,
            },
            Draft::Gone => Write::SessionGone {
                session_uid,
                next_seq: 258,
                rev,
            },
        }
    }

    /// All that can be read, with keys that do not differ between scenes.
    async fn state(&self) -> State {
        let (uid, account) = (self.key("session"), self.key("account"));
        let (store, uids) = (&self.f.store, std::slice::from_ref(&uid));
        let anonymous = |row: SessionRow| SessionRow {
            uid: self.f.key("s"),
            account_uid: self.f.key("a"),
            ..row
        };
        let graphs = store.graphs(uids).await.unwrap().into_iter();
        let graphs = graphs.map(|graph| ProjectedSession {
            row: anonymous(graph.row),
            ..graph
        });
        let sessions = store.sessions(uids).await.unwrap().into_iter();
        let listing = store.listing(&account, None, 9).await.unwrap().into_iter();
        State {
            graphs: graphs.collect(),
            sessions: sessions.map(anonymous).collect(),
            bodies: self
                .f
                .store
                .bodies(&uid, &SEQS, turngraph::stores::projection::BodyPart::Whole)
                .await
                .unwrap(),
            listing: listing
                .map(|listed| ListedSession {
                    session_uid: self.f.key("s"),
                    ..listed
                })
                .collect(),
        }
    }
}

#[derive(Debug, PartialEq)]
struct State {
    graphs: Vec<ProjectedSession>,
    sessions: Vec<SessionRow>,
    bodies: Vec<(i32, ProjectedBodies)>,
    listing: Vec<ListedSession>,
}

/// Writes of two scenes: in their order, and shuffled, repeated and cut into pieces.
fn history() -> impl Strategy<Value = (Vec<Draft>, Vec<usize>, usize)> {
    proptest::collection::vec(draft(), 1..30).prop_flat_map(|drafts| {
        let places: Vec<usize> = (0..drafts.len()).chain(0..drafts.len() / 2).collect();
        (Just(drafts), Just(places).prop_shuffle(), 1_usize..9)
    })
}

pub(super) async fn any_order_and_repetition_gives_the_same_state(f: Fixture) {
    let mut runner = TestRunner::new(Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    });
    let runtime = tokio::runtime::Handle::current();
    let count = std::cell::Cell::new(0);
    let outcome = runner.run(&history(), |(drafts, places, piece)| {
        count.set(count.get() + 1);
        let scene = |kind: &str| Scene {
            f: &f,
            name: format!("{kind}-{}", count.get()),
        };
        let (straight, mixed) = (scene("straight"), scene("mixed"));
        let rev = |place: usize| i64::try_from(place).unwrap() + 1;
        let writes = |scene: &Scene<'_>, places: &[usize]| -> Vec<Write> {
            let of = |place: &usize| scene.write(&drafts[*place], rev(*place));
            places.iter().map(of).collect()
        };
        let compared = async {
            for place in 0..drafts.len() {
                f.apply(&writes(&straight, &[place])).await;
            }
            for piece in places.chunks(piece) {
                f.apply(&writes(&mixed, piece)).await;
            }
            (straight.state().await, mixed.state().await)
        };
        let (straight, mixed) = tokio::task::block_in_place(|| runtime.block_on(compared));
        prop_assert_eq!(straight, mixed);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{reason}\n{case:#?}"),
        Err(error) => panic!("{error}"),
    }
}
