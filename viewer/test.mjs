// Runs src/**/*.test.ts under node, bundled by esbuild into a folder that goes away.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const find = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory()
      ? find(path)
      : path.endsWith('.test.ts')
        ? [path]
        : []
  })
const out = mkdtempSync(join(tmpdir(), 'marey-viewer-'))
buildSync({
  entryPoints: find(join(here, 'src')),
  bundle: true,
  platform: 'node',
  format: 'esm',
  outdir: out,
  outExtension: { '.js': '.mjs' },
  external: ['node:*'],
})
const built = readdirSync(out, { recursive: true }).filter((name) =>
  name.endsWith('.mjs'),
)
const run = spawnSync(
  process.execPath,
  ['--test', ...built.map((name) => join(out, name))],
  {
    stdio: 'inherit',
  },
)
rmSync(out, { recursive: true })
process.exit(run.status ?? 1)
