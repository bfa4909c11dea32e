// graphql-codegen, client preset: the schema and operations become types, which TypeScript accepts
// for a program that narrows steps by type without a cast; its manifest runs by `documentId`.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { codegen } from '@graphql-codegen/core'
import { preset } from '@graphql-codegen/client-preset'
import { buildSchema, parse } from 'graphql'
import ts from 'typescript'

const here = new URL('./', import.meta.url)
const build = new URL('build/codegen/', here).pathname

const DOCUMENT = `query Steps($uid: Uid!) {
  session(uid: $uid) {
    title
    turns(first: 50) {
      nodes {
        __typename
        ... on AgentTurn {
          steps(first: 50) {
            nodes {
              __typename
              idx
              ... on TextStep { text }
              ... on CodeStep { language source }
              ... on WebSearchStep { query results { url title } }
            }
          }
        }
      }
    }
  }
}`

const PROGRAM = `import type { StepsQuery } from './graphql'
type Turn = NonNullable<NonNullable<StepsQuery['session']>['turns']>['nodes'][number]
export function show(turn: Turn): string[] {
  if (turn.__typename !== 'AgentTurn') return []
  return (turn.steps?.nodes ?? []).map((step) => {
    switch (step.__typename) {
      case 'TextStep': return step.text
      case 'CodeStep': return step.source
      case 'WebSearchStep': return step.results.map((result) => result.url).join(' ')
      default: return String(step.idx)
    }
  })
}
`

async function generate() {
  const sdl = readFileSync(new URL('../../schema.graphql', here), 'utf8')
  const sections = await preset.buildGeneratesSection({
    baseOutputDir: build,
    schema: parse(sdl),
    schemaAst: buildSchema(sdl),
    documents: [{ location: 'steps.graphql', document: parse(DOCUMENT), rawSDL: DOCUMENT }],
    config: { useTypeImports: true },
    presetConfig: { fragmentMasking: false, persistedDocuments: true },
    plugins: [],
    pluginMap: {},
    pluginContext: {},
  })
  mkdirSync(build, { recursive: true })
  for (const section of sections) writeFileSync(section.filename, await codegen(section))
}

/** What TypeScript says of the program, in strict mode. */
function complaints() {
  const file = `${build}program.ts`
  writeFileSync(file, PROGRAM)
  const options = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
    types: [],
  }
  const program = ts.createProgram([file], options)
  return ts.getPreEmitDiagnostics(program).map((it) => ts.flattenDiagnosticMessageText(it.messageText, '\n'))
}

export const tests = {
  async 'graphql-codegen makes types that narrow steps without a cast'() {
    await generate()
    assert.deepEqual(complaints(), [])
  },
}
