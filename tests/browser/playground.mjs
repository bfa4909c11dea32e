// Drives the page on `/` in a real Chromium, with every request that leaves the machine cut.
//
// Usage: node playground.mjs BASE_URL [SCREENSHOT_FOLDER]
// or with TURNGRAPH_URL, TURNGRAPH_SCREENSHOTS and CHROMIUM in the environment. The server must
// hold the demo data; the test writes to it (it runs every example, mutations included) and can be
// repeated on the same data. Ends with the line `N passed, N failed`; exit code 1 on any
// failure, 2 if it could not begin.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { Playground } from './page.mjs'

const base = process.argv[2] ?? process.env.TURNGRAPH_URL
const folder = process.argv[3] ?? process.env.TURNGRAPH_SCREENSHOTS
if (!base) {
  console.error('usage: node playground.mjs BASE_URL [SCREENSHOT_FOLDER]')
  process.exit(2)
}
if (folder) mkdirSync(folder, { recursive: true })

const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
if (!existsSync(executablePath)) {
  console.error(`no Chromium at ${executablePath}: apt-get install chromium, or set CHROMIUM`)
  process.exit(2)
}
const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS })
let passed = 0
let failed = 0

/** One check in a browser profile of its own; nothing that it sees may be wrong at the end. */
async function check(name, run, options = {}) {
  const playground = new Playground(browser, base, options)
  try {
    await playground.open()
    await run(playground)
    playground.assertClean()
    passed += 1
    console.log(`ok      ${name}`)
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${name}\n        ${indent([String(error?.stack ?? error), ...playground.problems])}`)
    await picture(playground, `failed-${failed}`)
  } finally {
    await playground.close()
  }
}

function indent(lines) {
  return lines.join('\n').replaceAll('\n', '\n        ')
}

async function picture({ page }, name) {
  if (folder && page) await page.screenshot({ path: join(folder, `${name}.png`) })
}

await check('the page comes with a strict policy and assets that are cached for good', async (it) => {
  const page = await it.get('./')
  assert.equal(page.status(), 200)
  assert.equal(page.headers()['cache-control'], 'no-cache')
  const policy = page.headers()['content-security-policy'] ?? ''
  assert.match(policy, /script-src 'self'(;|$)/)
  assert.doesNotMatch(policy, /unsafe-eval|https?:/)
  const script = /src="(\.\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1]
  assert.ok(script, 'index.html names a script below assets/')
  const asset = await it.get(script)
  assert.match(asset.headers()['cache-control'] ?? '', /immutable/)
  assert.match(asset.headers()['content-type'] ?? '', /^text\/javascript/)
  assert.equal(asset.headers()['x-content-type-options'], 'nosniff')
  assert.match(await (await it.get('./licenses.md')).text(), /graphiql/)
})

await check('the first tab of a newcomer answers as it stands', async (it) => {
  assert.equal(await it.page.title(), 'turngraph')
  assert.match(await it.queryText(), /query Welcome/)
  const { data } = await it.run('Welcome')
  assert.equal(data.viewer.uid, 'demo')
  assert.ok(data.viewer.sessions.nodes.length > 0, 'the demo account has conversations')
  await it.responseShows('"viewer"')
  console.log(`        first load: ${it.loaded} requests, ${it.bytes} bytes on the wire`)
  await picture(it, 'welcome-light')
})

await check('every example runs without an error and finds what it asks for', async (it) => {
  const examples = await it.examples()
  assert.ok(examples.length >= 12, `at least twelve examples, got ${examples.length}`)
  assert.equal(await it.page.locator('.tg-panel h3').count(), 4, 'four groups')
  for (const id of examples) {
    const { data, errors } = await it.pickAndRun(id)
    assert.equal(errors, undefined, `${id}: ${JSON.stringify(errors)}`)
    for (const [field, value] of Object.entries(data)) {
      assert.notEqual(value, null, `${id}: ${field} is null`)
      assert.deepEqual(value.userErrors ?? [], [], `${id}: userErrors`)
    }
  }
})

await check('an answer lends its ids to the next example', async (it) => {
  const created = await it.pickAndRun('create-session')
  const { id, activeLeaf } = created.data.createSession.session
  const appended = await it.pickAndRun('append-agent')
  assert.deepEqual(appended.variables.sessionId, id)
  assert.deepEqual(appended.variables.input.parentId, activeLeaf.id)
})

await check('an example does not overwrite what the user wrote', async (it) => {
  await it.write('query Mine { viewer { uid } }')
  const mine = it.page.getByRole('tab', { name: 'Mine' })
  await mine.waitFor()
  await it.pick('history')
  assert.equal(await it.page.getByRole('tab').count(), 2)
  await mine.click()
  await it.queryShows('query Mine')
})

await check('a wrong field is marked while typing', async (it) => {
  await it.write('{ nope }')
  await it.page.locator('.graphiql-query-editor .squiggly-error').waitFor()
  const { errors } = await it.run()
  assert.match(errors[0].message, /nope/)
  await it.page.locator('.tg-status .tg-bad').waitFor()
  // GraphQL over HTTP: an operation that is not valid is answered with 400, which Chromium notes.
  it.takeProblem(/console error: .*status of 400/)
})

await check('the docs know the schema', async (it) => {
  await it.panel('Documentation Explorer')
  await it.page.locator('.graphiql-doc-explorer').getByText('Query', { exact: true }).first().click()
  await it.page.locator('.graphiql-doc-explorer').getByText('session', { exact: true }).first().waitFor()
})

await check('the tree is drawn, walks by keyboard and switches the branch', async (it) => {
  await it.panel('Branches')
  const turns = it.page.getByRole('treeitem')
  await turns.first().waitFor()
  assert.ok((await turns.count()) > 2, 'a tree with more than two turns')
  await turns.first().focus()
  await it.page.keyboard.press('ArrowDown')
  assert.equal(await it.focusedRow(), 1)
  await it.page.keyboard.press('ArrowLeft')
  assert.equal(await it.focusedRow(), 0)
  const other = it.page.locator('.tg-turn:not(.active)').first()
  await other.focus()
  await it.page.keyboard.press('Enter')
  const chosen = await it.page.locator('.tg-turn[aria-selected="true"]').getAttribute('data-turn')
  await it.page.getByRole('button', { name: 'Make active' }).click()
  await it.page.locator(`.tg-turn.active[data-turn="${chosen}"]`).waitFor()
  await it.page.getByRole('button', { name: 'Path through it' }).click()
  const { data } = await it.run('PathThrough')
  assert.ok(data.session.path.nodes.some((node) => node.id === chosen && node.isOnActivePath))
  await picture(it, 'branches-light')
})

await check('a link fills the editor and runs nothing', async (it) => {
  await it.pick('last-20')
  await it.page.getByRole('button', { name: 'Copy a link to this operation' }).click()
  await it.page.waitForFunction(() => location.hash.includes('LastTwenty'))
  const link = it.page.url()
  const reader = new Playground(browser, link)
  try {
    await reader.open()
    assert.match(await reader.queryText(), /query LastTwenty/)
    assert.equal(reader.operations.filter((name) => name !== 'IntrospectionQuery').length, 0)
    const { variables } = await reader.run('LastTwenty')
    assert.ok(variables.sessionId, 'the variables came with the link')
    reader.assertClean()
  } finally {
    await reader.close()
  }
})

await check('the account field is sent with every request once it is filled', async (it) => {
  assert.equal((await it.run('Welcome')).account, undefined)
  const field = it.page.getByLabel('Account')
  await field.fill('somebody-else')
  await field.press('Enter')
  const { account, data } = await it.run('Welcome')
  assert.equal(account, 'somebody-else')
  assert.equal(data.viewer.uid, 'somebody-else')
})

await check('it is chosen how fresh answers must be, and told how fresh they are', async (it) => {
  const told = it.page.locator('.tg-freshness')
  const eventual = await it.run('Welcome')
  assert.equal(eventual.headers['x-turngraph-consistency'], undefined)
  await told.getByText('EVENTUAL', { exact: true }).waitFor()
  const { reads } = eventual.extensions.turngraph
  for (const source of new Set(reads.map((read) => read.source))) {
    await told.locator(`[data-store="${source}"]`).waitFor()
  }
  for (const consistency of ['ANALYTICS', 'STRONG']) {
    await it.page.getByLabel('Read', { exact: true }).selectOption(consistency)
    const { headers, extensions } = await it.run('Welcome')
    assert.equal(headers['x-turngraph-consistency'], consistency)
    assert.equal(extensions.turngraph.consistency, consistency)
    await told.getByText(consistency, { exact: true }).waitFor()
  }
  await told.getByText('SQLITE current').waitFor()
  assert.match(await told.locator('[data-store="SQLITE"]').getAttribute('title'), /viewer.*committed until 2/)
  await it.reload()
  assert.equal(await it.page.getByLabel('Read', { exact: true }).inputValue(), 'STRONG')
})

await check('reads show what was written here, until that is switched off', async (it) => {
  const atLeast = ({ headers }) => headers['x-turngraph-at-least']
  assert.equal(atLeast(await it.run('Welcome')), undefined)
  const written = await it.pickAndRun('create-session')
  assert.deepEqual(written.data.createSession.userErrors, [])
  const read = await it.pickAndRun('history')
  assert.match(atLeast(read), /^r1\./)
  await it.page.locator('.tg-freshness').getByText('shows your writes').waitFor()
  await it.page.getByLabel('My writes').uncheck()
  assert.equal(atLeast(await it.pickAndRun('history')), undefined)
  await it.page.getByLabel('My writes').check()
  const field = it.page.getByLabel('Account')
  await field.fill('somebody-else')
  await field.press('Enter')
  assert.equal(atLeast(await it.run()), undefined, 'a write of another account')
})

for (const colorScheme of ['light', 'dark']) {
  await check(`a narrow ${colorScheme} page shows all of it`, async (it) => {
    await it.pickAndRun('load-conversation')
    await it.responseShows('"activePath"')
    await it.page.locator('.tg-freshness [data-store]').first().waitFor()
    const parts = ['.graphiql-tab', '.tg-freshness', '.tg-reading', '.tg-account', '.tg-name', '.tg-status a']
    for (const part of parts) {
      const { left, right } = await it.page
        .locator(part)
        .first()
        .evaluate((node) => node.getBoundingClientRect().toJSON())
      assert.ok(left >= 0 && left < right && right <= 800, `${part} lies from ${left} to ${right}`)
    }
    await picture(it, `narrow-${colorScheme}`)
  }, { colorScheme, width: 800 })
}

await check('tabs survive a reload', async (it) => {
  await it.pick('outline')
  await it.page.waitForFunction(() => localStorage['graphiql:tabState']?.includes('query Outline'))
  await it.reload()
  await it.queryShows('query Outline')
})

await check('a dark system gets a dark page', async (it) => {
  await it.pickAndRun('load-conversation')
  await it.responseShows('"activePath"')
  const ground = await it.page
    .locator('.graphiql-container')
    .evaluate((node) => getComputedStyle(node).backgroundColor)
  const [red, green, blue] = ground.match(/\d+/g).map(Number)
  assert.ok(red + green + blue < 200, `the ground is dark, got ${ground}`)
  await picture(it, 'example-dark')
  await it.panel('Branches')
  await it.page.getByRole('treeitem').first().waitFor()
  await picture(it, 'branches-dark')
}, { colorScheme: 'dark' })

await check('an example with its answer, as a picture', async (it) => {
  await it.pickAndRun('load-conversation')
  await it.responseShows('"activePath"')
  await picture(it, 'example-light')
})

await browser.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
