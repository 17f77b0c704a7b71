// One HTML file from the page, its style, its script, its worker and the core:
//   node build.mjs CORE.wasm OUT.html
// The same inputs give the same bytes, so that a test can compare.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { buildSync } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const [core, out] = process.argv.slice(2)
if (!core || !out) {
  console.error('usage: node build.mjs CORE.wasm OUT.html')
  process.exit(2)
}

function bundle(entry, define) {
  const result = buildSync({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    write: false,
    define,
  })
  return result.outputFiles[0].text.trim()
}

const worker = bundle('src/data/worker.ts', {})
const script = bundle('src/main.ts', { WORKER_SCRIPT: JSON.stringify(worker) })
const style = buildSync({
  absWorkingDir: here,
  entryPoints: ['style.css'],
  minify: true,
  write: false,
  charset: 'utf8',
}).outputFiles[0].text.trim()

const wasm = readFileSync(core)
const packed = gzipSync(wasm, { level: 9 })
packed[9] = 255 // "made on": always the same

const parts = {
  '/*STYLE*/': style,
  '<!--WASM-->': packed.toString('base64'),
  '<!--SCRIPT-->': script
    .replaceAll('</script', '<\\/script')
    .replaceAll('<!--', '<\\!--'),
}
let page = readFileSync(join(here, 'page.html'), 'utf8')
for (const [mark, text] of Object.entries(parts)) {
  if (!page.includes(mark)) throw new Error(`page.html has no ${mark}`)
  page = page.replace(mark, () => text)
}
writeFileSync(out, page)
console.log(
  `${out}: ${page.length} bytes (script ${script.length}, core ${wasm.length})`,
)
