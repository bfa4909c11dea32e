//! Random sequences of commands, on a store and on a naive model of sessions in memory.
//!
//! The model writes every pointer of a path and walks by recursion; it shares no code with the
//! graph or the commands. After each command the session's turns, pointers as seen and refusals
//! are compared, at the end the contents too.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use turngraph::commands::session::{CreateSession, ForkScope, ForkSession};
use turngraph::commands::step::AppendSteps;
use turngraph::commands::{CommandResult, Outcome, StepsOf};
use turngraph::domain::graph::Ix;
use turngraph::domain::{SessionGraph, SessionRow, Uid};

use super::lab::{Lab, agent, done, human, path, text_step};
use naive::{Model, NewTurn};

mod naive;

super::on_every_engine! {
    random_commands_leave_what_the_naive_model_says,
}

/// A command; numbers choose a session or a turn among those there are.
#[derive(Debug, Clone)]
enum Op {
    Create(bool),
    Human(u16, Option<u16>, bool),
    Agent(u16, u16, u8, bool),
    Steps(u16, Option<i32>),
    Update(u16, i32),
    Activate(u16),
    Rate(u16, Option<bool>),
    DeleteTurn(u16),
    RestoreTurn(u16),
    DeleteSession(u16),
    RestoreSession(u16),
    Fork(u16, u8),
    Clock(i64),
}

/// Mostly sessions that grow and are cut, rarely new ones, so that their trees become bushy.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    let pick = any::<u16>;
    let often = || prop::bool::weighted(0.7);
    let op = prop_oneof![
        1 => any::<bool>().prop_map(Op::Create),
        16 => (pick(), prop::option::weighted(0.7, pick()), often())
            .prop_map(|(session, parent, activate)| Op::Human(session, parent, activate)),
        24 => (pick(), pick(), 0..3u8, often())
            .prop_map(|(session, parent, steps, activate)| Op::Agent(session, parent, steps, activate)),
        4 => (pick(), prop::option::of(0..4)).prop_map(|(turn, idx)| Op::Steps(turn, idx)),
        2 => (pick(), 0..3).prop_map(|(turn, idx)| Op::Update(turn, idx)),
        16 => pick().prop_map(Op::Activate),
        3 => (pick(), any::<Option<bool>>()).prop_map(|(turn, liked)| Op::Rate(turn, liked)),
        10 => pick().prop_map(Op::DeleteTurn),
        10 => pick().prop_map(Op::RestoreTurn),
        1 => pick().prop_map(Op::DeleteSession),
        2 => pick().prop_map(Op::RestoreSession),
        2 => (pick(), 0..3u8).prop_map(|(turn, scope)| Op::Fork(turn, scope)),
        2 => (-100_000_000..200_000_000i64).prop_map(Op::Clock),
    ];
    prop::collection::vec(op, 1..100)
}

async fn random_commands_leave_what_the_naive_model_says(lab: Lab) {
    let config = Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Handle::current();
    let mut case = 0;
    let mut run = |ops: Vec<Op>| {
        case += 1;
        let lab = lab.of(&format!("account-{case}"));
        runtime.block_on(play(&lab, &ops));
    };
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(config);
        let run = std::cell::RefCell::new(&mut run);
        let played = runner.run(&ops(), |ops| {
            run.borrow_mut()(ops);
            Ok(())
        });
        played.unwrap();
    });
}

async fn play(lab: &Lab, ops: &[Op]) {
    let mut model = Model::default();
    let first = [Op::Create(true)];
    for op in first.iter().chain(ops) {
        if let Some((expected, session, answered)) = apply(lab, &mut model, op).await {
            assert_eq!(answered, expected, "{op:?}");
            let session = &model.sessions[session];
            let (row, graph) = lab.read(&session.uid).await;
            assert_eq!(brief(&row, &graph), session.brief(), "{op:?}");
        }
    }
    for session in &model.sessions {
        let uids: Vec<Uid> = session.turns.iter().map(|turn| turn.uid.clone()).collect();
        let mut prompts: HashMap<_, _> = lab
            .record
            .prompts(&uids)
            .await
            .unwrap()
            .into_iter()
            .collect();
        let mut steps: HashMap<Uid, BTreeMap<i32, String>> = HashMap::new();
        for step in lab.record.steps(&uids).await.unwrap() {
            let of_turn = steps.entry(step.turn_uid).or_default();
            of_turn.insert(step.idx, step.content.into_string());
        }
        for turn in &session.turns {
            assert_eq!(prompts.remove(&turn.uid), turn.prompt);
            assert_eq!(steps.remove(&turn.uid).unwrap_or_default(), turn.steps);
        }
    }
}

/// What the model compares of a session, in one text: readable when it differs.
fn brief(row: &SessionRow, graph: &SessionGraph) -> String {
    let turn = |ix: usize| {
        let turn = graph.turn(ix);
        let shown = graph.active_child(ix).map(|child| &graph.turn(child).uid);
        let links = [turn.parent_uid.as_ref(), shown];
        naive::brief_turn(&turn.uid, links, turn.deleted_at.is_some(), turn.liked)
    };
    let turns: Vec<_> = (0..graph.len()).map(turn).collect();
    let dense = graph
        .turns()
        .iter()
        .map(|turn| turn.seq)
        .eq(0..row.next_seq);
    naive::brief_session(row.deleted_at.is_some(), &turns, &path(graph), dense)
}

type Answer = Result<(Vec<Uid>, Vec<Uid>), &'static str>;

/// The code of a refusal, or the keys that the subject names and the active path of the answer.
fn answer<T>(result: CommandResult<T>, subject: impl Fn(&SessionGraph, T) -> Vec<Uid>) -> Answer {
    match result.unwrap() {
        Outcome::Done(done) => {
            let path = path(&done.graph);
            Ok((subject(&done.graph, done.subject), path))
        }
        Outcome::Refused(errors) => Err(errors[0].code.name()),
    }
}

/// The answer of a command about one turn.
fn of_turn(result: CommandResult<Ix>) -> Answer {
    answer(result, |graph, ix| vec![graph.turn(ix).uid.clone()])
}

/// The answer of a command about steps.
fn of_steps(result: CommandResult<StepsOf>) -> Answer {
    answer(result, |graph, of| vec![graph.turn(of.turn).uid.clone()])
}

/// Both sides of one command: what the model says, of which session, and what was answered.
type Played = (Answer, usize, Answer);

/// Runs the command on both sides. None where there is nothing yet to run it on.
async fn apply(lab: &Lab, model: &mut Model, op: &Op) -> Option<Played> {
    match op {
        Op::Create(prompt) => Some(create(lab, model, *prompt).await),
        Op::Human(session, parent, activate) => {
            let at = model.session(*session)?;
            let parent = parent.map(|pick| model.parent(at, pick, true));
            let uid = model.fresh(&lab.account);
            let mut input = human(&model.sessions[at].uid, parent.as_ref(), uid.as_str());
            (input.uid, input.activate) = (Some(uid.to_string()), *activate);
            let result = lab.commands.append_human_turn(&lab.account, input, None);
            let answered = of_turn(result.await);
            let expected = model.append(at, NewTurn::human(uid, parent), *activate);
            Some((expected, at, answered))
        }
        Op::Agent(session, parent, steps, activate) => {
            let at = model.session(*session)?;
            let parent = model.parent(at, *parent, false);
            let uid = model.fresh(&lab.account);
            let texts = &["one", "two"][..usize::from(*steps)];
            let mut input = agent(&model.sessions[at].uid, &parent, texts);
            (input.uid, input.activate) = (Some(uid.to_string()), *activate);
            let contents = input.steps.iter().map(|s| s.content.to_string()).collect();
            let result = lab.commands.append_agent_turn(&lab.account, input, None);
            let answered = of_steps(result.await);
            let expected = model.append(at, NewTurn::agent(uid, parent, contents), *activate);
            Some((expected, at, answered))
        }
        Op::Fork(turn, scope) => fork(lab, model, *turn, *scope).await,
        Op::DeleteSession(session) => {
            let at = model.session(*session)?;
            let delete = lab
                .commands
                .delete_session(&lab.account, model.sessions[at].uid.clone());
            let answered = answer(delete.await, |_, ()| Vec::new());
            Some((model.sessions[at].set_deleted(true), at, answered))
        }
        Op::RestoreSession(session) => {
            let at = model.session(*session)?;
            let restore = lab
                .commands
                .restore_session(&lab.account, model.sessions[at].uid.clone());
            let answered = answer(restore.await, |_, ()| Vec::new());
            Some((model.sessions[at].set_deleted(false), at, answered))
        }
        Op::Clock(micros) => {
            lab.clock.advance(*micros);
            None
        }
        Op::Steps(pick, _)
        | Op::Update(pick, _)
        | Op::Activate(pick)
        | Op::Rate(pick, _)
        | Op::DeleteTurn(pick)
        | Op::RestoreTurn(pick) => on_turn(lab, model, op, *pick).await,
    }
}

/// The model takes over the keys that the command has made.
async fn create(lab: &Lab, model: &mut Model, prompt: bool) -> Played {
    let input = CreateSession {
        first_prompt: prompt.then(|| "first".to_owned()),
        ..CreateSession::default()
    };
    let done = done(lab.commands.create_session(&lab.account, input, None).await);
    let first = done.subject.map(|ix| done.graph.turn(ix).uid.clone());
    let at = model.create(done.session.uid.clone(), first.clone());
    let answered = Ok((first.into_iter().collect(), path(&done.graph)));
    (Ok(model.sessions[at].all_and_path()), at, answered)
}

/// The model takes over the keys that the command has made.
async fn fork(lab: &Lab, model: &mut Model, turn: u16, scope: u8) -> Option<Played> {
    let (at, turn, uid) = model.turn(turn)?;
    let input = ForkSession {
        session: model.sessions[at].uid.clone(),
        turn: uid,
        scope: ForkScope::ALL[usize::from(scope)],
        title: None,
    };
    let result = lab.commands.fork_session(&lab.account, input, None).await;
    let made = match &result {
        Ok(Outcome::Done(done)) => {
            let uids = done.graph.turns().iter().map(|turn| turn.uid.clone());
            Some((done.session.uid.clone(), uids.collect()))
        }
        _ => None,
    };
    let (expected, at) = model.fork((at, turn), scope, made);
    Some((expected, at, of_turn(result)))
}

/// Commands on a turn that is there.
async fn on_turn(lab: &Lab, model: &mut Model, op: &Op, pick: u16) -> Option<Played> {
    let (commands, account) = (&lab.commands, &lab.account);
    let (at, turn, uid) = model.turn(pick)?;
    let session = &mut model.sessions[at];
    let (expected, answered) = match op {
        Op::Steps(_, idx) => {
            let input = AppendSteps {
                turn: uid,
                steps: vec![text_step(*idx, "later")],
                progress: None,
            };
            let content = input.steps[0].content.to_string();
            let append = commands.append_steps(account, input, None).await;
            (session.append_step(turn, *idx, content), of_steps(append))
        }
        Op::Update(_, idx) => {
            let content = text_step(None, "changed").content.to_string();
            let update = commands.update_step(account, (uid, *idx), content.clone());
            let answered = of_steps(update.await);
            (session.update_step(turn, *idx, content), answered)
        }
        Op::Activate(_) => {
            let activate = commands.activate_turn(account, uid).await;
            (session.activate(turn), of_turn(activate))
        }
        Op::Rate(_, liked) => {
            let rate = commands.rate_agent_turn(account, uid, *liked).await;
            (session.rate(turn, *liked), of_turn(rate))
        }
        Op::DeleteTurn(_) => {
            let delete = commands.delete_turn(account, uid).await;
            let all = |graph: &SessionGraph, of: Vec<Ix>| {
                let mut uids: Vec<_> = of.iter().map(|&ix| graph.turn(ix).uid.clone()).collect();
                uids.sort();
                uids
            };
            (session.delete(turn), answer(delete, all))
        }
        Op::RestoreTurn(_) => {
            let restore = commands.restore_turn(account, uid).await;
            (session.restore(turn), of_turn(restore))
        }
        other => unreachable!("{other:?} is not about a turn that is there"),
    };
    Some((expected, at, answered))
}
