// Carries ids from one answer to the next example: "Start a conversation" returns a session, and
// "Add an agent answer" then begins with that session instead of the demo's.

/** Variable path -> path in the data of an earlier answer, both with dots. */
export type Follow = Record<string, string>

/** Latest answer of each root field. */
const answers = new Map<string, unknown>()

export function rememberAnswer(data: Record<string, unknown> | null | undefined) {
  for (const [field, value] of Object.entries(data ?? {})) answers.set(field, value)
}

/** Ids of one account mean nothing in another. */
export function forgetAnswers() {
  answers.clear()
}

function lookUp(path: string): unknown {
  const [field = '', ...rest] = path.split('.')
  let at: unknown = answers.get(field)
  for (const key of rest) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Record<string, unknown>)[key]
  }
  return at ?? undefined
}

/** A copy of `variables` with every followed value that is known put in; all of them or none. */
export function followAnswers(
  variables: Record<string, unknown>,
  follow: Follow,
): Record<string, unknown> {
  const found = Object.entries(follow).map(([to, from]) => [to, lookUp(from)] as const)
  const copy = structuredClone(variables)
  if (found.some(([, value]) => value === undefined)) return copy
  for (const [to, value] of found) {
    const keys = to.split('.')
    const last = keys.pop() ?? to
    let at = copy
    for (const key of keys) at = at[key] as Record<string, unknown>
    at[last] = value
  }
  return copy
}
