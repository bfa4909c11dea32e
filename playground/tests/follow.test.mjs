// Ids that travel from an answer to the next example.
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { load } from './load.mjs'

const { followAnswers, forgetAnswers, rememberAnswer } = await load('examples/follow.ts')

const variables = { sessionId: 'demo', input: { parentId: 'demo turn', prompt: 'Why?' } }
const follow = {
  sessionId: 'createSession.session.id',
  'input.parentId': 'createSession.session.activeLeaf.id',
}

beforeEach(forgetAnswers)

test('without an earlier answer the variables stay as they are', () => {
  assert.deepEqual(followAnswers(variables, follow), variables)
})

test('an earlier answer lends its values, at every depth, and the original is kept', () => {
  rememberAnswer({ createSession: { session: { id: 's', activeLeaf: { id: 't' } } } })
  assert.deepEqual(followAnswers(variables, follow), {
    sessionId: 's',
    input: { parentId: 't', prompt: 'Why?' },
  })
  assert.equal(variables.sessionId, 'demo')
})

test('half an answer is not mixed with the demo ids', () => {
  rememberAnswer({ createSession: { session: { id: 's', activeLeaf: null } } })
  assert.deepEqual(followAnswers(variables, follow), variables)
})

test('list entries are named by their place', () => {
  rememberAnswer({ deleteTurn: { deletedTurnIds: ['first', 'second'] } })
  const followed = followAnswers({ turnId: 'demo' }, { turnId: 'deleteTurn.deletedTurnIds.0' })
  assert.equal(followed.turnId, 'first')
})

test('a failed mutation changes nothing', () => {
  rememberAnswer({ createSession: null })
  rememberAnswer(null)
  assert.deepEqual(followAnswers(variables, follow), variables)
})
