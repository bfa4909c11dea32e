// The audits of npm `graphql-http` (GraphQL over HTTP) against a running server; every one must be
// `ok`: a warning or a notice counts as a failure. `node audit.mjs http://127.0.0.1:PORT/graphql`.
import { auditServer } from 'graphql-http'

/** Audits of version 1.23.1; fewer would mean that the suite was not run whole. */
const AUDITS = 61

const url = process.argv[2]
if (!url) {
  console.error('usage: node audit.mjs URL')
  process.exit(64)
}
const results = await auditServer({ url, fetchFn: fetch })
const bad = results.filter((result) => result.status !== 'ok')
for (const { id, name, status, reason } of bad) console.log(`${status} ${id} ${name}: ${reason}`)
if (results.length !== AUDITS) console.log(`${results.length} audits were run, expected ${AUDITS}`)
const failed = bad.length + Math.abs(AUDITS - results.length)
console.log(`${results.length - bad.length} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
