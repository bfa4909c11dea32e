//! The breaker's states step by step, by random histories, and under every order of two callers.

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const QUICK: CallOutcome = CallOutcome::Answered(MS);

fn policy() -> BreakerPolicy {
    BreakerPolicy {
        window: 10,
        calls_min: 4,
        pause: 100 * MS,
        pause_max: 350 * MS,
        probes: 2,
        ..BreakerPolicy::default()
    }
}

fn calls(breaker: &mut Breaker, outcomes: &[CallOutcome], now: Duration) {
    for outcome in outcomes {
        let ticket = breaker.admit(now).expect("calls pass");
        breaker.done(ticket, *outcome, now);
    }
}

fn opened(now: Duration) -> Breaker {
    let mut breaker = Breaker::new(policy());
    calls(&mut breaker, &[CallOutcome::Failed; 4], now);
    assert_eq!(breaker.state(now), BreakerState::Open);
    breaker
}

#[test]
fn few_failures_conclude_nothing_and_half_of_many_open() {
    let mut breaker = Breaker::new(policy());
    calls(&mut breaker, &[CallOutcome::Failed; 3], MS);
    assert_eq!(breaker.state(MS), BreakerState::Closed);
    calls(&mut breaker, &[QUICK], MS);
    assert_eq!(breaker.state(MS), BreakerState::Open, "3 of 4");

    let mut breaker = Breaker::new(policy());
    for _ in 0..100 {
        calls(&mut breaker, &[QUICK, QUICK, CallOutcome::Failed], MS);
    }
    assert_eq!(breaker.state(MS), BreakerState::Closed, "a third is borne");
}

#[test]
fn slow_answers_open_as_failures_do() {
    let mut breaker = Breaker::new(policy());
    calls(&mut breaker, &[CallOutcome::Answered(2_000 * MS); 4], MS);
    assert_eq!(breaker.state(MS), BreakerState::Open);
}

#[test]
fn callers_that_give_up_on_a_store_that_hangs_open_and_hasty_ones_say_nothing() {
    let mut breaker = Breaker::new(policy());
    calls(&mut breaker, &[CallOutcome::Abandoned(MS); 50], MS);
    assert_eq!(breaker.state(MS), BreakerState::Closed);
    calls(&mut breaker, &[CallOutcome::Abandoned(1_001 * MS); 4], MS);
    assert_eq!(breaker.state(MS), BreakerState::Open);
}

#[test]
fn old_outcomes_fall_out_of_the_window() {
    let mut breaker = Breaker::new(policy());
    calls(&mut breaker, &[QUICK; 100], MS);
    calls(&mut breaker, &[CallOutcome::Failed; 4], MS);
    assert_eq!(breaker.state(MS), BreakerState::Closed, "4 of 10");
    calls(&mut breaker, &[CallOutcome::Failed], MS);
    assert_eq!(breaker.state(MS), BreakerState::Open, "5 of 10");
}

#[test]
fn open_refuses_until_the_pause_is_over_then_probes_one_at_a_time() {
    let mut breaker = opened(MS);
    assert_eq!(breaker.admit(100 * MS), None);
    let probe = breaker.admit(101 * MS).expect("the pause is over");
    assert_eq!(breaker.state(101 * MS), BreakerState::HalfOpen);
    assert_eq!(breaker.admit(101 * MS), None, "one probe at a time");
    breaker.done(probe, QUICK, 102 * MS);
    assert_eq!(breaker.state(102 * MS), BreakerState::HalfOpen);
    let probe = breaker.admit(102 * MS).expect("the next probe");
    breaker.done(probe, QUICK, 103 * MS);
    assert_eq!(breaker.state(103 * MS), BreakerState::Closed);
    calls(&mut breaker, &[CallOutcome::Failed; 3], 103 * MS);
    assert_eq!(
        breaker.state(103 * MS),
        BreakerState::Closed,
        "a fresh start"
    );
}

#[test]
fn each_failed_probe_doubles_the_pause_up_to_its_limit() {
    let mut breaker = opened(Duration::ZERO);
    let mut now = Duration::ZERO;
    for pause in [100, 200, 350, 350] {
        assert_eq!(breaker.admit(now + (pause - 1) * MS), None, "{pause}");
        now += pause * MS;
        let probe = breaker.admit(now).expect("the pause is over");
        breaker.done(probe, CallOutcome::Failed, now);
    }
}

#[test]
fn a_probe_whose_caller_went_away_frees_its_place() {
    let mut breaker = opened(Duration::ZERO);
    let probe = breaker.admit(100 * MS).expect("the pause is over");
    breaker.done(probe, CallOutcome::Abandoned(MS), 100 * MS);
    assert!(breaker.admit(100 * MS).is_some());
}

#[test]
fn calls_of_an_earlier_state_say_nothing() {
    let mut breaker = Breaker::new(policy());
    let late = breaker.admit(MS).expect("closed");
    calls(&mut breaker, &[CallOutcome::Failed; 4], MS);
    let probe = breaker.admit(101 * MS).expect("the pause is over");
    breaker.done(late, CallOutcome::Failed, 101 * MS);
    assert_eq!(breaker.state(101 * MS), BreakerState::HalfOpen);
    assert_eq!(breaker.admit(101 * MS), None, "the probe is still out");
    breaker.done(probe, QUICK, 101 * MS);
    assert!(breaker.admit(101 * MS).is_some());
}

proptest! {
    #[test]
    fn whatever_happened_a_store_that_answers_is_asked_again(
        history in prop::collection::vec((0u64..300, 0u8..4), 0..200)
    ) {
        let mut breaker = Breaker::new(policy());
        let mut now = Duration::ZERO;
        let mut out = Vec::new();
        for (wait, action) in history {
            now += Duration::from_millis(wait);
            match action {
                0 => out.extend(breaker.admit(now)),
                _ => if let Some(ticket) = out.pop() {
                    let outcome = [QUICK, CallOutcome::Failed, CallOutcome::Abandoned(MS)][usize::from(action) - 1];
                    breaker.done(ticket, outcome, now);
                }
            }
        }
        for ticket in out {
            breaker.done(ticket, CallOutcome::Abandoned(MS), now);
        }
        for _ in 0..12 {
            now += policy().pause_max;
            if let Some(ticket) = breaker.admit(now) {
                breaker.done(ticket, QUICK, now);
            }
        }
        prop_assert_eq!(breaker.state(now), BreakerState::Closed);
    }
}

#[test]
fn under_every_order_of_two_callers_one_probe_is_out_at_most_and_good_ones_close() {
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Mutex};

    loom::model(|| {
        let breaker = Arc::new(Mutex::new(opened(Duration::ZERO)));
        let probing = Arc::new(AtomicUsize::new(0));
        let caller = |n: u32| {
            let (breaker, probing) = (Arc::clone(&breaker), Arc::clone(&probing));
            move || {
                let now = (100 + n) * MS;
                let ticket = breaker.lock().unwrap().admit(now);
                let Some(ticket) = ticket else { return };
                assert_eq!(probing.fetch_add(1, Ordering::SeqCst), 0);
                loom::thread::yield_now();
                assert_eq!(probing.fetch_sub(1, Ordering::SeqCst), 1);
                breaker.lock().unwrap().done(ticket, QUICK, now);
            }
        };
        let threads = [caller(0), caller(1)].map(loom::thread::spawn);
        for thread in threads {
            thread.join().unwrap();
        }
        let mut breaker = breaker.lock().unwrap();
        // One of them may have been refused; the breaker is never stuck.
        while breaker.state(300 * MS) != BreakerState::Closed {
            let ticket = breaker.admit(300 * MS).expect("no probe is out");
            breaker.done(ticket, QUICK, 300 * MS);
        }
    });
}
