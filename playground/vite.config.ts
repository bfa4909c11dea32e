// Builds the page into dist/: hashed names under assets/, each stored only as its gzip form, which
// is what the server embeds and sends (src/http/playground.rs). index.html stays as it is.
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** Below this a file fits one network packet, and compression gains nothing. */
const WORTH_COMPRESSING = 1400

function gzipAssets(): Plugin {
  let folder = ''
  return {
    name: 'turngraph:gzip-assets',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir, config.build.assetsDir)
    },
    closeBundle() {
      let raw = 0
      let packed = 0
      for (const name of readdirSync(folder)) {
        const path = join(folder, name)
        raw += statSync(path).size
        if (statSync(path).size < WORTH_COMPRESSING) continue
        const bytes = gzipSync(readFileSync(path), { level: 9 })
        packed += bytes.length
        writeFileSync(`${path}.gz`, bytes)
        rmSync(path)
      }
      this.info(`assets: ${raw} bytes, ${packed} as gzip`)
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
    rolldownOptions: {
      onwarn(warning, report) {
        // GraphiQL's "use no memo" marks are for a compiler that has already run on it.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') report(warning)
      },
    },
  },
  server: { proxy: { '/graphql': 'http://127.0.0.1:8080', '/playground': 'http://127.0.0.1:8080' } },
})
