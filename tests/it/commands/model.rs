//! Random sequences of commands, on a store and on a naive model of sessions in memory.
//!
//! The model writes every pointer of a path and walks by recursion; it shares no code with the
//! graph or the commands. After each command the session's turns, pointers as seen and refusals
//! are compared, at the end the contents too.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use turngraph::commands::session::{CreateSession, ForkScope, ForkSession};
use turngraph::commands::step::AppendSteps;
use turngraph::commands::{CommandResult, Outcome};
use turngraph::domain::{SessionGraph, SessionRow, Uid};

use super::lab::{Lab, agent, human, path, text_step};
use naive::Model;

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
        if let Op::Clock(micros) = op {
            lab.clock.advance(*micros);
        } else if let Some((expected, session, answered)) = apply(lab, &mut model, op).await {
            assert_eq!(answered, expected, "{op:?}");
            let session = &model.sessions[session];
            let (row, graph) = lab.read(&session.uid).await;
            assert_eq!(brief(&row, &graph), session.brief(), "{op:?}");
        }
    }
    for session in &model.sessions {
        for turn in &session.turns {
            let one = std::slice::from_ref(&turn.uid);
            let prompts = lab.record.prompts(one).await.unwrap();
            let prompt = prompts.into_iter().next().map(|(_, prompt)| prompt);
            assert_eq!(prompt, turn.prompt);
            let steps = lab.steps(&turn.uid).await;
            let steps = steps
                .into_iter()
                .map(|step| (step.idx, step.content.into_string()));
            assert_eq!(
                steps.collect::<Vec<_>>(),
                turn.steps.clone().into_iter().collect::<Vec<_>>()
            );
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

/// The code of a refusal, or the keys that the subject names and the active path of the answer.
fn answer<T>(result: CommandResult<T>, subject: impl Fn(&SessionGraph, &T) -> Vec<Uid>) -> Answer {
    match result.unwrap() {
        Outcome::Done(done) => Ok((subject(&done.graph, &done.subject), path(&done.graph))),
        Outcome::Refused(errors) => Err(errors[0].code.name()),
    }
}

type Answer = Result<(Vec<Uid>, Vec<Uid>), &'static str>;

/// Runs the command on both sides. None where there is nothing yet to run it on. The model takes
/// over the keys of turns and sessions that the commands have made.
async fn apply(lab: &Lab, model: &mut Model, op: &Op) -> Option<(Answer, usize, Answer)> {
    let (commands, account) = (&lab.commands, &lab.account);
    let uid_of = |graph: &SessionGraph, ix: usize| vec![graph.turn(ix).uid.clone()];
    match op {
        Op::Create(prompt) => {
            let input = CreateSession {
                first_prompt: prompt.then(|| "first".to_owned()),
                ..CreateSession::default()
            };
            let result = commands.create_session(account, input, None).await;
            let Ok(Outcome::Done(done)) = &result else {
                panic!("{result:?}")
            };
            let first = done.subject.map(|ix| done.graph.turn(ix).uid.clone());
            let at = model.create(done.session.uid.clone(), first);
            let subject = |graph: &SessionGraph, ix: &Option<usize>| {
                ix.map_or_else(Vec::new, |ix| uid_of(graph, ix))
            };
            Some((
                Ok(model.sessions[at].all_and_path()),
                at,
                answer(result, subject),
            ))
        }
        Op::Human(session, parent, activate) => {
            let at = model.session(*session)?;
            let parent = parent.map(|pick| model.parent(at, pick, true));
            let uid = model.fresh(account);
            let mut input = human(&model.sessions[at].uid, parent.as_ref(), uid.as_str());
            (input.uid, input.activate) = (Some(uid.to_string()), *activate);
            let result = commands.append_human_turn(account, input, None).await;
            let expected = model.append(at, (uid, false), parent.as_ref(), *activate, &[]);
            Some((expected, at, answer(result, |graph, ix| uid_of(graph, *ix))))
        }
        Op::Agent(session, parent, steps, activate) => {
            let at = model.session(*session)?;
            let parent = model.parent(at, *parent, false);
            let uid = model.fresh(account);
            let texts = &["one", "two"][..usize::from(*steps)];
            let mut input = agent(&model.sessions[at].uid, &parent, texts);
            (input.uid, input.activate) = (Some(uid.to_string()), *activate);
            let contents: Vec<_> = input.steps.iter().map(|s| s.content.to_string()).collect();
            let result = commands.append_agent_turn(account, input, None).await;
            let expected = model.append(at, (uid, true), Some(&parent), *activate, &contents);
            Some((
                expected,
                at,
                answer(result, |graph, of| uid_of(graph, of.turn)),
            ))
        }
        Op::Fork(turn, scope) => {
            let (at, turn, uid) = model.turn(*turn)?;
            let input = ForkSession {
                session: model.sessions[at].uid.clone(),
                turn: uid,
                scope: ForkScope::ALL[usize::from(*scope)],
                title: None,
            };
            let result = commands.fork_session(account, input, None).await;
            let made = match &result {
                Ok(Outcome::Done(done)) => {
                    let uids = done
                        .graph
                        .turns()
                        .iter()
                        .map(|turn| turn.uid.clone())
                        .collect();
                    Some((done.session.uid.clone(), uids))
                }
                _ => None,
            };
            let (expected, at) = model.fork((at, turn), *scope, made);
            Some((expected, at, answer(result, |graph, ix| uid_of(graph, *ix))))
        }
        _ => apply_to_existing(lab, model, op).await,
    }
}

/// Commands that make no new turn.
async fn apply_to_existing(
    lab: &Lab,
    model: &mut Model,
    op: &Op,
) -> Option<(Answer, usize, Answer)> {
    let (commands, account) = (&lab.commands, &lab.account);
    let uid_of = |graph: &SessionGraph, ix: usize| vec![graph.turn(ix).uid.clone()];
    if let Op::DeleteSession(session) | Op::RestoreSession(session) = op {
        let at = model.session(*session)?;
        let uid = model.sessions[at].uid.clone();
        let delete = matches!(op, Op::DeleteSession(_));
        let result = match delete {
            true => commands.delete_session(account, uid).await,
            false => commands.restore_session(account, uid).await,
        };
        model.sessions[at].deleted = delete;
        let expected = Ok((Vec::new(), model.sessions[at].path()));
        return Some((expected, at, answer(result, |_, ()| Vec::new())));
    }
    let (Op::Steps(pick, _)
    | Op::Update(pick, _)
    | Op::Activate(pick)
    | Op::Rate(pick, _)
    | Op::DeleteTurn(pick)
    | Op::RestoreTurn(pick)) = op
    else {
        unreachable!("the other commands are run by `apply`");
    };
    let (at, turn, uid) = model.turn(*pick)?;
    let session = &mut model.sessions[at];
    Some(match op {
        Op::Steps(_, idx) => {
            let input = AppendSteps {
                turn: uid,
                steps: vec![text_step(*idx, "later")],
                progress: None,
            };
            let content = input.steps[0].content.to_string();
            let result = commands.append_steps(account, input, None).await;
            let expected = session.append_step(turn, *idx, content);
            (
                expected,
                at,
                answer(result, |graph, of| uid_of(graph, of.turn)),
            )
        }
        Op::Update(_, idx) => {
            let content = text_step(None, "changed").content.to_string();
            let result = commands
                .update_step(account, (uid, *idx), content.clone())
                .await;
            let expected = session.update_step(turn, *idx, content);
            (
                expected,
                at,
                answer(result, |graph, of| uid_of(graph, of.turn)),
            )
        }
        Op::Activate(_) => {
            let result = commands.activate_turn(account, uid).await;
            (
                session.activate(turn),
                at,
                answer(result, |graph, ix| uid_of(graph, *ix)),
            )
        }
        Op::Rate(_, liked) => {
            let result = commands.rate_agent_turn(account, uid, *liked).await;
            (
                session.rate(turn, *liked),
                at,
                answer(result, |graph, ix| uid_of(graph, *ix)),
            )
        }
        Op::DeleteTurn(_) => {
            let result = commands.delete_turn(account, uid).await;
            let all = |graph: &SessionGraph, of: &Vec<usize>| {
                let mut uids: Vec<_> = of.iter().map(|&ix| graph.turn(ix).uid.clone()).collect();
                uids.sort();
                uids
            };
            (session.delete(turn), at, answer(result, all))
        }
        _ => {
            let result = commands.restore_turn(account, uid).await;
            (
                session.restore(turn),
                at,
                answer(result, |graph, ix| uid_of(graph, *ix)),
            )
        }
    })
}
