// The placing of turns: every turn once, parents first, the active path in lane 0, and no trouble
// with deep, wide or broken trees.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './load.mjs'

const { layOut } = await load('branches/layout.ts')

const turn = (turnId, parentId, more = {}) => ({
  turnId,
  parentId,
  activeChildId: null,
  role: 'HUMAN',
  depth: 0,
  label: turnId,
  isOnActivePath: false,
  ...more,
})

const drawn = (placed) => placed.map(({ node, lane }) => `${'  '.repeat(lane)}${node.turnId}`)

test('the active path runs on in lane 0, below the other versions', () => {
  const placed = layOut([
    turn('a', null, { activeChildId: 'c', isOnActivePath: true }),
    turn('b', 'a'),
    turn('c', 'a', { isOnActivePath: true }),
    turn('d', 'b'),
    turn('e', 'a'),
  ])
  assert.deepEqual(drawn(placed), ['a', '  b', '  d', '  e', 'c'])
  assert.deepEqual(placed.map(({ parentRow }) => parentRow), [null, 0, 1, 0, 0])
  assert.deepEqual(placed.map(({ nextRow }) => nextRow), [4, 2, null, null, null])
})

test('of several roots the active one comes last and in lane 0', () => {
  const placed = layOut([
    turn('old', null),
    turn('now', null, { isOnActivePath: true }),
    turn('answer', 'now', { isOnActivePath: true }),
  ])
  assert.deepEqual(drawn(placed), ['  old', 'now', 'answer'])
})

test('without an active child the newest one goes on', () => {
  assert.deepEqual(drawn(layOut([turn('a', null), turn('b', 'a'), turn('c', 'a')])), ['a', '  b', 'c'])
})

test('a turn whose parent is not there is drawn as a root', () => {
  const placed = layOut([turn('a', null, { isOnActivePath: true }), turn('b', 'gone')])
  assert.deepEqual(drawn(placed), ['  b', 'a'])
  assert.equal(placed[0].parentRow, null)
})

test('turns that are their own ancestors are left out, and the rest is drawn', () => {
  const placed = layOut([turn('a', null), turn('b', 'c'), turn('c', 'b')])
  assert.deepEqual(drawn(placed), ['a'])
})

test('a chain of 10,000 turns stays in one lane, 1,000 children in two', () => {
  const chain = Array.from({ length: 10_000 }, (_, i) => turn(`${i}`, i === 0 ? null : `${i - 1}`))
  const deep = layOut(chain)
  assert.equal(deep.length, 10_000)
  assert.ok(deep.every(({ lane }) => lane === 0))
  const children = Array.from({ length: 1000 }, (_, i) => turn(`c${i}`, 'top'))
  const wide = layOut([turn('top', null), ...children])
  assert.equal(wide.filter(({ lane }) => lane === 1).length, 999)
})

test('of any tree every turn is placed once, below its parent and never left of it', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const nodes = randomTree(seed)
    const placed = layOut(nodes)
    assert.equal(new Set(placed.map(({ node }) => node.turnId)).size, nodes.length)
    for (const { node, row, lane, parentRow } of placed) {
      assert.equal(placed[row].node, node)
      if (node.parentId === null) continue
      const parent = placed[parentRow]
      assert.equal(parent.node.turnId, node.parentId)
      assert.ok(parent.row < row)
      assert.equal(lane, parent.nextRow === row ? parent.lane : parent.lane + 1)
    }
  }
})

/** A small generator with a seed (Park and Miller), so that a failure can be repeated. */
function randomTree(seed) {
  let state = seed
  const below = (limit) => {
    state = (state * 16807) % 2147483647
    return state % limit
  }
  const nodes = []
  for (let i = 0; i < 1 + below(40); i += 1) {
    const parent = i === 0 || below(10) === 0 ? null : nodes[below(i)]
    const node = turn(`${seed}-${i}`, parent?.turnId ?? null)
    if (parent && below(2) === 0) parent.activeChildId = node.turnId
    nodes.push(node)
  }
  return nodes
}
