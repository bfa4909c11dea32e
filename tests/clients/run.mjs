// Real clients against running servers: `node run.mjs URL TRUSTED_URL`, the second one with the
// documents of the Relay compiler enforced. Prints a line a test and `N passed, N failed`.
const [url, trusted] = process.argv.slice(2)
if (!trusted) {
  console.error('usage: node run.mjs URL TRUSTED_URL')
  process.exit(64)
}
let passed = 0
let failed = 0
for (const file of ['apollo', 'urql', 'relay', 'codegen']) {
  const { tests } = await import(`./${file}.mjs`)
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test(url, trusted)
      passed += 1
      console.log(`ok: ${name}`)
    } catch (error) {
      failed += 1
      console.log(`not ok: ${name}\n${error.stack}`)
    }
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
