// What the status line says of where an answer came from.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './load.mjs'

const { ageOf, storesOf } = await load('freshness.ts')

const read = (path, source, lagMs, stale = false) => ({
  path: [path],
  source,
  lagMs,
  asOf: lagMs === null ? null : '2026-01-31T09:15:00.123Z',
  stale,
})

test('each store is named once, by its oldest part', () => {
  const reads = [
    read('session', 'REDIS', 120),
    read('viewer', 'POSTGRES', 0),
    read('turn', 'REDIS', 1500),
  ]
  const stores = storesOf({ reads })
  assert.deepEqual(
    stores.map(({ store, age }) => `${store} ${age}`),
    ['REDIS 1.5 s behind', 'POSTGRES current'],
  )
  assert.match(stores[0].title, /^session, turn: from REDIS/)
  assert.match(stores[0].title, /until 2026-01-31T09:15:00\.123Z$/)
})

test('an unknown age is older than any, and one stale part makes a store stale', () => {
  const [store] = storesOf({
    reads: [read('a', 'CQL', 5, true), read('b', 'CQL', null), read('c', 'CQL', 9_000_000)],
  })
  assert.equal(store.age, 'age unknown')
  assert.equal(store.stale, true)
  assert.deepEqual(storesOf({ reads: [] }), [])
})

test('ages are told in the unit that fits', () => {
  const ages = [0, 1, 999, 1000, 59_999, 60_000, 3_599_999, 3_600_000].map(ageOf)
  assert.deepEqual(ages, [
    'current',
    '1 ms behind',
    '999 ms behind',
    '1.0 s behind',
    '60.0 s behind',
    '1 min behind',
    '60 min behind',
    '1.0 h behind',
  ])
})
