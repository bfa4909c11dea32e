// Builds the page into dist/: hashed names under assets/, each stored only as its gzip form, which
// is what the server embeds and sends (src/http/playground.rs); likewise licenses.md, the notices of
// what is bundled. index.html stays as it is.
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** Below this a file fits one network packet, and compression gains nothing. */
const WORTH_COMPRESSING = 1400

function gzipAssets(): Plugin {
  let dist = ''
  let assets = ''
  return {
    name: 'turngraph:gzip-assets',
    apply: 'build',
    configResolved({ root, build }) {
      dist = join(root, build.outDir)
      assets = join(dist, build.assetsDir)
    },
    closeBundle() {
      const files = readdirSync(assets).map((name) => join(assets, name))
      let raw = 0
      let packed = 0
      for (const path of [...files, join(dist, 'licenses.md')]) {
        const bytes = readFileSync(path)
        raw += bytes.length
        if (bytes.length < WORTH_COMPRESSING) continue
        const gzip = gzipSync(bytes, { level: 9 })
        packed += gzip.length
        writeFileSync(`${path}.gz`, gzip)
        rmSync(path)
      }
      this.info(`${raw} bytes, ${packed} as gzip`)
    },
  }
}

export default defineConfig({
  base: './',
  plugins: [react(), gzipAssets()],
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    // Monaco is one chunk of 2.8 MB, loaded once and cached for good.
    chunkSizeWarningLimit: 4000,
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      onwarn(warning, report) {
        // GraphiQL's "use no memo" marks are for a compiler that has already run on it.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') report(warning)
      },
    },
  },
  server: { proxy: { '/graphql': 'http://127.0.0.1:4000', '/playground': 'http://127.0.0.1:4000' } },
})
