// urql: documents by GET, its cache, mutations by POST, errors.
import assert from 'node:assert/strict'
import { Client, cacheExchange, fetchExchange, gql } from '@urql/core'

export const tests = {
  async 'urql asks by GET, caches, and writes by POST'(url) {
    const requests = []
    const counting = (to, options) => {
      requests.push(options.method)
      return fetch(to, options)
    }
    const client = new Client({
      url,
      exchanges: [cacheExchange, fetchExchange],
      preferGetMethod: true,
      fetch: counting,
    })
    const query = gql`query { sessions(first: 1) { nodes { id title turnCount } } }`
    const first = await client.query(query, {}).toPromise()
    assert.ifError(first.error)
    const [session] = first.data.sessions.nodes
    await client.query(query, {}).toPromise()
    assert.deepEqual(requests, ['GET'], 'the second answer is from the cache')
    const rename = gql`mutation ($id: ID!, $title: String!) {
      renameSession(id: $id, input: { title: $title }) { session { id title } userErrors { code } }
    }`
    const done = await client.mutation(rename, { id: session.id, title: 'by urql' }).toPromise()
    assert.ifError(done.error)
    const again = await client.query(query, {}, { requestPolicy: 'network-only' }).toPromise()
    assert.equal(again.data.sessions.nodes[0].id, session.id)
    assert.equal(again.data.sessions.nodes[0].title, 'by urql')
    assert.deepEqual(requests, ['GET', 'POST', 'GET'])
  },

  async 'urql sees errors with their codes'(url) {
    const client = new Client({ url, exchanges: [fetchExchange], preferGetMethod: false })
    const { error } = await client.query(gql`query { nope }`, {}).toPromise()
    assert.equal(error.graphQLErrors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED')
  },
}
