// Loads a TypeScript module of the page for a test, through the same transform that builds it.
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

/** `path` is relative to src/. */
export async function load(path) {
  const file = fileURLToPath(new URL(`../src/${path}`, import.meta.url))
  const { module } = await runnerImport(file, { configFile: false, logLevel: 'error' })
  return module
}
