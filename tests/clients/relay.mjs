// The Relay compiler accepts the schema and its connections; the documents that it writes run by
// `doc_id` on a server that takes nothing else.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

const manifest = () => JSON.parse(readFileSync(new URL('./build/relay-documents.json', import.meta.url)))

async function ask(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  })
  return response.json()
}

/** The id of the document that holds an operation of this name. */
function idOf(operation) {
  const found = Object.entries(manifest()).find(([, text]) => text.includes(` ${operation}`))
  assert.ok(found, `${operation} is in the manifest`)
  return found[0]
}

export const tests = {
  async 'documents of the Relay compiler run by doc_id where only they may run'(_, trusted) {
    const list = await ask(trusted, { doc_id: idOf('SessionPageListQuery') })
    const [{ node }] = list.data.sessions.edges
    const page = await ask(trusted, { doc_id: idOf('SessionPageQuery'), variables: { id: node.id } })
    assert.equal(page.errors, undefined)
    const turns = page.data.node.activePath.edges.map((edge) => edge.node)
    assert.ok(turns.length > 0)
    const agent = turns.find((turn) => turn.__typename === 'AgentTurn')
    const rated = await ask(trusted, {
      doc_id: idOf('SessionPageRateMutation'),
      variables: { id: agent.id, liked: true },
    })
    assert.deepEqual(rated.data.rateAgentTurn.agentTurn, { id: agent.id, liked: true })
    const other = await ask(trusted, { query: '{ viewer { uid } }' })
    assert.equal(other.errors[0].extensions.code, 'PERSISTED_DOCUMENT_REQUIRED')
  },
}
