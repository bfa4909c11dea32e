// The page as the tests see it: opened in a fresh profile, watched for anything that goes wrong.
import assert from 'node:assert/strict'

const isLoopback = (url) =>
  ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname) || /^(data|blob):/.test(url)

export class Playground {
  /** What went wrong so far, one line each; empty in a clean run. */
  problems = []
  /** Names of the operations that were sent. */
  operations = []
  loaded = 0
  bytes = 0
  #isLeaving = false

  constructor(browser, url, { colorScheme = 'light', width = 1440 } = {}) {
    this.browser = browser
    this.base = url
    this.settings = { colorScheme, viewport: { width, height: 900 } }
  }

  /** Loads the page in a profile of its own and waits until it is ready. */
  async open() {
    this.context = await this.browser.newContext(this.settings)
    this.context.setDefaultTimeout(20_000)
    this.page = await this.context.newPage()
    await this.#watch()
    await this.page.goto(this.base)
    await this.ready()
  }

  async #watch() {
    await this.context.route('**/*', (route) => {
      const url = route.request().url()
      if (isLoopback(url)) return route.continue()
      this.problems.push(`a request left the machine: ${url}`)
      return route.abort()
    })
    this.page.on('console', (message) => {
      if (message.type() === 'error') this.problems.push(`console error: ${message.text()}`)
    })
    this.page.on('pageerror', (error) => this.problems.push(`page error: ${error}`))
    this.page.on('requestfailed', (request) => {
      // A page that is left drops what it was still loading.
      if (this.#isLeaving && request.failure()?.errorText === 'net::ERR_ABORTED') return
      this.problems.push(`request failed: ${request.url()} ${request.failure()?.errorText}`)
    })
    this.page.on('request', (request) => {
      const body = request.postData()
      if (request.url().endsWith('/graphql') && body) this.operations.push(JSON.parse(body).operationName)
    })
    this.page.on('requestfinished', async (request) => {
      this.loaded += 1
      const sizes = await request.sizes().catch(() => null)
      this.bytes += sizes?.responseBodySize ?? 0
    })
    this.page.on('response', (response) => {
      const isGraphql = response.url().endsWith('/graphql')
      if (!isGraphql && response.status() >= 400) {
        this.problems.push(`HTTP ${response.status()}: ${response.url()}`)
      }
    })
  }

  /** Waits until the editor is there and the schema has come. */
  async ready() {
    await this.page.locator('.graphiql-query-editor .monaco-editor .view-lines').waitFor()
    await this.page.locator('.graphiql-editor-tool .monaco-editor .view-lines').first().waitFor()
    await this.page.locator('.graphiql-sidebar [aria-label^="Re-fetch GraphQL schema"]:not([disabled])').waitFor()
  }

  async reload() {
    this.#isLeaving = true
    await this.page.reload()
    this.#isLeaving = false
    await this.ready()
  }

  get(path) {
    return this.context.request.get(new URL(path, this.base).href)
  }

  async queryText() {
    const text = await this.page.locator('.graphiql-query-editor .view-lines').innerText()
    return text.replaceAll('\u00a0', ' ')
  }

  queryShows(text) {
    return this.#paneShows('.graphiql-query-editor', text)
  }

  responseShows(text) {
    return this.#paneShows('.graphiql-response', text)
  }

  #paneShows(pane, text) {
    return this.page.waitForFunction(
      ([selector, wanted]) =>
        document.querySelector(`${selector} .view-lines`)?.textContent?.replaceAll('\u00a0', ' ').includes(wanted),
      [pane, text],
    )
  }

  /** Replaces the text of the operation editor by a paste: typing would complete and close braces. */
  async write(text) {
    await this.page.locator('.graphiql-query-editor .view-lines').click()
    await this.page.keyboard.press('Control+A')
    await this.page.locator('.graphiql-query-editor textarea').evaluate((area, pasted) => {
      const clipboardData = new DataTransfer()
      clipboardData.setData('text/plain', pasted)
      area.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }))
    }, text)
    await this.queryShows(text)
  }

  /** Presses Run; the operation's answer with the variables, headers and account that were sent. */
  async run(operationName) {
    const [response] = await Promise.all([
      this.page.waitForResponse((response) => {
        const body = response.request().postData()
        if (!response.url().endsWith('/graphql') || !body) return false
        const sent = JSON.parse(body)
        return operationName ? sent.operationName === operationName : !/__schema/.test(sent.query)
      }),
      this.page.locator('.graphiql-execute-button').click(),
    ])
    const request = response.request()
    const { variables } = JSON.parse(request.postData())
    const headers = request.headers()
    return { ...(await response.json()), variables, headers, account: headers['x-turngraph-account'] }
  }

  async examples() {
    await this.page.locator('[data-example]').first().waitFor()
    return this.page.locator('[data-example]').evaluateAll((nodes) => nodes.map((node) => node.dataset.example))
  }

  /** Chooses an example; returns the name of its operation. */
  async pick(id) {
    const list = await (await this.get('./playground/examples.json')).json()
    const example = list.find((it) => it.id === id)
    assert.ok(example, `the server has an example ${id}`)
    await this.page.locator(`[data-example="${id}"]`).click()
    const [head, name] = /^\s*(?:query|mutation) (\w+)/.exec(example.query) ?? []
    assert.ok(name, `${id} names its operation`)
    await this.queryShows(head.trim())
    return name
  }

  async pickAndRun(id) {
    return this.run(await this.pick(id))
  }

  async panel(title) {
    const button = this.page.locator('.graphiql-sidebar').getByRole('button', { name: title })
    await button.click()
  }

  focusedRow() {
    return this.page.evaluate(() => Number(document.activeElement?.dataset.row))
  }

  /** Takes a problem that the test provoked off the list; it must have come. */
  takeProblem(pattern) {
    const at = this.problems.findIndex((problem) => pattern.test(problem))
    assert.notEqual(at, -1, `expected ${pattern} among ${JSON.stringify(this.problems)}`)
    this.problems.splice(at, 1)
  }

  assertClean() {
    assert.deepEqual(this.problems, [])
  }

  close() {
    return this.context?.close()
  }
}
