// Checks every operation that the page sends against a schema: those of examples.json, the first
// tab's, and the Branches panel's. A document must be valid; the variables of an example must be
// declared, complete and of the right shape, with placeholders standing for strings.
// Usage: node scripts/check-examples.mjs [SCHEMA.graphql]   (default: ../schema.graphql)
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { GraphQLError, Kind, buildSchema, parse, validate } from 'graphql'
import { getVariableValues } from 'graphql/execution/values.js'
import * as panel from '../src/branches/queries.js'
import { WELCOME } from '../src/welcome.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const schemaPath = process.argv[2] ?? here('../../schema.graphql')
const schema = buildSchema(readFileSync(schemaPath, 'utf8'))
const examples = JSON.parse(readFileSync(here('../examples.json'), 'utf8'))

const PERSONAS = ['frontend', 'mobile', 'analyst', 'operator']
const seen = new Set()
let failed = 0

const fixed = { WELCOME, ...panel }

for (const example of examples) report(example.id, check(example))
for (const [name, document] of Object.entries(fixed)) report(name, validated(document).problems)
const count = examples.length + Object.keys(fixed).length
console.log(`${count} operations against ${schemaPath}: ${failed} problems`)
process.exit(failed === 0 && examples.length >= 12 ? 0 : 1)

function report(name, problems) {
  failed += problems.length
  for (const problem of problems) console.error(`${name}: ${problem}`)
}

/** The parsed document, or the problems that a server would refuse it for. */
function validated(text) {
  try {
    const document = parse(text)
    return { document, problems: validate(schema, document).map((error) => error.message) }
  } catch (error) {
    return { problems: [error instanceof GraphQLError ? error.toString() : String(error)] }
  }
}

function check({ id, persona, title, description, query, variables, follow = {} }) {
  const problems = []
  if (seen.has(id)) problems.push('the id is used twice')
  seen.add(id)
  if (!PERSONAS.includes(persona)) problems.push(`unknown persona ${persona}`)
  if (!title || !description) problems.push('title and description are needed')
  for (const path of Object.keys(follow)) {
    if (path.split('.').reduce((at, key) => at?.[key], variables) === undefined) {
      problems.push(`follow: the variables have no ${path}`)
    }
  }
  const { document, problems: invalid } = validated(query.join('\n'))
  problems.push(...invalid)
  if (!document) return problems
  const operations = document.definitions.filter((d) => d.kind === Kind.OPERATION_DEFINITION)
  if (operations.length !== 1) problems.push('a document holds exactly one operation')
  const declared = operations[0].variableDefinitions ?? []
  const names = new Set(declared.map((definition) => definition.variable.name.value))
  for (const name of Object.keys(variables)) {
    if (!names.has(name)) problems.push(`variable ${name} is not used by the operation`)
  }
  const { errors = [] } = getVariableValues(schema, declared, variables)
  return [...problems, ...errors.map((error) => error.message)]
}
