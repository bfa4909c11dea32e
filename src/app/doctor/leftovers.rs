//! What waits in the record store for somebody's hand: numbers of turns that cannot stand, and
//! changes that were put aside.

use super::Check;
use crate::app::App;

/// Dead letters that are counted.
const LETTERS_MAX: usize = 1_000;

/// Sessions that are named.
const NAMED_MAX: usize = 5;

/// What waits in the record store for somebody's hand.
pub(super) async fn examine(app: &App) -> Vec<Check> {
    vec![numbers(app).await, letters(app).await]
}

/// No index spans both tables of turns, so this is looked for.
async fn numbers(app: &App) -> Check {
    const NAME: &str = "numbers of turns";
    let found = match app.source.contested(NAMED_MAX).await {
        Ok(found) if found.is_empty() => return Check::ok(NAME, "each is given once"),
        Ok(found) => found,
        Err(error) => {
            let hint = "it reads every turn and gives up after 5 s; `turngraph verify` finds the \
                        same, session by session";
            return Check::warning(NAME, format!("not looked at: {error}"), hint);
        }
    };
    let named = found.iter().map(|contested| {
        let (session, seq) = (&contested.session_uid, contested.seq);
        match contested.twice {
            true => format!("{seq} of session {session} is given twice"),
            false => format!("{seq} of session {session} would be given again"),
        }
    });
    Check::problem(
        NAME,
        named.collect::<Vec<_>>().join("; "),
        "a program has set `seq` itself: delete such a turn and insert it again without `seq`, so \
         that it gets a number of its own",
    )
}

async fn letters(app: &App) -> Check {
    const NAME: &str = "changes put aside";
    let letters = match app.source.dead_letters(LETTERS_MAX).await {
        Ok(letters) => letters,
        Err(error) => return Check::failed(NAME, error),
    };
    let Some(first) = letters.first() else {
        return Check::ok(NAME, "0");
    };
    let count = match letters.len() {
        LETTERS_MAX => format!("{LETTERS_MAX} or more"),
        count => count.to_string(),
    };
    let found = format!("{count}; the first: {}: {}", first.row, first.error);
    let nameless = letters.iter().any(|letter| letter.session_uid.is_none());
    let hint = match nameless {
        true => {
            "those without a session need a hand: mend the row, run `turngraph verify --repair`, \
             then `delete from dead_letters where session_uid is null;`"
        }
        false => {
            "their sessions are answered from the record store; the projector tries again by \
             itself, longer and longer apart"
        }
    };
    Check::warning(NAME, found, hint)
}
