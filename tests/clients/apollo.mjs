// Apollo Client 4: normalised cache, relay-style pages, automatic persisted queries by GET.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client'
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries'
import { relayStylePagination } from '@apollo/client/utilities'
import { filter, firstValueFrom } from 'rxjs'

const sha256 = (text) => createHash('sha256').update(text).digest('hex')

const SESSIONS = gql`
  query Sessions($first: Int!, $after: String) {
    sessions(first: $first, after: $after) {
      edges { cursor node { id title } }
      pageInfo { hasNextPage endCursor hasPreviousPage startCursor }
    }
  }
`
const RENAME = gql`
  mutation Rename($id: ID!, $title: String!) {
    renameSession(id: $id, input: { title: $title }) { session { id title } userErrors { code } }
  }
`

/** Every test gets a client of its own and the requests that it made. */
function client(url) {
  const requests = []
  const counting = async (to, options) => {
    const response = await fetch(to, options)
    const text = await response.clone().text()
    requests.push({ method: options.method, hasText: /[?&]query=|"query"/.test(to + (options.body ?? '')), text })
    return response
  }
  const cache = new InMemoryCache({
    typePolicies: { Query: { fields: { sessions: relayStylePagination() } } },
  })
  const link = ApolloLink.from([
    new PersistedQueryLink({ sha256, useGETForHashedQueries: true }),
    new HttpLink({ uri: url, fetch: counting }),
  ])
  return { apollo: new ApolloClient({ cache, link }), requests }
}

export const tests = {
  async 'Apollo Client registers a query once and asks by hash and GET afterwards'(url) {
    const { apollo, requests } = client(url)
    const ask = () => apollo.query({ query: SESSIONS, variables: { first: 2 }, fetchPolicy: 'network-only' })
    assert.equal((await ask()).data.sessions.edges.length, 2)
    assert.match(requests[0].text, /PersistedQueryNotFound/)
    assert.deepEqual(requests.map((it) => it.hasText), [false, true])
    await ask()
    assert.deepEqual([requests[2].method, requests[2].hasText], ['GET', false])
    assert.equal(requests.length, 3)
  },

  async 'Apollo Client joins pages and updates an entity everywhere after a mutation'(url) {
    const { apollo } = client(url)
    const query = apollo.watchQuery({ query: SESSIONS, variables: { first: 2 } })
    const first = await firstValueFrom(query.pipe(filter((result) => !result.loading)))
    const { endCursor, hasNextPage } = first.data.sessions.pageInfo
    assert.equal(hasNextPage, true)
    await query.fetchMore({ variables: { first: 2, after: endCursor } })
    const joined = query.getCurrentResult().data.sessions
    const ids = joined.edges.map((edge) => edge.node.id)
    assert.equal(new Set(ids).size, 4)
    const title = `renamed ${ids[0]}`
    const done = await apollo.mutate({ mutation: RENAME, variables: { id: ids[0], title } })
    assert.deepEqual(done.data.renameSession.userErrors, [])
    assert.equal(query.getCurrentResult().data.sessions.edges[0].node.title, title)
  },

  async 'Apollo Client sees errors with their codes'(url) {
    const { apollo } = client(url)
    const wrong = gql`query Wrong { sessions(first: 1000) { nodes { id } } }`
    const failed = await apollo.query({ query: wrong }).then(() => null, (error) => error)
    assert.equal(failed.errors[0].extensions.code, 'BAD_USER_INPUT')
    assert.ok(failed.errors[0].extensions.requestId)
  },
}
